//! VNI: the 24-bit number of an overlay network, and the options and policy stored for it.

use bytemuck::{Pod, Zeroable};

use crate::{Addr, map_types};

/// A VXLAN network identifier, 0..=2^24-1 (RFC 7348 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vni(u32);

impl Vni {
    /// The largest VNI.
    pub const MAX: u32 = (1 << 24) - 1;

    /// The VNI of that number, or `None` when it does not fit 24 bits.
    #[inline]
    pub const fn new(vni: u32) -> Option<Self> {
        if vni <= Self::MAX { Some(Self(vni)) } else { None }
    }

    /// The VNI of a VXLAN header's three bytes, which always fit.
    #[inline]
    pub const fn from_wire(b: [u8; 3]) -> Self {
        Self(u32::from_be_bytes([0, b[0], b[1], b[2]]))
    }

    /// The number.
    #[inline]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The three bytes of a VXLAN header.
    #[inline]
    pub const fn to_wire(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }
}

/// Value of `VNIS`: the options of a VNI. Key: the VNI as `u32`. Written by user space only.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct VniConfig {
    /// How long a dynamic FDB entry lives without being refreshed, in nanoseconds; 0 is for ever.
    pub ageing: u64,
    /// Slot of this VNI's counters.
    pub slot: u32,
    /// Most dynamic FDB entries; 0 is no limit but the table's size.
    pub limit: u32,
    /// `VNI_*` bits.
    pub flags: u32,
    /// Outer TTL when not inherited.
    pub ttl: u8,
    /// Outer DSCP and ECN byte when not inherited (ECN always follows RFC 6040).
    pub tos: u8,
    /// `DF_*`.
    pub df: u8,
    /// `fdb::ORIGIN_*`.
    pub origin: u8,
    /// Name for `dev NAME`, NUL padded.
    pub name: [u8; 16],
    /// Multicast group that we listen to, or none. That we send to it says the flood list.
    pub group: Addr,
}

/// What the outer headers say beside where they lead: as in `VniConfig`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Marks {
    /// `VNI_*` bits.
    pub flags: u32,
    /// Outer TTL when not inherited.
    pub ttl: u8,
    /// Outer DSCP and ECN byte when not inherited.
    pub tos: u8,
    /// `DF_*`.
    pub df: u8,
    /// Zero.
    pub reserved: u8,
}

impl Marks {
    /// Whether a `VNI_*` bit is set.
    #[inline]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether nothing is inherited from the inner packet, and DF is set: as it is unless somebody asks for something else.
    #[inline(always)]
    pub const fn are_fixed(&self) -> bool {
        self.flags & (VNI_TTL_INHERIT | VNI_TOS_INHERIT) == 0 && self.df == DF_SET
    }
}

/// Learn source addresses, from ports and from the underlay.
pub const VNI_LEARNING: u32 = 1 << 0;
/// An ARP request or neighbour solicitation that the neighbour table cannot answer is dropped instead of flooded.
pub const VNI_ARP_MISS_DROP: u32 = 1 << 1;
/// Any VTEP may send to us, as with the kernel's driver; unset: only known ones.
pub const VNI_VTEP_ANY: u32 = 1 << 2;
/// Outer TTL is the inner packet's.
pub const VNI_TTL_INHERIT: u32 = 1 << 3;
/// Outer DSCP is the inner packet's.
pub const VNI_TOS_INHERIT: u32 = 1 << 4;

/// Outer DF always set.
pub const DF_SET: u8 = 0;
/// Outer DF never set.
pub const DF_UNSET: u8 = 1;
/// Outer DF is that of an inner IPv4 packet, set for IPv6.
pub const DF_INHERIT: u8 = 2;

impl VniConfig {
    /// Whether a `VNI_*` bit is set.
    #[inline]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// What the outer headers of its frames say.
    #[inline(always)]
    pub const fn marks(&self) -> Marks {
        Marks { flags: self.flags, ttl: self.ttl, tos: self.tos, df: self.df, reserved: 0 }
    }
}

map_types!(VniConfig = 56, Marks = 8);

#[cfg(feature = "user")]
mod text {
    use std::{fmt, str::FromStr};

    use super::Vni;

    /// What is wrong with the text of a VNI.
    #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
    #[error("{0:?} is not a VNI: a number from 0 to {max}", max = Vni::MAX)]
    pub struct ParseVniError(String);

    impl FromStr for Vni {
        type Err = ParseVniError;

        fn from_str(s: &str) -> Result<Self, ParseVniError> {
            s.parse().ok().and_then(Self::new).ok_or_else(|| ParseVniError(s.to_owned()))
        }
    }

    impl fmt::Display for Vni {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }
}
#[cfg(feature = "user")]
pub use text::ParseVniError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vni_is_24_bits_and_survives_the_wire() {
        for vni in [0, 1, 42, 0x12_3456, Vni::MAX] {
            let vni = Vni::new(vni).expect("fits");
            assert_eq!(Vni::from_wire(vni.to_wire()), vni);
        }
        assert_eq!(Vni::new(1 << 24), None);
        assert_eq!(Vni::new(0x12_3456).map(Vni::to_wire), Some([0x12, 0x34, 0x56]));
    }
}
