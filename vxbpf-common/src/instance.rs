//! The instance: what the data path must know of its underlay, and what commands must know to find it.

use bytemuck::{Pod, Zeroable};

use crate::{Addr, Mac, Vni, map_types};

/// The one value of `INSTANCE`. Written by user space only.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Instance {
    /// Our own VTEP address of IPv4, if any.
    pub local4: Addr,
    /// That of IPv6, if any.
    pub local6: Addr,
    /// MAC address of the underlay interface, from which multicast leaves.
    pub mac: Mac,
    /// Inode of the network namespace the instance forwards in.
    pub netns: u64,
    /// When it was first started, CLOCK_MONOTONIC nanoseconds.
    pub started: u64,
    /// The underlay interface.
    pub ifindex: u32,
    /// The helper device: where route look-ups start, and where frames wait for a neighbour.
    pub helper: u32,
    /// The second helper device, whose socket is IPv6's; 0 without an IPv6 address of ours.
    pub helper6: u32,
    /// UDP port of VXLAN, network order.
    pub dstport: [u8; 2],
    /// `INSTANCE_*` bits.
    pub flags: u16,
    /// Name of the underlay interface, NUL padded.
    pub name: [u8; 16],
    /// Name of the helper device, NUL padded.
    pub helper_name: [u8; 16],
}

impl Instance {
    /// Our address for talking with another: the one of its family, or none.
    #[inline(always)]
    pub fn local_for(&self, other: Addr) -> Addr {
        if other.as_v4().is_some() { self.local4 } else { self.local6 }
    }
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
pub const HELPER_VNI: u32 = Vni::MAX;

/// What a frame is sent to the helper device for. It stands in the frame's mark, which tells our own frames from what
/// the underlay sends to that device's VNI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// An encapsulated packet: have its neighbour resolved, and send it.
    Resolve,
    /// A frame of that VNI: send copies to the IPv6 remotes of its flood list.
    Flood6(Vni),
}

const RESOLVE: u32 = 0x7678_6270;
const FLOOD6: u32 = 0x66 << 24;

impl Errand {
    /// As a mark.
    #[inline(always)]
    pub const fn mark(self) -> u32 {
        match self {
            Self::Resolve => RESOLVE,
            Self::Flood6(vni) => FLOOD6 | vni.get(),
        }
    }

    /// From a mark, if it is one of ours.
    #[inline(always)]
    pub fn of_mark(mark: u32) -> Option<Self> {
        if mark == RESOLVE {
            return Some(Self::Resolve);
        }
        // The other bits are a VNI's, all of them.
        Vni::new(mark ^ FLOOD6).map(Self::Flood6)
    }
}

map_types!(Instance = 104);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errand_survives_as_a_mark() {
        for vni in [0, 42, 0x78_6270, Vni::MAX].map(|vni| Vni::new(vni).expect("fits")) {
            for errand in [Errand::Resolve, Errand::Flood6(vni)] {
                assert_eq!(Errand::of_mark(errand.mark()), Some(errand));
            }
        }
        for mark in [0, 1, 0x7678_6271, 0x65ff_ffff, 0x6700_0000] {
            assert_eq!(Errand::of_mark(mark), None);
        }
    }
}
