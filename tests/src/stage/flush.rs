//! `fdb flush` by destination. The kernel has it since 6.7 (vxlan_fdb_delete_bulk, drivers/net/vxlan/vxlan_core.c), the
//! iproute2 of many systems not, so it is asked by its netlink message.

use std::{net::IpAddr, os::fd::AsRawFd as _};

use anyhow::{Context as _, Result, ensure};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use vxbpf::{
    dataplane::{Dataplane, InstanceName},
    netdev,
};

use super::{Node, VNI, device};

/// linux/netlink.h, linux/rtnetlink.h, linux/neighbour.h.
const RTM_DELNEIGH: u16 = 29;
const REQUEST_ACK_BULK: u16 = 0x1 | 0x4 | 0x200;
const NTF_SELF: u8 = 2;
const NDA_DST: u16 = 1;

impl Node {
    /// Removes what has expired, if that is for the daemon to do: the kernel does by itself.
    #[track_caller]
    pub fn sweep(&self) {
        if self.is_ours() {
            let name: InstanceName = self.netns.name().parse().expect("a name");
            Dataplane::open(&name).and_then(|mut d| d.sweep()).expect("sweep");
        }
    }

    /// Removes what has this remote for a destination.
    #[track_caller]
    pub fn flush_dst(&self, dst: IpAddr) {
        if self.is_ours() {
            self.ok(&format!("fdb flush vni {VNI} dst {dst}"));
            return;
        }
        self.netns.run(|| bulk_delete(netdev::link(&device(VNI))?.index, dst)).expect("flush");
    }
}

fn bulk_delete(ifindex: u32, dst: IpAddr) -> Result<()> {
    let addr = match dst {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let attribute = [u16::try_from(4 + addr.len())?.to_ne_bytes(), NDA_DST.to_ne_bytes()].concat();
    let family = u8::try_from(nix::libc::AF_BRIDGE)?;
    let entry = [&[family, 0, 0, 0][..], &ifindex.to_ne_bytes(), &[0, 0, NTF_SELF, 0]].concat();
    let len = u32::try_from(16 + entry.len() + attribute.len() + addr.len())?;
    let mut message = len.to_ne_bytes().to_vec();
    message.extend([RTM_DELNEIGH.to_ne_bytes(), REQUEST_ACK_BULK.to_ne_bytes()].concat());
    message.extend([0; 8]);
    message.extend([entry, attribute, addr].concat());

    let (family, kind) = (AddressFamily::Netlink, SockType::Raw);
    let netlink = socket(family, kind, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    sendto(netlink.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0; 512];
    recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let error = answer[16..20].try_into().map(i32::from_ne_bytes).context("an answer")?;
    ensure!(error == 0, "the kernel says {error}");
    Ok(())
}
