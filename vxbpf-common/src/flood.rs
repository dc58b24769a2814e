//! Flood lists: who gets a VNI's broadcast, unknown unicast and multicast frames.

use bytemuck::{Pod, Zeroable};

use crate::{Addr, map_types};

/// Most remotes of one VNI's flood list.
pub const MAX_REMOTES: usize = 256;
/// Most local ports of one VNI.
pub const MAX_PORTS: usize = 256;

/// One remote of a flood list: a head-end replication destination.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct FloodRemote {
    /// The remote VTEP.
    pub addr: Addr,
    /// VNI written on the wire.
    pub dst_vni: u32,
    /// Slot of the VTEP's counters.
    pub slot: u32,
    /// UDP destination port, network order.
    pub dstport: [u8; 2],
    /// `fdb::ORIGIN_*`.
    pub origin: u8,
    /// `fdb::STATE_*`.
    pub state: u8,
    /// Zero.
    pub reserved: u32,
}

/// Value of `FLOOD`. Key: the VNI as `u32`. Written whole by user space; the data path sees either the
/// old list or the new one, never a mixture.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct FloodList {
    /// How many of `remotes` count.
    pub remotes_len: u32,
    /// How many of `ports` count.
    pub ports_len: u32,
    /// The remotes.
    pub remotes: [FloodRemote; MAX_REMOTES],
    /// Interface indices of the VNI's local ports.
    pub ports: [u32; MAX_PORTS],
}

map_types!(FloodRemote = 32, FloodList = 9224);
