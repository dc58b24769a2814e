//! What is there: the state of an instance, as `show`, `stats` and `status` report it.

use std::{net::IpAddr, time::Duration};

use vxbpf_common::{DropReason, Mac, Vni, counters::Counters};

use super::{
    neigh::Neighbour,
    options::{FdbState, InstanceName, Locals, Mode, Origin, VniOptions},
};

/// A VNI and how much is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VniInfo {
    /// The VNI.
    pub vni: Vni,
    /// Its options.
    pub options: VniOptions,
    /// Who entered it.
    pub origin: Origin,
    /// Its local ports.
    pub ports: usize,
    /// Its FDB entries, without the flood list.
    pub fdb: usize,
    /// Those of them that were learned.
    pub learned: usize,
    /// Remotes of its flood list.
    pub remotes: usize,
    /// Its multicast MACs with remotes of their own.
    pub groups: usize,
    /// Its neighbours.
    pub neigh: usize,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInfo {
    /// The interface.
    pub dev: String,
    /// Its index.
    pub ifindex: u32,
    /// The VNI it belongs to.
    pub vni: Vni,
    /// The hook in force: `Tc` or `Xdp`.
    pub mode: Mode,
    /// Whether `auto` chose it.
    pub auto: bool,
    /// Isolated from other isolated ports.
    pub isolated: bool,
    /// Source addresses that may send; empty: any.
    pub mac_lock: Vec<Mac>,
    /// Who entered it.
    pub origin: Origin,
    /// Its counters.
    pub counters: Counters,
}

/// An FDB entry, or one remote of a list (zero or multicast MAC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FdbInfo {
    /// The local VNI.
    pub vni: Vni,
    /// The station.
    pub mac: Mac,
    /// The remote VTEP, if it is behind one.
    pub dst: Option<IpAddr>,
    /// VNI written on the wire.
    pub dst_vni: Option<Vni>,
    /// UDP port of the remote.
    pub port: Option<u16>,
    /// The local port, if it is behind one.
    pub dev: Option<String>,
    /// How long it stays.
    pub state: FdbState,
    /// Who entered it.
    pub origin: Origin,
    /// Seconds since it was last forwarded to; of a remote of a list nobody knows.
    pub used: Option<u64>,
    /// Seconds since it was made, changed or heard; likewise.
    pub updated: Option<u64>,
}

/// A neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighInfo {
    /// The VNI.
    pub vni: Vni,
    /// The address.
    pub addr: IpAddr,
    /// The station that has it.
    pub neighbour: Neighbour,
    /// How long it stays.
    pub state: FdbState,
    /// Who entered it.
    pub origin: Origin,
}

/// What was decided about a VTEP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VtepPolicy {
    /// Nothing.
    None,
    /// `vtep allow`.
    Allow,
    /// `vtep deny`.
    Deny,
}

/// A VTEP in a VNI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VtepInfo {
    /// The VNI.
    pub vni: Vni,
    /// The VTEP.
    pub addr: IpAddr,
    /// What was decided about it.
    pub policy: VtepPolicy,
    /// How many permanent and static FDB entries and flood list remotes name it.
    pub named: u32,
    /// Whether it may send, all in all.
    pub may_send: bool,
    /// Who decided.
    pub origin: Origin,
    /// Its counters.
    pub counters: Counters,
}

/// All counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Per VNI.
    pub vnis: Vec<(Vni, Counters)>,
    /// Per port.
    pub ports: Vec<(String, Vni, Counters)>,
    /// Per VTEP; `None` is all that have no counters of their own.
    pub vteps: Vec<(Option<(Vni, IpAddr)>, Counters)>,
    /// Drops by reason, all reasons.
    pub drops: Vec<(DropReason, u64)>,
}

/// A program and where it is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramInfo {
    /// Its name.
    pub name: String,
    /// The interface.
    pub dev: String,
    /// The hook: `tcx`, `tc` or `xdp`.
    pub hook: &'static str,
    /// Its id in the kernel, 0 when it is no link.
    pub id: u32,
}

/// How full a map is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapFill {
    /// Its name.
    pub name: &'static str,
    /// Entries in it.
    pub used: u64,
    /// Entries that fit.
    pub max: u64,
}

/// The instance as a whole.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its name.
    pub instance: InstanceName,
    /// The underlay interface.
    pub iface: String,
    /// Our VTEP addresses.
    pub local: Locals,
    /// UDP port of VXLAN.
    pub dstport: u16,
    /// The hook on the underlay: `Tc` or `Xdp`.
    pub mode: Mode,
    /// Whether `auto` chose it.
    pub auto: bool,
    /// The helper device, and that of IPv6 if there is one.
    pub helper: Vec<String>,
    /// The network namespace it forwards in, by a name if it has one.
    pub netns: String,
    /// Since it was first started.
    pub uptime: Duration,
    /// Its daemon, if it has one now.
    pub daemon: Option<u32>,
    /// Version of the map layout.
    pub abi: u32,
    /// Its programs.
    pub programs: Vec<ProgramInfo>,
    /// Its ports.
    pub ports: Vec<PortInfo>,
    /// Its tables.
    pub maps: Vec<MapFill>,
}
