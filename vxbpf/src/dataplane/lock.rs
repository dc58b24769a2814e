//! The writers' lock. Who gives it back may have changed any table, so what the data path remembers of them ends with it.

use std::fs::File;

use aya::maps::{Array, MapData};
use vxbpf_common::counters::OTHER_SLOT;

use super::{maps, place::Place};
use crate::Result;

/// Held while one writer reads, modifies and writes. A writer that is killed does not end what is remembered; that
/// ends by itself within a second ([`vxbpf_common::decision::LIFETIME`]).
pub(super) struct Lock {
    generations: Array<MapData, u64>,
    /// Given back last.
    _file: File,
}

impl Lock {
    /// Waits for it.
    pub(super) fn take(place: &Place) -> Result<Self> {
        let file = place.lock()?;
        Ok(Self { generations: maps::open(place, "GENERATIONS")?, _file: file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // An array's row can be read and written, unless the kernel has no memory left.
        let generation = self.generations.get(&OTHER_SLOT, 0).unwrap_or(0);
        let _ = self.generations.set(OTHER_SLOT, generation.wrapping_add(1), 0);
    }
}
