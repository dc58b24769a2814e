//! Events: what happens, as it happens, through the ring buffer `EVENTS`. The data path tells of what frames bring
//! about; who changes the FDB by a command tells of that by the program `announce`.

use bytemuck::{Pod, Zeroable};

use crate::{Addr, Mac, map_types};

/// A record of `EVENTS`. Fields that a kind does not name are zero.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Event {
    /// When, CLOCK_MONOTONIC nanoseconds.
    pub at: u64,
    /// The VNI.
    pub vni: u32,
    /// The port the frame came from or the station is behind, 0 for the underlay.
    pub ifindex: u32,
    /// The port the station was behind before it moved or was changed.
    pub old_ifindex: u32,
    /// `KIND_*`.
    pub kind: u8,
    /// For a drop: the `DropReason`.
    pub reason: u8,
    /// `fdb::STATE_*` of the entry.
    pub state: u8,
    /// `fdb::STATE_*` of the entry before it was changed.
    pub old_state: u8,
    /// The station; for a remote of a flood list zero, of a group's list the group.
    pub mac: Mac,
    /// The VTEP the frame came from or the station is behind.
    pub remote: Addr,
    /// The VTEP the station was behind before it moved or was changed.
    pub old_remote: Addr,
    /// VNI written on the wire to a remote.
    pub dst_vni: u32,
    /// UDP port of a remote, network order.
    pub dstport: [u8; 2],
    /// `fdb::ORIGIN_*` of the entry.
    pub origin: u8,
    /// Zero.
    pub reserved: u8,
}

/// A station was learned.
pub const KIND_LEARN: u8 = 0;
/// A station moved.
pub const KIND_MOVE: u8 = 1;
/// A frame was flooded because its destination is unknown.
pub const KIND_MISS: u8 = 2;
/// A frame was dropped: a sample.
pub const KIND_DROP: u8 = 3;
/// An entry was made, not by learning.
pub const KIND_ADD: u8 = 4;
/// An entry was changed, not by a station that moved.
pub const KIND_CHANGE: u8 = 5;
/// An entry was removed.
pub const KIND_DELETE: u8 = 6;
/// An expired entry was removed.
pub const KIND_AGE: u8 = 7;
/// How many kinds there are.
pub const KINDS: u32 = 8;

/// Most events of one kind that one CPU reports in a second: a storm of learning, or of drops, must not
/// cost more than the forwarding.
pub const PER_SECOND: u32 = 1000;

/// How many events the program `announce` takes as one packet: what fits the page that `BPF_PROG_TEST_RUN` copies a packet
/// to, beside the kernel's own (`bpf_prog_test_run_skb` in net/bpf/test_run.c).
pub const ANNOUNCED: usize = 50;

/// Value of `EVENT_RATE`: one CPU's count of one kind in the current second.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct EventRate {
    /// Start of the current second, CLOCK_MONOTONIC nanoseconds.
    pub since: u64,
    /// Events reported in it.
    pub count: u32,
    /// Zero.
    pub reserved: u32,
}

map_types!(Event = 72, EventRate = 16);
