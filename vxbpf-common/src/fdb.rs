//! FDB, the forwarding database: (VNI, MAC) -> where the station is.

use bytemuck::{Pod, Zeroable};

use crate::{Addr, Mac, Vni, ageing, map_types};

/// Key of `FDB`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct FdbKey {
    mac: Mac,
    vni: u64,
}

impl FdbKey {
    /// The key of a station in a VNI.
    #[inline]
    pub const fn new(vni: Vni, mac: Mac) -> Self {
        Self { mac, vni: vni.get() as u64 }
    }

    /// The VNI, `None` if the map holds nonsense.
    pub fn vni(&self) -> Option<Vni> {
        u32::try_from(self.vni).ok().and_then(Vni::new)
    }

    /// The MAC address.
    pub const fn mac(&self) -> Mac {
        self.mac
    }
}

/// Value of `FDB`. Written by user space (any state) and by learning (dynamic).
/// Times are CLOCK_MONOTONIC nanoseconds.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct FdbEntry {
    /// Last refreshed: created, changed, or the station was heard.
    pub updated: u64,
    /// Last forwarded to.
    pub used: u64,
    /// The remote VTEP, or [`Addr::NONE`] for a station behind a local port.
    pub remote: Addr,
    /// The local port, or 0 for a remote.
    pub ifindex: u32,
    /// VNI written on the wire, for a remote.
    pub dst_vni: u32,
    /// Slot of the remote VTEP's counters.
    pub slot: u32,
    /// UDP destination port of the remote, network order.
    pub dstport: [u8; 2],
    /// `STATE_*`.
    pub state: u8,
    /// `ORIGIN_*`.
    pub origin: u8,
}

/// Never ages, never moves; iproute2's default.
pub const STATE_PERMANENT: u8 = 0;
/// Never ages, never moves.
pub const STATE_STATIC: u8 = 1;
/// Ages and moves.
pub const STATE_DYNAMIC: u8 = 2;

/// Entered by a command.
pub const ORIGIN_COMMAND: u8 = 0;
/// Entered by the config file.
pub const ORIGIN_CONFIG: u8 = 1;
/// Learned from a frame.
pub const ORIGIN_LEARNED: u8 = 2;
/// Copied from the kernel's tables.
pub const ORIGIN_MIRRORED: u8 = 3;

impl FdbEntry {
    /// Whether the entry counts at `now` in a VNI with that ageing time.
    #[inline]
    pub const fn is_live(&self, now: u64, ageing: u64) -> bool {
        self.state != STATE_DYNAMIC || !ageing::expired(self.updated, now, ageing)
    }
}

map_types!(FdbKey = 16, FdbEntry = 48);
