//! The account of one packet: what the path finds out about it, where it goes, and who is to count it.
//!
//! It lives in per-CPU memory, not on the stack, of which the whole chain of functions has 512 bytes. A
//! program has its CPU's account to itself: none of ours runs inside another on the same CPU, because what
//! they send is queued first.

use network_types::eth::EthHdr;
use vxbpf_common::{
    Addr, DropReason, Mac, Vni,
    counters::Counters,
    decision::{Decision, LIFETIME, NOTHING},
    event::{KIND_DROP, KIND_MISS},
    nexthop::NextHop,
    vni::VniConfig,
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
    /// What holds for the next frame like it, too.
    pub(crate) decision: Decision,
    /// Until when it does, CLOCK_MONOTONIC nanoseconds.
    pub(crate) until: u64,
    /// Until when what was found of its source does.
    pub(crate) heard_until: u64,
    /// Until when the way to its remote does.
    pub(crate) way_until: u64,
    /// Generation of the tables before they were asked.
    pub(crate) generation: u64,
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
    /// The VNI that the other end knows it by.
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
        account.decision.verdict = NOTHING;
        account.decision.remote = Addr::NONE;
        account.decision.vni_slot = NO_SLOT;
        account.decision.port_slot = NO_SLOT;
        account.decision.vtep_slot = NO_SLOT;
        account.until = account.now + LIFETIME;
        account.src = Mac::ZERO;
        account.from = Place::NOWHERE;
        account.before = Place::NOWHERE;
        account.learned = None;
        account.grouped = false;
        account.hop = NOWHERE;
        Some(account)
    }

    /// Notes the VNI; what is found in its tables from here on is of this generation.
    #[inline(always)]
    pub(crate) fn enter(&mut self, vni: Vni, config: &VniConfig) {
        self.vni = vni.get();
        self.decision.vni_slot = config.slot;
        self.decision.marks = config.marks();
        self.decision.vni = vni.get();
        self.decision.ageing = config.ageing;
        // Of user space it was read before the VNI's options were.
        self.generation = self.generation.wrapping_add(maps::generation_of(config.slot));
    }

    /// Notes the inner addresses.
    #[inline(always)]
    pub(crate) fn frame(&mut self, eth: &EthHdr) {
        self.src = Mac::new(eth.src_addr);
        self.dst = Mac::new(eth.dst_addr);
    }

    /// What was found holds until then at most.
    #[inline(always)]
    pub(crate) fn holds_until(&mut self, time: u64) {
        if time < self.until {
            self.until = time;
        }
    }

    /// The end of the walk.
    #[inline(always)]
    pub fn outcome(&self) -> verdict::Result {
        self.outcome
    }

    /// The interface the packet leaves by.
    #[inline(always)]
    pub fn out(&self) -> u32 {
        self.decision.out
    }

    /// Counts and reports the packet, now that its fate is known. What is passed on is not ours to count.
    #[inline(always)]
    pub fn settle(&self, direction: Direction) {
        if self.outcome == Ok(Verdict::Pass) {
            return;
        }
        let frame = Frames::one(self.len);
        match direction {
            Direction::FromPort => received(self.decision.port_slot, frame, self.outcome),
            Direction::FromUnderlay => {
                received(self.decision.vni_slot, frame, self.outcome);
                received(self.decision.vtep_slot, frame, self.outcome);
            }
            Direction::FromHelper => {}
        }
        match self.outcome {
            Ok(Verdict::Port | Verdict::Peer) => sent(self.decision.out_slot, frame),
            // (What the helper device sends on was counted when it was sent there; it has no slots.)
            Ok(Verdict::Underlay | Verdict::Neighbour | Verdict::Resolve) => {
                sent(self.decision.vni_slot, frame);
                sent(self.decision.vtep_slot, frame);
            }
            // An answered request is a frame that the port got.
            Ok(Verdict::Reply) => sent(self.decision.port_slot, frame),
            // A group is flooded by nature; an unknown station is worth telling.
            Ok(Verdict::Flood) if direction != Direction::FromHelper && !self.dst.is_group() => {
                events::report(KIND_MISS, self)
            }
            Ok(Verdict::Pass | Verdict::Flood) => {}
            Err(reason) => {
                if direction == Direction::FromPort {
                    not_sent(self.decision.vni_slot);
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

/// Counts a frame of `len` bytes that takes a remembered decision to a port. (As [`Account::settle`] does.)
///
/// To be called before headers are pushed or removed: behind that call the CPU begins anew, and would wait there for the rows.
#[inline(always)]
pub(crate) fn delivered(direction: Direction, known: &Decision, len: u32) {
    let frame = Frames::one(len);
    if direction == Direction::FromPort {
        received(known.port_slot, frame, Ok(Verdict::Port));
    } else {
        received(known.vni_slot, frame, Ok(Verdict::Port));
        received(known.vtep_slot, frame, Ok(Verdict::Port));
    }
    sent(known.out_slot, frame);
}

/// Corrects that for a packet from the underlay whose outer headers the kernel could not remove.
#[inline(never)]
pub(crate) fn not_removed(known: &Decision, len: u32) {
    sent(known.out_slot, Frames::one_less(len));
    received(known.vni_slot, Frames::NONE, Err(DropReason::DecapFailed));
    received(known.vtep_slot, Frames::NONE, Err(DropReason::DecapFailed));
    maps::count_drop(DropReason::DecapFailed);
}

/// Counts a frame from a port to a remote. As [`delivered`].
#[inline(always)]
pub(crate) fn encapsulated(port_slot: u32, vni_slot: u32, vtep_slot: u32, len: u32) {
    to_remote(port_slot, vni_slot, vtep_slot, Frames::one(len));
}

/// Takes that back: the frame is as it was, and will be counted by whoever takes it on.
#[inline(never)]
pub(crate) fn not_encapsulated(port_slot: u32, vni_slot: u32, vtep_slot: u32, len: u32) {
    to_remote(port_slot, vni_slot, vtep_slot, Frames::one_less(len));
}

#[inline(always)]
fn to_remote(port_slot: u32, vni_slot: u32, vtep_slot: u32, frames: Frames) {
    received(port_slot, frames, Ok(Verdict::Underlay));
    sent(vni_slot, frames);
    sent(vtep_slot, frames);
}

/// Counts a flooded copy of `len` bytes in up to two slots, or the reason why there is none.
#[inline(always)]
pub(crate) fn copied(slot: u32, other: u32, len: u32, outcome: Result<(), DropReason>) {
    match outcome {
        Ok(()) => {
            sent(slot, Frames::one(len));
            sent(other, Frames::one(len));
        }
        Err(reason) => {
            not_sent(slot);
            not_sent(other);
            maps::count_drop(reason);
        }
    }
}

/// What is added to the counters of a row. They wrap around, so it may be less than nothing: who reads between a frame and its
/// being taken back sees one too many.
#[derive(Clone, Copy)]
struct Frames {
    packets: u64,
    bytes: u64,
}

impl Frames {
    const NONE: Self = Self { packets: 0, bytes: 0 };

    #[inline(always)]
    fn one(len: u32) -> Self {
        Self { packets: 1, bytes: len.into() }
    }

    #[inline(always)]
    fn one_less(len: u32) -> Self {
        Self { packets: u64::MAX, bytes: u64::from(len).wrapping_neg() }
    }
}

#[inline(always)]
fn with(slot: u32, count: impl FnOnce(&mut Counters)) {
    // (There is no row `NO_SLOT`.)
    if let Some(row) = maps::counters(slot) {
        count(row);
    }
}

#[inline(always)]
fn received(slot: u32, frames: Frames, outcome: verdict::Result) {
    with(slot, |row| {
        row.rx_packets = row.rx_packets.wrapping_add(frames.packets);
        row.rx_bytes = row.rx_bytes.wrapping_add(frames.bytes);
        match outcome {
            Err(reason) if reason.is_error() => row.rx_errors += 1,
            Err(_) => row.rx_dropped += 1,
            Ok(_) => {}
        }
    });
}

#[inline(always)]
fn sent(slot: u32, frames: Frames) {
    with(slot, |row| {
        row.tx_packets = row.tx_packets.wrapping_add(frames.packets);
        row.tx_bytes = row.tx_bytes.wrapping_add(frames.bytes);
    });
}

#[inline(always)]
fn not_sent(slot: u32) {
    with(slot, |row| row.tx_dropped += 1);
}
