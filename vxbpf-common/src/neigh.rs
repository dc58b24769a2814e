//! The neighbour table: (VNI, IP) -> MAC, which the ARP and ND proxy answers from.

use bytemuck::{Pod, Zeroable};

use crate::{Addr, Mac, Vni, map_types};

/// An address within a VNI: key of `NEIGH` and of `VTEPS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct VniAddr {
    addr: Addr,
    vni: u64,
}

impl VniAddr {
    /// The key of an address in a VNI.
    #[inline]
    pub const fn new(vni: Vni, addr: Addr) -> Self {
        Self { addr, vni: vni.get() as u64 }
    }

    /// The VNI, `None` if the map holds nonsense.
    pub fn vni(&self) -> Option<Vni> {
        u32::try_from(self.vni).ok().and_then(Vni::new)
    }

    /// The address.
    pub const fn addr(&self) -> Addr {
        self.addr
    }
}

/// Value of `NEIGH`. Written by user space only.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Neigh {
    /// The station that has the address.
    pub mac: Mac,
    /// `fdb::STATE_*`.
    pub state: u8,
    /// `fdb::ORIGIN_*`.
    pub origin: u8,
    /// `NEIGH_*` bits.
    pub flags: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

/// The station is a router, and ND answers say so.
pub const NEIGH_ROUTER: u8 = 1 << 0;

impl Neigh {
    /// Whether a `NEIGH_*` bit is set.
    #[inline]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

map_types!(VniAddr = 24, Neigh = 16);
