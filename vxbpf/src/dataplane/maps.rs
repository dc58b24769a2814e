//! The pinned maps of an instance, opened and typed.

use aya::maps::{Array, DevMapHash, Map, MapData, MapError, PerCpuArray, PerCpuValues};
use vxbpf_common::{
    counters::Counters,
    fdb::{FdbEntry, FdbKey},
    flood::FloodList,
    instance::Instance,
    neigh::{Neigh, VniAddr},
    port::{MacLockKey, Port},
    vni::VniConfig,
    vtep::Vtep,
};

use super::{place::Place, table::Table};
use crate::{Error, Result};

/// Names of the maps, as the object calls them.
pub(super) const NAMES: [&str; 21] = [
    "INSTANCE",
    "ABI",
    "VNIS",
    "PORTS",
    "MAC_LOCK",
    "FDB",
    "FDB_CACHE",
    "LEARNED",
    "FLOOD",
    "GROUPS",
    "NEIGH",
    "NEXTHOPS",
    "VTEPS",
    "COUNTERS",
    "DROPS",
    "EVENTS",
    "EVENT_RATE",
    "GENERATIONS",
    "DECISIONS",
    "SCRATCH",
    "DEVS",
];

/// The maps that user space reads or writes. See `vxbpf-ebpf/src/maps.rs` for what they are.
pub(super) struct Maps {
    pub(super) instance: Array<MapData, Instance>,
    pub(super) vnis: Table<u32, VniConfig>,
    pub(super) ports: Table<u32, Port>,
    pub(super) mac_lock: Table<MacLockKey, u8>,
    pub(super) fdb: Table<FdbKey, FdbEntry>,
    pub(super) learned: Table<u32, u64>,
    pub(super) flood: Table<u32, FloodList>,
    pub(super) groups: Table<FdbKey, FloodList>,
    pub(super) neigh: Table<VniAddr, Neigh>,
    pub(super) vteps: Table<VniAddr, Vtep>,
    pub(super) counters: PerCpuArray<MapData, Counters>,
    pub(super) drops: PerCpuArray<MapData, u64>,
    pub(super) devs: DevMapHash<MapData>,
}

impl Maps {
    /// Opens the pins.
    pub(super) fn open(place: &Place) -> Result<Self> {
        Ok(Self {
            instance: open(place, "INSTANCE")?,
            vnis: Table::open(place, "VNIS", "the VNI table", "vnis")?,
            ports: Table::open(place, "PORTS", "the port table", "ports")?,
            mac_lock: Table::open(place, "MAC_LOCK", "the table of locked MACs", "ports")?,
            fdb: Table::open(place, "FDB", "the FDB", "fdb")?.shared(),
            learned: Table::open(place, "LEARNED", "the VNI table", "vnis")?.shared(),
            flood: Table::open(place, "FLOOD", "the VNI table", "vnis")?,
            groups: Table::open(place, "GROUPS", "the table of groups", "groups")?,
            neigh: Table::open(place, "NEIGH", "the neighbour table", "neigh")?,
            vteps: Table::open(place, "VTEPS", "the VTEP table", "vteps")?,
            counters: open(place, "COUNTERS")?,
            drops: open(place, "DROPS")?,
            devs: open(place, "DEVS")?,
        })
    }

    /// Gets to know what every change asks for.
    pub(super) fn know(&mut self) -> Result<()> {
        self.vnis.know(usize::MAX)?;
        self.ports.know(usize::MAX)
    }

    /// Knows nothing any more: others may write again.
    pub(super) fn forget(&mut self) {
        self.vnis.forget();
        self.ports.forget();
        self.fdb.forget();
        self.flood.forget();
        self.groups.forget();
        self.neigh.forget();
        self.vteps.forget();
    }
}

/// Opens one pinned map.
pub(super) fn open<M: TryFrom<Map, Error = MapError>>(place: &Place, name: &str) -> Result<M> {
    let failed = |e: MapError| kernel(&format!("open map {name}"), &e);
    let data = MapData::from_pin(place.map(name)).map_err(failed)?;
    M::try_from(Map::from_map_data(data).map_err(failed)?).map_err(failed)
}

/// The version of the pins' layout.
pub(super) fn abi(place: &Place) -> Result<u32> {
    let map: Array<MapData, u32> = open(place, "ABI")?;
    map.get(&0, 0).map_err(|e| kernel("read map ABI", &e))
}

/// An error that no user can provoke by what he asks for.
pub(super) fn kernel(doing: &str, error: &MapError) -> Error {
    let mut why = error.to_string();
    if let MapError::SyscallError(e) = error {
        why = e.io_error.to_string();
    }
    let denied = why.contains("not permitted");
    Error::Kernel {
        doing: doing.to_owned(),
        why,
        hint: denied.then(|| "run it as root".to_owned()),
        log: format!("{error:?}"),
    }
}

/// The sum of a row over all CPUs.
pub(super) fn sum<V: aya::Pod + Default + std::ops::AddAssign>(values: &PerCpuValues<V>) -> V {
    values.iter().fold(V::default(), |mut sum, value| {
        sum += *value;
        sum
    })
}
