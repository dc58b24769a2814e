//! The account of one packet: what the path finds out about it, where it goes, and who is to count it.
//!
//! It lives in per-CPU memory, not on the stack, of which the whole chain of functions has 512 bytes. A
//! program has its CPU's account to itself: none of ours runs inside another on the same CPU, because what
//! they send is queued first.

use network_types::eth::EthHdr;
use vxbpf_common::{
    Addr, DropReason, Mac,
    counters::Counters,
    event::{KIND_DROP, KIND_MISS},
    nexthop::NextHop,
};

use crate::{
    events,
    flood::Replica,
    maps,
    nexthop::NOWHERE,
    packet::Packet,
    too_big::Begin,
    verdict::{self, Verdict},
};

/// Where a packet came from.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Direction {
    /// A port.
    FromPort,
    /// The underlay.
    FromUnderlay,
    /// The helper device: counted as sent already, unless it is dropped.
    FromHelper,
}

/// Where a station is: behind a port, or behind a remote VTEP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The port, or 0.
    pub(crate) ifindex: u32,
    /// The VTEP, or none.
    pub(crate) remote: Addr,
}

impl Place {
    pub(crate) const NOWHERE: Self = Self { ifindex: 0, remote: Addr::NONE };
}

/// No counters.
pub(crate) const NO_SLOT: u32 = u32::MAX;

/// What is known of a packet. The path fills it in as it finds out.
pub struct Account {
    /// How its walk ended.
    pub(crate) outcome: verdict::Result,
    /// Bytes of the inner frame.
    pub(crate) len: u32,
    /// CLOCK_MONOTONIC nanoseconds.
    pub(crate) now: u64,
    /// Number of its VNI.
    pub(crate) vni: u32,
    /// Counters of its VNI.
    pub(crate) vni_slot: u32,
    /// Counters of the port it came from.
    pub(crate) port_slot: u32,
    /// Counters of the VTEP it came from or goes to.
    pub(crate) vtep_slot: u32,
    /// Its inner source and destination.
    pub(crate) src: Mac,
    pub(crate) dst: Mac,
    /// Where it came from.
    pub(crate) from: Place,
    /// Where its source was before.
    pub(crate) before: Place,
    /// The event that learning its source is: `KIND_LEARN` or `KIND_MOVE`.
    pub(crate) learned: Option<u8>,
    /// It is for a group that has a list of its own.
    pub(crate) grouped: bool,
    /// The interface it leaves by.
    pub(crate) out: u32,
    /// Counters of the port it goes to.
    pub(crate) out_slot: u32,
    /// The remote it goes to, its UDP port, and the VNI there.
    pub(crate) remote: Addr,
    pub(crate) dstport: [u8; 2],
    pub(crate) dst_vni: u32,
    /// The way there.
    pub(crate) hop: NextHop,
    /// Of a packet that is too big: what fits.
    pub(crate) mtu: u32,
    /// For the answer to it.
    pub(crate) begin: Begin,
    /// For flooding.
    pub(crate) replica: Replica,
}

impl Account {
    /// Opens this CPU's account for a packet, of which nothing is known yet. Never `None`: the map has a
    /// row for each CPU, but the verifier wants to be told.
    #[inline(always)]
    pub fn open<P: Packet>(pkt: &P) -> Option<&'static mut Self> {
        let account = maps::scratch()?;
        account.outcome = Ok(Verdict::Pass);
        account.len = pkt.len() + pkt.hidden_len();
        account.now = events::now();
        account.vni = 0;
        account.vni_slot = NO_SLOT;
        account.port_slot = NO_SLOT;
        account.vtep_slot = NO_SLOT;
        account.src = Mac::ZERO;
        account.from = Place::NOWHERE;
        account.before = Place::NOWHERE;
        account.learned = None;
        account.grouped = false;
        account.hop = NOWHERE;
        Some(account)
    }

    /// Notes the inner addresses.
    #[inline(always)]
    pub(crate) fn frame(&mut self, eth: &EthHdr) {
        self.src = Mac::new(eth.src_addr);
        self.dst = Mac::new(eth.dst_addr);
    }

    /// The end of the walk.
    #[inline(always)]
    pub fn outcome(&self) -> verdict::Result {
        self.outcome
    }

    /// The interface the packet leaves by.
    #[inline(always)]
    pub fn out(&self) -> u32 {
        self.out
    }

    /// Counts and reports the packet, now that its fate is known. What is passed on is not ours to count.
    #[inline(always)]
    pub fn settle(&self, direction: Direction) {
        if self.outcome == Ok(Verdict::Pass) {
            return;
        }
        let len = u64::from(self.len);
        match direction {
            Direction::FromPort => received(self.port_slot, len, self.outcome),
            Direction::FromUnderlay => {
                received(self.vni_slot, len, self.outcome);
                received(self.vtep_slot, len, self.outcome);
            }
            Direction::FromHelper => {}
        }
        match self.outcome {
            Ok(Verdict::Port | Verdict::Peer) => sent(self.out_slot, len),
            // (What the helper device sends on was counted when it was sent there; it has no slots.)
            Ok(Verdict::Underlay | Verdict::Neighbour | Verdict::Resolve) => {
                sent(self.vni_slot, len);
                sent(self.vtep_slot, len);
            }
            // An answered request is a frame that the port got.
            Ok(Verdict::Reply) => sent(self.port_slot, len),
            // A group is flooded by nature; an unknown station is worth telling.
            Ok(Verdict::Flood) if direction != Direction::FromHelper && !self.dst.is_group() => {
                events::report(KIND_MISS, self)
            }
            Ok(Verdict::Pass | Verdict::Flood) => {}
            Err(reason) => {
                if direction == Direction::FromPort {
                    not_sent(self.vni_slot);
                }
                maps::count_drop(reason);
                events::report(KIND_DROP, self);
            }
        }
    }

    /// Reports what was learned from the packet, whatever becomes of it.
    #[inline(always)]
    pub fn report_learned(&self) {
        if let Some(kind) = self.learned {
            events::report(kind, self);
        }
    }
}

/// Counts a flooded copy of `len` bytes in up to two slots, or the reason why there is none.
#[inline(always)]
pub(crate) fn copied(slot: u32, other: u32, len: u32, outcome: Result<(), DropReason>) {
    match outcome {
        Ok(()) => {
            sent(slot, u64::from(len));
            sent(other, u64::from(len));
        }
        Err(reason) => {
            not_sent(slot);
            not_sent(other);
            maps::count_drop(reason);
        }
    }
}

#[inline(always)]
fn with(slot: u32, count: impl FnOnce(&mut Counters)) {
    if slot != NO_SLOT
        && let Some(row) = maps::counters(slot)
    {
        count(row);
    }
}

#[inline(always)]
fn received(slot: u32, len: u64, outcome: verdict::Result) {
    with(slot, |row| {
        row.rx_packets += 1;
        row.rx_bytes += len;
        match outcome {
            Err(reason) if reason.is_error() => row.rx_errors += 1,
            Err(_) => row.rx_dropped += 1,
            Ok(_) => {}
        }
    });
}

#[inline(always)]
fn sent(slot: u32, len: u64) {
    with(slot, |row| {
        row.tx_packets += 1;
        row.tx_bytes += len;
    });
}

#[inline(always)]
fn not_sent(slot: u32) {
    with(slot, |row| row.tx_dropped += 1);
}
