//! Frames as they are: sent from an interface, and captured on one.

use std::{
    fs::{self, File},
    os::fd::AsRawFd as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result};
use nix::{
    ifaddrs::{InterfaceAddress, getifaddrs},
    libc, setsockopt_impl, sockopt_impl,
    sys::{
        signal::{Signal, kill},
        socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, setsockopt, socket},
    },
    unistd::Pid,
};
use pcap_file::pcap::PcapReader;

use crate::{scratch::Netns, wait};

/// Sends frames from an interface of a namespace.
#[track_caller]
pub fn send(netns: &Netns, dev: &str, frames: &[Vec<u8>]) {
    netns
        .run(|| {
            let dev = link_address(dev)?;
            let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
            for frame in frames {
                sendto(socket.as_raw_fd(), frame, &dev, MsgFlags::empty())?;
            }
            Ok(())
        })
        .expect("send frames");
}

sockopt_impl!(
    /// Has a `struct virtio_net_hdr` before each frame.
    VnetHdr,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_VNET_HDR,
    bool
);

/// Sends a TCP/IPv4 frame whose headers end at `headers`, to be cut into segments of `segment` bytes of payload by
/// whoever must: as a TCP socket does with segmentation offload.
#[track_caller]
pub fn send_segments(netns: &Netns, dev: &str, frame: &[u8], headers: u16, segment: u16) {
    /// `VIRTIO_NET_HDR_F_NEEDS_CSUM` and `VIRTIO_NET_HDR_GSO_TCPV4` of `linux/virtio_net.h`.
    const FLAGS_AND_TYPE: [u8; 2] = [1, 1];
    /// Where a TCP header begins before its end, and where in it the checksum is.
    const TCP: u16 = 20;
    const CHECKSUM: u16 = 16;
    let fields = [headers, segment, headers - TCP, CHECKSUM].map(u16::to_ne_bytes);
    let packet = [&FLAGS_AND_TYPE[..], fields.as_flattened(), frame].concat();
    netns
        .run(|| {
            let dev = link_address(dev)?;
            let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
            setsockopt(&socket, VnetHdr, &true)?;
            sendto(socket.as_raw_fd(), &packet, &dev, MsgFlags::empty())?;
            Ok(())
        })
        .expect("send a frame of many segments");
}

/// The address that sends from an interface of the current namespace.
pub fn link_address(dev: &str) -> Result<LinkAddr> {
    let address = |a: InterfaceAddress| {
        (a.interface_name == dev).then_some(a.address)?.and_then(|a| a.as_link_addr().copied())
    };
    getifaddrs()?.find_map(address).with_context(|| format!("interface {dev}"))
}

/// A capture of what comes into an interface.
pub struct Capture {
    tcpdump: Child,
    file: PathBuf,
}

impl Capture {
    /// Begins to capture what a filter of tcpdump lets through.
    #[track_caller]
    pub fn start(netns: &Netns, dev: &str, filter: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let base = std::env::temp_dir().join(format!("vxt-{}-capture{number}", std::process::id()));
        let (file, words) = (base.with_extension("pcap"), base.with_extension("txt"));
        let said = File::create(&words).expect("create a file");
        let mut command = Command::new("tcpdump");
        command.args(["-i", dev, "-Q", "in", "-n", "-U", "--immediate-mode", "-Z", "root", "-w"]).arg(&file);
        command.args(filter.split_whitespace()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        let tcpdump = netns.run(|| command.spawn().context("tcpdump")).expect("start tcpdump");
        let capture = Self { tcpdump, file };
        let listening = || fs::read_to_string(&words).unwrap_or_default().contains("listening on");
        wait::expect("tcpdump to listen", wait::SOON, listening);
        let _ = fs::remove_file(&words);
        capture
    }

    /// Frames so far.
    pub fn frames(&self) -> Vec<Vec<u8>> {
        let Ok(file) = File::open(&self.file) else { return Vec::new() };
        let Ok(mut reader) = PcapReader::new(file) else { return Vec::new() };
        let mut frames = Vec::new();
        // The last one may not be written completely yet.
        while let Some(Ok(packet)) = reader.next_packet() {
            frames.push(packet.data().to_vec());
        }
        frames
    }

    /// Waits for that many frames, and gives them.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Vec<u8>> {
        wait::until(wait::SOON, || self.frames().len() >= count);
        let frames = self.frames();
        assert!(frames.len() >= count, "captured {} of {count} frames: {frames:x?}", frames.len());
        frames
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.tcpdump.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.tcpdump.wait();
        let _ = fs::remove_file(&self.file);
    }
}
