//! Network interfaces through rtnetlink, in plain calls: each opens a connection in the network namespace of its
//! caller, and may be made inside or outside an async runtime.

mod address;
mod change;
mod counters;
mod create;
mod group;
mod helper;
mod link;
mod offload;
mod peer;
mod request;
mod station;
mod watch;

pub use address::{add_address, addresses, global_addresses};
pub use change::{delete, enslave, set_mtu, set_up};
pub use counters::counters;
pub use create::{End, create_bridge, create_veth, create_vxlan};
pub use group::{group_name, join_group, leave_group};
pub use helper::{Helper, IpVersion, create_helper, helper_name};
pub use link::{Link, LinkKind, link, link_at, links};
pub use offload::{Offload, offload, set_offload};
pub use peer::{Peer, peer};
pub use station::{KernelFdb, OnExisting, add_fdb, add_neighbour, fdb};
pub use watch::{LinkChange, link_changes};
