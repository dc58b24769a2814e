//! The instance: what the data path must know of its underlay, and what commands must know to find it.

use bytemuck::{Pod, Zeroable};

use crate::{Addr, map_types};

/// The one value of `INSTANCE`. Written by user space only.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Instance {
    /// Our own VTEP address.
    pub local: Addr,
    /// Inode of the network namespace the instance forwards in.
    pub netns: u64,
    /// When it was first started, CLOCK_MONOTONIC nanoseconds.
    pub started: u64,
    /// The underlay interface.
    pub ifindex: u32,
    /// The helper device: where route look-ups start, and where frames wait for a neighbour.
    pub helper: u32,
    /// UDP port of VXLAN, network order.
    pub dstport: [u8; 2],
    /// `INSTANCE_*` bits.
    pub flags: u16,
    /// Zero.
    pub reserved: u32,
    /// Name of the underlay interface, NUL padded.
    pub name: [u8; 16],
    /// Name of the helper device, NUL padded.
    pub helper_name: [u8; 16],
}

/// Our XDP program runs on the underlay interface, and frames may be sent to it through `DEVS`.
pub const INSTANCE_XDP: u16 = 1 << 0;
/// The underlay's mode was chosen by `auto`.
pub const INSTANCE_AUTO: u16 = 1 << 1;

/// Attached through clsact qdiscs, for want of tcx (Linux before 6.6).
pub const INSTANCE_CLSACT: u16 = 1 << 2;

/// GRO was off on the underlay interface, and we turned it on.
pub const INSTANCE_GRO: u16 = 1 << 3;

/// VNI of the helper device: the last one, because a VXLAN device must have one.
pub const HELPER_VNI: u32 = crate::Vni::MAX;

/// Mark of a frame that we send to the helper device to have its neighbour resolved. It tells our own
/// frames from what the underlay sends to that device's VNI.
pub const RESOLVE_MARK: u32 = 0x7678_6270;

map_types!(Instance = 80);
