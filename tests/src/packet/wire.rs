//! What leaves the host: frames as they arrive at the far ends of its links.

use std::{
    collections::BTreeMap,
    fs,
    os::fd::{AsRawFd as _, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
        sockopt::RcvBuf,
    },
};

use super::bed::UNDERLAY;
use crate::scratch::Netns;

/// How long to wait for a frame that is expected. It only passes when one is missing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Frames by the name of the link, in their order.
pub(super) type Frames = BTreeMap<String, Vec<Vec<u8>>>;

/// The far ends of all links.
pub(super) struct Wire {
    socket: OwnedFd,
    /// Names of the links by the index of their far end.
    pub(super) ends: BTreeMap<usize, String>,
}

impl Wire {
    /// Listens to all interfaces of a namespace.
    pub(super) fn in_namespace(far: &Netns) -> Result<Self> {
        let socket = far.run(|| {
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
            setsockopt(&socket, RcvBuf, &(1 << 20))?;
            Ok(socket)
        })?;
        Ok(Self { socket, ends: BTreeMap::new() })
    }

    /// Frames that have arrived and were not read; gives how many, of which not all are kept. A VLAN tag is not among
    /// their bytes: the kernel takes it out.
    fn read(&self, frames: &mut Frames) -> Result<u64> {
        let mut buffer = vec![0; 65536];
        let mut count = 0;
        loop {
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut buffer) {
                Ok((len, from)) => {
                    let end = from.and_then(|from| self.ends.get(&from.ifindex()));
                    let Some(name) = end else { continue };
                    let frame = buffer.get(..len).context("a frame longer than its buffer")?;
                    count += 1;
                    if name == UNDERLAY && is_listener_report(frame) {
                        continue;
                    }
                    frames.entry(name.clone()).or_default().push(frame.to_vec());
                }
                Err(Errno::EAGAIN) => return Ok(count),
                Err(Errno::EINTR | Errno::ENETDOWN) => {}
                Err(e) => return Err(e).context("read a packet socket"),
            }
        }
    }

    /// What is sent from now on.
    pub(super) fn listen(&self) -> Result<Listening<'_>> {
        self.read(&mut Frames::new())?;
        Ok(Listening { wire: self, before: sent()? })
    }
}

/// A time of listening.
pub(super) struct Listening<'a> {
    wire: &'a Wire,
    before: BTreeMap<String, u64>,
}

impl Listening<'_> {
    /// Everything that was sent. Waits for as many frames as are expected, and for all that have left.
    pub(super) fn hear(self, expected: usize) -> Result<Frames> {
        let begin = Instant::now();
        let mut frames = Frames::new();
        let mut arrived = 0;
        loop {
            let left: u64 = sent()?
                .iter()
                .filter(|(dev, _)| self.wire.ends.values().any(|end| end == *dev))
                .map(|(dev, count)| count - self.before.get(dev).copied().unwrap_or(0))
                .sum();
            arrived += self.wire.read(&mut frames)?;
            let heard: usize = frames.values().map(Vec::len).sum();
            if (heard >= expected && arrived >= left) || begin.elapsed() > PATIENCE {
                return Ok(frames);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether the kernel tells routers what groups it listens to, as it does from time to time: by MLD, when an interface
/// has an IPv6 address (RFC 3810), and by IGMP (RFC 3376). That has nothing to do with any row. Of what is sent here only
/// these messages have a hop-by-hop header, number 0, behind that of IPv6, or are of protocol 2.
fn is_listener_report(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([0x86, 0xdd]) => frame.get(20) == Some(&0),
        Some([0x08, 0x00]) => frame.get(23) == Some(&2),
        _ => false,
    }
}

/// How many frames each interface of the calling thread's namespace has sent. Copies are sent while a program runs, so
/// when the run has returned they are counted.
fn sent() -> Result<BTreeMap<String, u64>> {
    let text = fs::read_to_string("/proc/thread-self/net/dev").context("read counters of interfaces")?;
    let count = |line: &str| {
        let (dev, counters) = line.split_once(':')?;
        // Eight columns of what was received, then packets come second.
        let packets = counters.split_whitespace().nth(9)?.parse().ok()?;
        Some((dev.trim().to_owned(), packets))
    };
    Ok(text.lines().filter_map(count).collect())
}
