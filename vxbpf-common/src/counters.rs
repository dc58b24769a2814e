//! Counters: one row per VNI, port and VTEP, in one per-CPU array indexed by slot.
//!
//! Slots are given out by user space and stored in the entry they belong to, so that counting is an
//! array access instead of another hash lookup.

use bytemuck::{Pod, Zeroable};

use crate::map_types;

/// Slot of everything that has no slot of its own: VTEPs under `vtep-filter any` that nothing names.
pub const OTHER_SLOT: u32 = 0;

/// One CPU's share of a row of `COUNTERS`. Frames and bytes are those of the inner frame, a merged
/// (GSO) frame is one frame, as in the counters of the kernel's devices. For a VNI and a VTEP `rx` is
/// from the underlay and `tx` to it; for a port `rx` is what the port sent us and `tx` what it got.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Counters {
    /// Frames received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames received and dropped for a reason of policy or state.
    pub rx_dropped: u64,
    /// Frames that were to be sent and were dropped.
    pub tx_dropped: u64,
    /// Frames received and dropped because they were malformed.
    pub rx_errors: u64,
    /// Zero.
    pub reserved: u64,
}

impl core::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.rx_packets += other.rx_packets;
        self.rx_bytes += other.rx_bytes;
        self.tx_packets += other.tx_packets;
        self.tx_bytes += other.tx_bytes;
        self.rx_dropped += other.rx_dropped;
        self.tx_dropped += other.tx_dropped;
        self.rx_errors += other.rx_errors;
    }
}

map_types!(Counters = 64);
