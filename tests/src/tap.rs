//! Frames as interfaces see them, through a packet socket: bytes, and which way they go.

use std::{
    collections::BTreeMap,
    io::IoSliceMut,
    os::fd::{AsRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    libc, setsockopt_impl, sockopt_impl,
    sys::socket::{
        AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg,
        setsockopt, socket, sockopt::RcvBufForce,
    },
};
use vxbpf::netdev;

use crate::scratch::Netns;

sockopt_impl!(
    /// Asks for what the kernel took out of the bytes of a frame: its VLAN tag.
    PacketAuxdata,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_AUXDATA,
    bool
);

/// `PACKET_AUXDATA` and flags of `linux/if_packet.h`.
const AUXDATA: i32 = 8;
const STATUS_VLAN_VALID: u32 = 1 << 4;
const STATUS_VLAN_TPID_VALID: u32 = 1 << 6;
/// `PACKET_OUTGOING` of `linux/if_packet.h`.
const OUTGOING: u8 = 4;
/// Room for what comes while nobody reads.
const BUFFER: usize = 16 << 20;

/// Which way a frame went, as seen from the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Received: the other end of the wire sent it.
    In,
    /// Sent: to the other end of the wire.
    Out,
}

/// A frame as it was on the wire: a VLAN tag is among its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The interface.
    pub dev: String,
    /// Which way it went.
    pub way: Way,
    /// The frame.
    pub frame: Vec<u8>,
}

/// A listener on interfaces of a namespace, from when it is made.
#[derive(Debug)]
pub struct Tap {
    socket: OwnedFd,
    devs: BTreeMap<usize, String>,
}

impl Tap {
    /// Listens on these interfaces.
    #[track_caller]
    pub fn start(netns: &Netns, devs: &[&str]) -> Self {
        let open = || {
            let index = |dev: &&str| Ok((usize::try_from(netdev::link(dev)?.index)?, (*dev).to_owned()));
            let devs = devs.iter().map(index).collect::<Result<_>>()?;
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
            setsockopt(&socket, RcvBufForce, &BUFFER)?;
            setsockopt(&socket, PacketAuxdata, &true)?;
            Ok(Self { socket, devs })
        };
        netns.run(open).unwrap_or_else(|e| panic!("listen on {devs:?}: {e:#}"))
    }

    /// Frames that have come and were not given yet.
    #[track_caller]
    pub fn frames(&self) -> Vec<Heard> {
        let mut buffer = vec![0; 1 << 16];
        let mut frames = Vec::new();
        while let Some((index, heard)) = self.next(&mut buffer).expect("read a packet socket") {
            if let Some(dev) = self.devs.get(&index) {
                frames.push(Heard { dev: dev.clone(), ..heard });
            }
        }
        frames
    }

    fn next(&self, buffer: &mut [u8]) -> Result<Option<(usize, Heard)>> {
        let mut control = nix::cmsg_space!([u8; 64]);
        loop {
            let mut parts = [IoSliceMut::new(buffer)];
            let flags = MsgFlags::empty();
            match recvmsg::<LinkAddr>(self.socket.as_raw_fd(), &mut parts, Some(&mut control), flags) {
                Ok(message) => {
                    let from = message.address.context("a frame from nowhere")?;
                    let way = if from.pkttype() == OUTGOING { Way::Out } else { Way::In };
                    let tag = message.cmsgs()?.find_map(|part| tag(&part));
                    let len = message.bytes;
                    let frame = buffer.get(..len).context("a frame longer than its buffer")?;
                    let frame = with_tag(frame, tag);
                    return Ok(Some((from.ifindex(), Heard { dev: String::new(), way, frame })));
                }
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EINTR | Errno::ENETDOWN) => {}
                Err(e) => return Err(e).context("receive"),
            }
        }
    }
}

/// The VLAN tag in a message's `struct tpacket_auxdata`: protocol and tag control information.
fn tag(part: &ControlMessageOwned) -> Option<[u8; 4]> {
    let ControlMessageOwned::Unknown(part) = part else { return None };
    let is_auxdata = part.cmsg_header.cmsg_level == libc::SOL_PACKET && part.cmsg_header.cmsg_type == AUXDATA;
    let (status, rest) = part.data_bytes.split_first_chunk::<4>()?;
    let status = u32::from_ne_bytes(*status);
    if !is_auxdata || status & STATUS_VLAN_VALID == 0 {
        return None;
    }
    // tp_len, tp_snaplen, tp_mac, tp_net; then tp_vlan_tci, tp_vlan_tpid.
    let half = |at: usize| rest.get(at..at + 2).map(|b| u16::from_ne_bytes([b[0], b[1]]));
    let tpid = if status & STATUS_VLAN_TPID_VALID == 0 { 0x8100 } else { half(14)? };
    let ([a, b], [c, d]) = (tpid.to_be_bytes(), half(12)?.to_be_bytes());
    Some([a, b, c, d])
}

fn with_tag(frame: &[u8], tag: Option<[u8; 4]>) -> Vec<u8> {
    match (tag, frame.split_at_checked(12)) {
        (Some(tag), Some((addresses, rest))) => [addresses, &tag, rest].concat(),
        _ => frame.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_goes_behind_the_addresses() {
        let frame: Vec<u8> = (0..20).collect();
        let tagged = with_tag(&frame, Some([0x81, 0, 0, 5]));
        assert_eq!(tagged[..16], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x81, 0, 0, 5]);
        assert_eq!(tagged[16..], frame[12..]);
        assert_eq!(with_tag(&frame, None), frame);
    }
}
