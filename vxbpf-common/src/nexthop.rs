//! Next hops: how the underlay reaches a remote VTEP. A cache that the data path fills itself.

use bytemuck::{Pod, Zeroable};

use crate::{Mac, SECOND, map_types};

/// How long a next hop is believed before the kernel's routing and neighbour tables are asked again.
pub const LIFETIME: u64 = SECOND;

/// How long frames are sent past the kernel's neighbour code before one goes through it again: an entry that nothing
/// is sent through is never found dead, and stays STALE with the MAC address of a host that is gone.
pub const PROBE: u64 = 10 * SECOND;

/// Value of `NEXTHOPS`. Key: the remote's [`crate::Addr`]. Written by the data path only.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct NextHop {
    /// CLOCK_MONOTONIC nanoseconds after which this is not believed.
    pub expires: u64,
    /// When a frame last went through the kernel's neighbour code, CLOCK_MONOTONIC nanoseconds.
    pub probed: u64,
    /// The outgoing interface's MAC address.
    pub src_mac: Mac,
    /// The gateway's or the remote's MAC address.
    pub dst_mac: Mac,
    /// The outgoing interface.
    pub ifindex: u32,
    /// MTU of the path, bytes of an outer IP packet.
    pub mtu: u32,
}

map_types!(NextHop = 40);
