//! Next hops: how the underlay reaches a remote VTEP. A cache that the data path fills itself.

use bytemuck::{Pod, Zeroable};

use crate::{Mac, SECOND, map_types};

/// How long a next hop is believed before the kernel's routing and neighbour tables are asked again.
pub const LIFETIME: u64 = SECOND;

/// Value of `NEXTHOPS`. Key: the remote's [`crate::Addr`]. Written by the data path only.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct NextHop {
    /// CLOCK_MONOTONIC nanoseconds after which this is not believed.
    pub expires: u64,
    /// The outgoing interface's MAC address.
    pub src_mac: Mac,
    /// The gateway's or the remote's MAC address.
    pub dst_mac: Mac,
    /// The outgoing interface.
    pub ifindex: u32,
    /// MTU of the path, bytes of an outer IP packet.
    pub mtu: u32,
}

map_types!(NextHop = 32);
