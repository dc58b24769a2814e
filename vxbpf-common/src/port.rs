//! Ports: the overlay-side interfaces.

use bytemuck::{Pod, Zeroable};

use crate::{Mac, map_types};

/// Value of `PORTS`. Key: the interface index. Written by user space only.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Port {
    /// The VNI the port belongs to.
    pub vni: u32,
    /// Slot of the port's counters.
    pub slot: u32,
    /// `PORT_*` bits.
    pub flags: u32,
    /// `fdb::ORIGIN_*`.
    pub origin: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// Name of the interface when it was added, NUL padded.
    pub name: [u8; 16],
}

/// Frames to other isolated ports are dropped.
pub const PORT_ISOLATED: u32 = 1 << 0;
/// Only the source addresses in `MAC_LOCK` may send.
pub const PORT_MAC_LOCK: u32 = 1 << 1;
/// The host end of a veth pair: `bpf_redirect_peer` reaches the pod without its backlog.
pub const PORT_VETH: u32 = 1 << 2;
/// Our XDP program runs on it, and frames may be sent to it through `DEVS`.
pub const PORT_XDP: u32 = 1 << 3;
/// The mode was chosen by `auto`.
pub const PORT_AUTO: u32 = 1 << 4;

impl Port {
    /// Whether a `PORT_*` bit is set.
    #[inline]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// Key of `MAC_LOCK`: a source address that a locked port may use. The value is one byte, 1.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct MacLockKey {
    mac: Mac,
    ifindex: u64,
}

impl MacLockKey {
    /// The key of a MAC address on a port.
    #[inline]
    pub const fn new(ifindex: u32, mac: Mac) -> Self {
        Self { mac, ifindex: ifindex as u64 }
    }

    /// The port.
    pub fn ifindex(&self) -> u32 {
        u32::try_from(self.ifindex).unwrap_or(0)
    }

    /// The MAC address.
    pub const fn mac(&self) -> Mac {
        self.mac
    }
}

map_types!(Port = 32, MacLockKey = 16);
