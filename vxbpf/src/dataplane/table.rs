//! A hash table in the kernel, with what users call it, and two things that make thousands of changes fast. What is
//! *known* of it is not asked for again: for as long as nobody else can write (`session.rs`), or where it does not matter
//! who comes first. What is *held* is not written yet, but read as if it were (`bulk.rs`).

use std::{fmt::Debug, hash::Hash, ops::ControlFlow};

use aya::maps::{HashMap, Map, MapData, MapError};
use bytemuck::Pod;
use foldhash::fast::RandomState;
use indexmap::IndexMap;
use nix::libc;

use super::{batch::Batch, maps::kernel, place::Place};
use crate::{Error, Result};

/// What a key has, `None` for nothing. Of a million, the keys are looked for in a few megabytes, and all is gone through
/// in order.
type Values<K, V> = IndexMap<K, Option<V>, RandomState>;

/// The table.
pub(super) struct Table<K: aya::Pod, V: aya::Pod> {
    map: HashMap<MapData, K, V>,
    batch: Batch<K, V>,
    name: &'static str,
    /// The key of `[limits]` that sizes it.
    limit: &'static str,
    max: u64,
    /// Whether the data path writes too. Then what is known counts only while changes are held: they come before what the
    /// data path does meanwhile.
    shared: bool,
    known: Option<Known<K, V>>,
    held: Option<Values<K, V>>,
}

struct Known<K, V> {
    /// What is later counts more.
    layers: Vec<Values<K, V>>,
    /// Whether there are no others.
    all: bool,
}

impl<K: aya::Pod + Pod + Sync + Hash + Eq + Debug, V: aya::Pod + Pod + Sync> Table<K, V> {
    /// Opens the pin.
    pub(super) fn open(place: &Place, map: &str, name: &'static str, limit: &'static str) -> Result<Self> {
        let failed = |e: MapError| kernel(&format!("open map {map}"), &e);
        let data = MapData::from_pin(place.map(map)).map_err(failed)?;
        let max = data.info().map_or(0, |info| u64::from(info.max_entries()));
        let batch = Batch::of(&data).map_err(failed)?;
        let map = Map::from_map_data(data).and_then(HashMap::try_from).map_err(failed)?;
        Ok(Self { map, batch, name, limit, max, shared: false, known: None, held: None })
    }

    /// The same of a table that the data path writes too.
    pub(super) fn shared(self) -> Self {
        Self { shared: true, ..self }
    }

