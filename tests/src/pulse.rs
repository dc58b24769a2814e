//! When everything that was sent has arrived wherever it may go: waiting for the end of what must not come.
//!
//! A frame that must not arrive gives no sign when it does not. Here no time is waited for it; its way is outrun. All
//! links are veth pairs: a frame that is sent joins the queue of the CPU that sends it (`netif_rx` without RPS, which
//! new veths do not have), is taken from there to be received, and if it is forwarded joins the same queue again. So a
//! test stays on one CPU with its threads and children, and its frames take turns in one queue that is first in,
//! first out. A [`Pulse`] sends a frame of its own through a veth pair on that CPU and receives it: when it is back,
//! everything that waited in the queue before it has got one link further, and so after as many beats as the longest
//! way has links, ARP there and back included, everything is where it ends.
//!
//! The links of mode xdp have queues of their own (`veth_xdp_rx`), served by the same CPU in turn with that queue
//! (`net_rx_action`), and what XDP redirects leaves when a turn ends; twice as many beats outrun them.

use std::{
    cell::Cell,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context as _, Result};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::{
        socket::{
            AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvfrom, sendto,
            setsockopt, socket, sockopt::ReceiveTimeout,
        },
        time::TimeVal,
    },
    unistd::Pid,
};
use vxbpf::netdev::{self, End};

use crate::{raw, scratch::Netns};

/// The longest way: pod, node, switch, node, pod with a request and a reply of ARP before it, is ten links.
const BEATS: u32 = 24;

/// A beat takes microseconds; a CPU that is busy with other tests may take longer.
const PATIENCE: TimeVal = TimeVal::new(10, 0);

/// Keeps the calling thread, and the threads and processes that it starts from now on, on one CPU: always the same
/// one, and another one than other threads if there are several.
pub fn stay_on_one_cpu() -> Result<()> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<bool> = const { Cell::new(false) };
    }
    if MINE.get() {
        return Ok(());
    }
    let here = Pid::from_raw(0);
    let allowed = sched_getaffinity(here).context("ask for CPUs")?;
    let allowed: Vec<_> = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect();
    let number = NEXT.fetch_add(1, Ordering::Relaxed) % allowed.len().max(1);
    let mut cpus = CpuSet::new();
    cpus.set(*allowed.get(number).context("no CPU")?)?;
    sched_setaffinity(here, &cpus).context("stay on a CPU")?;
    MINE.set(true);
    Ok(())
}

/// A veth pair in a namespace of its own, and sockets on both ends.
#[derive(Debug)]
pub struct Pulse {
    sender: OwnedFd,
    to: LinkAddr,
    receiver: OwnedFd,
    from: usize,
    _netns: Netns,
}

impl Pulse {
    /// Makes it.
    pub fn start() -> Result<Self> {
        let netns = Netns::create()?;
        let (to, from) = netns.run(|| {
            let end = |name| End { name, netns: None, mac: None, mtu: 1500 };
            netdev::create_veth(&end("pulse0"), &end("pulse1"))?;
            let received = netdev::link("pulse1")?.index;
            netdev::set_up(received)?;
            netdev::set_up(netdev::link("pulse0")?.index)?;
            Ok((raw::link_address("pulse0")?, usize::try_from(received)?))
        })?;
        let open = |protocol| {
            netns.run(|| Ok(socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?))
        };
        let (sender, receiver) = (open(None)?, open(Some(SockProtocol::EthAll))?);
        setsockopt(&receiver, ReceiveTimeout, &PATIENCE)?;
        Ok(Self { sender, to, receiver, from, _netns: netns })
    }

    /// Waits until what was sent before on this CPU is where it ends.
    pub fn settle(&self) -> Result<()> {
        (0..BEATS).try_for_each(|number| self.beat(number))
    }

    fn beat(&self, number: u32) -> Result<()> {
        let mut frame = [0xff; 64];
        // RFC 5342 section B.2: local experiments.
        frame[12..14].copy_from_slice(&[0x88, 0xb6]);
        frame[14..18].copy_from_slice(&number.to_be_bytes());
        sendto(self.sender.as_raw_fd(), &frame, &self.to, MsgFlags::empty()).context("send a pulse")?;
        loop {
            let mut seen = [0; 64];
            let (_, from) = recvfrom::<LinkAddr>(self.receiver.as_raw_fd(), &mut seen)
                .context("a pulse was lost on its way")?;
            // The socket hears it leave as well.
            if seen == frame && from.is_some_and(|from| from.ifindex() == self.from) {
                return Ok(());
            }
        }
    }
}
