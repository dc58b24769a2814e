//! What crosses the kernel/user boundary: the types of every map, and the pure functions that both
//! sides (or a host test) want to call. Nothing here touches a packet buffer or a map.
#![cfg_attr(not(any(test, feature = "user")), no_std)]

pub mod addr;
pub mod ageing;
pub mod checksum;
pub mod counters;
pub mod decision;
pub mod drop_reason;
pub mod ecn;
pub mod entropy;
pub mod event;
pub mod fdb;
pub mod fdb_cache;
pub mod flood;
pub mod icmp;
pub mod instance;
pub mod mac;
pub mod nd;
pub mod neigh;
pub mod nexthop;
pub mod outer;
pub mod port;
pub mod vni;
pub mod vtep;

pub use addr::Addr;
pub use drop_reason::DropReason;
pub use mac::Mac;
pub use vni::Vni;

/// Version of everything in this crate that is stored in a pinned map. A change of a key, a value, a
/// number or a meaning moves it; pins of another version are refused, never reinterpreted.
pub const ABI_VERSION: u32 = 6;

/// Nanoseconds in a second: the unit of every stored time is CLOCK_MONOTONIC nanoseconds, which is
/// what `bpf_ktime_get_coarse_ns` returns.
pub const SECOND: u64 = 1_000_000_000;

/// Declares types that are stored in maps: plain bytes for `bytemuck`, and for aya when in user space.
/// The size is asserted, so that a field that moves the ABI cannot slip in.
macro_rules! map_types {
    ($($name:ty = $size:literal),+ $(,)?) => {
        $(
            const _: () = assert!(size_of::<$name>() == $size);
            #[cfg(feature = "user")]
            // SAFETY: the type derives bytemuck::Pod, which asks for more: no padding, no invalid bits.
            unsafe impl aya::Pod for $name {}
        )+
    };
}
pub(crate) use map_types;