    /// How many entries fit.
    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &K) -> Result<Option<V>> {
        if let Some(value) = self.held.as_ref().and_then(|held| held.get(key)) {
            return Ok(*value);
        }
        let known = self.known.as_ref().filter(|_| !self.shared || self.held.is_some());
        if let Some(value) = known.and_then(|known| known.get(key)) {
            return Ok(value);
        }
        match self.map.get(key, 0) {
            Ok(value) => Ok(Some(value)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(e) => Err(self.cannot("read", &e)),
        }
    }

    /// The same of a key that is about to be written, so that it need not be asked for again.
    pub(super) fn fetch(&mut self, key: &K) -> Result<Option<V>> {
        let value = self.get(key)?;
        if let (Some(held), Some(known)) = (&self.held, &mut self.known)
            && !known.all
            && !held.contains_key(key)
        {
            known.note(key, value);
        }
        Ok(value)
    }

    /// Adds or replaces an entry.
    pub(super) fn insert(&mut self, key: &K, value: &V) -> Result<()> {
        if self.held.is_some() {
            return self.hold_one(key, Some(*value));
        }
        self.map.insert(key, value, 0).map_err(|e| self.not_written(&e))?;
        self.note(key, Some(*value));
        Ok(())
    }

    /// Removes an entry; false if there was none.
    pub(super) fn remove(&mut self, key: &K) -> Result<bool> {
        if self.held.is_some() {
            let there = self.fetch(key)?.is_some();
            return if there { self.hold_one(key, None).map(|()| true) } else { Ok(false) };
        }
        let there = match self.map.remove(key) {
            Ok(()) => true,
            Err(MapError::KeyNotFound) => false,
            Err(e) if errno(&e) == Some(libc::ENOENT) => false,
            Err(e) => return Err(self.cannot("write", &e)),
        };
        self.note(key, None);
        Ok(there)
    }

    /// Removes entries; says of each whether it was there.
    pub(super) fn remove_all(&mut self, keys: &[K]) -> Result<Vec<bool>> {
        if self.held.is_some() {
            return keys.iter().map(|key| self.remove(key)).collect();
        }
        let there = self.batch.remove(keys).map_err(|e| self.cannot("write", &e.into()))?;
        keys.iter().for_each(|key| self.note(key, None));
        Ok(there)
    }

    /// Removes the entries that are meant; gives them.
    pub(super) fn remove_where(&mut self, mut meant: impl FnMut(&K, &V) -> bool) -> Result<Vec<(K, V)>> {
        let mut entries = Vec::new();
        self.each(|key, value| {
            if meant(key, value) {
                entries.push((*key, *value));
            }
        })?;
        let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
        let mut there = self.remove_all(&keys)?.into_iter();
        entries.retain(|_| there.next() == Some(true));
        Ok(entries)
    }

    /// Shows every entry, in no order. While others write, one may be missing, or there twice.
    pub(super) fn each(&self, mut look: impl FnMut(&K, &V)) -> Result<()> {
        let held = self.held.as_ref().filter(|held| !held.is_empty());
        let read = self.batch.each(|key, value| {
            if held.is_none_or(|held| !held.contains_key(key)) {
                look(key, value);
            }
            ControlFlow::Continue(())
        });
        read.map_err(|e| self.cannot("read", &e.into()))?;
        let held = held.into_iter().flatten();
        held.for_each(|(key, value)| value.iter().for_each(|value| look(key, value)));
        Ok(())
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> Result<usize> {
        let mut len = 0;
        self.each(|_, _| len += 1)?;
        Ok(len)
    }

    /// All entries. While others write, one may be missing, or there twice.
    pub(super) fn entries(&self) -> Result<Vec<(K, V)>> {
        let mut entries = Vec::new();
        self.each(|key, value| entries.push((*key, *value)))?;
        Ok(entries)
    }

    /// Gets to know the table, unless there are more entries in it than that: then those it came across. It may be known
    /// already.
    pub(super) fn know(&mut self, most: usize) -> Result<()> {
        if self.known.as_ref().is_some_and(|known| known.all) {
            return Ok(());
        }
        let mut values = Values::default();
        let read = self.batch.each(|key, value| {
            values.insert(*key, Some(*value));
            if values.len() > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let all = read.map_err(|e| self.cannot("read", &e.into()))?;
        self.known = Some(Known { layers: vec![values], all });
        Ok(())
    }

    /// Knows nothing any more. To be called before others can write, or soon after.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    /// From now on, changes are held, about so many.
    pub(super) fn hold(&mut self, changes: usize) {
        self.known.get_or_insert_with(|| Known { layers: Vec::new(), all: false });
        self.held = Some(Values::with_capacity_and_hasher(changes, RandomState::default()));
    }

    /// Writes the held entries that are to be there. When one fails, some are written.
    pub(super) fn write_held(&mut self) -> Result<()> {
        let held = self.held.iter().flatten();
        let entries: Vec<_> = held.filter_map(|(key, value)| Some((*key, (*value)?))).collect();
        self.batch.update(&entries).map_err(|e| self.not_written(&e.into()))
    }

    /// Removes those that are not to be there.
    pub(super) fn remove_held(&mut self) -> Result<()> {
        let held = self.held.iter().flatten();
        let keys: Vec<_> = held.filter(|(_, value)| value.is_none()).map(|(key, _)| *key).collect();
        self.batch.forget(&keys).map_err(|e| self.cannot("write", &e.into()))
    }

    /// What was held is written: it is known now, and nothing is held any more.
    pub(super) fn held_is_written(&mut self) {
        let held = self.held.take().unwrap_or_default();
        if let Some(known) = &mut self.known {
            known.layers.push(held);
        }
    }

    /// Puts back what was there before changes were held, whether or not they were written, and holds none any more.
    pub(super) fn put_back(&mut self) -> Result<()> {
        let held = self.held.take().unwrap_or_default();
        let before = |key: &K| self.known.as_ref().and_then(|known| known.get(key)).flatten();
        let (there, gone): (Vec<_>, Vec<_>) =
            held.into_keys().map(|key| (key, before(&key))).partition(|(_, value)| value.is_some());
        let there: Vec<_> = there.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        let gone: Vec<_> = gone.into_iter().map(|(key, _)| key).collect();
        // First the room, then what was in it.
        self.batch.forget(&gone).map_err(|e| self.cannot("write", &e.into()))?;
        self.batch.update(&there).map_err(|e| self.not_written(&e.into()))
    }

    fn hold_one(&mut self, key: &K, value: Option<V>) -> Result<()> {
        // To be put back if need be.
        if self.known.as_ref().is_some_and(|known| !known.all) {
            self.fetch(key)?;
        }
        if let Some(held) = &mut self.held {
            held.insert(*key, value);
        }
        Ok(())
    }

    fn note(&mut self, key: &K, value: Option<V>) {
        if let Some(known) = &mut self.known {
            known.note(key, value);
        }
    }

    fn cannot(&self, verb: &str, error: &MapError) -> Error {
        kernel(&format!("{verb} {}", self.name), error)
    }

    fn not_written(&self, error: &MapError) -> Error {
        // E2BIG, "Argument list too long": the map has no room.
        if errno(error) == Some(libc::E2BIG) {
            let hint = format!("start the instance with a larger [limits] {} in its config file", self.limit);
            Error::Full { what: self.name.to_owned(), max: self.max, hint }
        } else {
            self.cannot("write", error)
        }
    }
}

impl<K: Hash + Eq + Copy, V: Copy> Known<K, V> {
    /// What the key has, if that is known.
    fn get(&self, key: &K) -> Option<Option<V>> {
        let value = self.layers.iter().rev().find_map(|layer| layer.get(key));
        value.copied().or_else(|| self.all.then_some(None))
    }

    fn note(&mut self, key: &K, value: Option<V>) {
        match self.layers.last_mut() {
            Some(last) => drop(last.insert(*key, value)),
            None => self.layers.push(Values::from_iter([(*key, value)])),
        }
    }
}

fn errno(error: &MapError) -> Option<i32> {
    if let MapError::SyscallError(e) = error {
        e.io_error.raw_os_error()
    } else if let MapError::IoError(e) = error {
        e.raw_os_error()
    } else {
        None
    }
}
