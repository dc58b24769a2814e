//! The pinned maps of an instance, opened and typed.

use std::fmt::Debug;

use aya::maps::{Array, DevMapHash, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues};
use nix::libc;
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

use super::place::Place;
use crate::{Error, Result};

/// Names of the maps, as the object calls them.
pub(super) const NAMES: [&str; 18] = [
    "INSTANCE",
    "ABI",
    "VNIS",
    "PORTS",
    "MAC_LOCK",
    "FDB",
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
            fdb: Table::open(place, "FDB", "the FDB", "fdb")?,
            learned: Table::open(place, "LEARNED", "the VNI table", "vnis")?,
            flood: Table::open(place, "FLOOD", "the VNI table", "vnis")?,
            groups: Table::open(place, "GROUPS", "the table of groups", "groups")?,
            neigh: Table::open(place, "NEIGH", "the neighbour table", "neigh")?,
            vteps: Table::open(place, "VTEPS", "the VTEP table", "vteps")?,
            counters: open(place, "COUNTERS")?,
            drops: open(place, "DROPS")?,
            devs: open(place, "DEVS")?,
        })
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

fn errno(error: &MapError) -> Option<i32> {
    if let MapError::SyscallError(e) = error { e.io_error.raw_os_error() } else { None }
}

/// A hash table in the kernel, with what users call it.
pub(super) struct Table<K: aya::Pod, V: aya::Pod> {
    map: HashMap<MapData, K, V>,
    name: &'static str,
    /// The key of `[limits]` that sizes it.
    limit: &'static str,
    max: u64,
}

impl<K: aya::Pod + Debug, V: aya::Pod> Table<K, V> {
    fn open(place: &Place, map: &str, name: &'static str, limit: &'static str) -> Result<Self> {
        let data = MapData::from_pin(place.map(map)).map_err(|e| kernel(&format!("open map {map}"), &e))?;
        let max = data.info().map_or(0, |info| u64::from(info.max_entries()));
        let map = Map::from_map_data(data)
            .and_then(HashMap::try_from)
            .map_err(|e| kernel(&format!("open map {map}"), &e))?;
        Ok(Self { map, name, limit, max })
    }

    /// How many entries fit.
    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &K) -> Result<Option<V>> {
        match self.map.get(key, 0) {
            Ok(value) => Ok(Some(value)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(e) => Err(kernel(&format!("read {}", self.name), &e)),
        }
    }

    /// Adds or replaces an entry.
    pub(super) fn insert(&mut self, key: &K, value: &V) -> Result<()> {
        self.map.insert(key, value, 0).map_err(|e| {
            // E2BIG, "Argument list too long": the map has no room.
            if errno(&e) == Some(libc::E2BIG) {
                let hint =
                    format!("start the instance with a larger [limits] {} in its config file", self.limit);
                Error::Full { what: self.name.to_owned(), max: self.max, hint }
            } else {
                kernel(&format!("write {}", self.name), &e)
            }
        })
    }

    /// Removes an entry; false if there was none.
    pub(super) fn remove(&mut self, key: &K) -> Result<bool> {
        match self.map.remove(key) {
            Ok(()) => Ok(true),
            Err(MapError::KeyNotFound) => Ok(false),
            Err(e) if errno(&e) == Some(libc::ENOENT) => Ok(false),
            Err(e) => Err(kernel(&format!("write {}", self.name), &e)),
        }
    }

    /// All keys. While others write, one may be missing, or there twice.
    pub(super) fn keys(&self) -> Result<Vec<K>> {
        self.map
            .keys()
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| kernel(&format!("read {}", self.name), &e))
    }

    /// All entries. While others write, one may be missing, or there twice.
    pub(super) fn entries(&self) -> Result<Vec<(K, V)>> {
        self.map
            .iter()
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| kernel(&format!("read {}", self.name), &e))
    }
}

/// The sum of a row over all CPUs.
pub(super) fn sum<V: aya::Pod + Default + std::ops::AddAssign>(values: &PerCpuValues<V>) -> V {
    values.iter().fold(V::default(), |mut sum, value| {
        sum += *value;
        sum
    })
}
