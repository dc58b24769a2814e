//! The counter: where frames end, be it in the pod that they are for or at a node's underlay. It is a program at the
//! ingress of the interface, so that it sees what comes through `redirect_peer` and what sockets would not take, and it
//! looks at every frame, because a contender that delivers wrong ones is not fast.
//!
//! A contender at XDP hands frames to the driver of the pod's interface, and there its work ends: a program at XDP counts
//! there, before the kernel makes an skb of each frame, for that is the work of whoever receives. All others
//! bring an skb, and are counted in TC.

use anyhow::{Context as _, Result};
use aya::{Ebpf, maps::PerCpuArray};
use vxbpf_limit::{PLACES, Seen, Traffic, WRONG};

use super::{
    bed::{Bed, IFACE},
    contender::Contender,
    limit,
};
use crate::scratch::Netns;

/// Where a counter is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// TC: skbs end there.
    Tc,
    /// XDP: frames of XDP end there; an skb would first be copied into one.
    Xdp,
}

impl At {
    /// Where to count what a contender delivers.
    pub const fn of(contender: Contender) -> Self {
        match contender {
            Contender::Kernel | Contender::Bridge | Contender::VxbpfTc | Contender::LimitTc => Self::Tc,
            Contender::VxbpfXdp | Contender::LimitXdp => Self::Xdp,
        }
    }
}

/// What was counted since the counter was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Frames as expected; of encapsulated ones by the last byte of the outer destination, of others all at place 0.
    pub places: Vec<u64>,
    /// Any other frames.
    pub wrong: u64,
}

impl Counts {
    /// All frames as expected.
    pub fn right(&self) -> u64 {
        self.places.iter().sum()
    }

    /// What was counted since `before`.
    pub fn since(&self, before: &Self) -> Self {
        let places = self.places.iter().zip(&before.places).map(|(now, before)| now - before).collect();
        Self { places, wrong: self.wrong - before.wrong }
    }
}

/// A counter; it no longer is when dropped.
#[derive(Debug)]
pub struct Counter {
    ebpf: Ebpf,
}

impl Counter {
    /// Counts and ends what comes to a pod of the bed.
    pub fn in_pod(bed: &Bed, pod: usize, traffic: &Traffic) -> Result<Self> {
        Self::attach(At::of(bed.contender), ["count", "count_xdp"], &bed.pods[pod].netns, "eth0", traffic)
    }

    /// Counts and ends what comes to a node of the bed through the underlay, encapsulated. Nothing may forward there.
    pub fn at_node(bed: &Bed, node: usize, at: At, traffic: &Traffic) -> Result<Self> {
        Self::attach(at, ["count_outer", "count_outer_xdp"], &bed.nodes[node].netns, IFACE, traffic)
    }

    fn attach(at: At, [tc, xdp]: [&str; 2], netns: &Netns, dev: &str, traffic: &Traffic) -> Result<Self> {
        let mut ebpf = limit::load(Some(traffic), None)?;
        match at {
            At::Tc => limit::attach_tc(&mut ebpf, tc, netns, dev)?,
            At::Xdp => limit::attach_xdp(&mut ebpf, xdp, netns, dev)?,
        }
        Ok(Self { ebpf })
    }

    /// When the last frame came, on the kernel's clock in nanoseconds. Right if as many came since the counter was made as
    /// make whole [`vxbpf_limit::STAMPED`]s.
    pub fn last(&self) -> Result<u64> {
        let seen: PerCpuArray<_, [u64; 2]> =
            PerCpuArray::try_from(self.ebpf.map("SEEN").context("no map SEEN")?)?;
        let last = seen.get(&0, 0)?.iter().map(|seen| bytemuck::cast::<_, Seen>(*seen).last).max();
        last.context("no CPU")
    }

    /// What was counted so far.
    pub fn counts(&self) -> Result<Counts> {
        let arrived: PerCpuArray<_, u64> =
            PerCpuArray::try_from(self.ebpf.map("ARRIVED").context("no map ARRIVED")?)?;
        let mut places = (0..PLACES)
            .map(|place| Ok(arrived.get(&place, 0)?.iter().sum()))
            .collect::<Result<Vec<u64>>>()?;
        let wrong = places.split_off(usize::try_from(WRONG)?);
        Ok(Counts { places, wrong: wrong.iter().sum() })
    }
}
