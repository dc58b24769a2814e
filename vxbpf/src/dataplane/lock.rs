//! The writers' lock. Who gives it back may have changed any table, so what the data path remembers of them ends with it.

use std::fs::File;

use aya::maps::{Array, MapData};

use super::{maps, place::Place};
use crate::Result;

/// Held while one writer reads, modifies and writes. After a writer that was killed the next one ends what is remembered:
/// with a daemon that is its sweep.
pub(super) struct Lock {
    generation: Array<MapData, u64>,
    /// Whether anything may be another than before.
    changed: bool,
    /// Given back last. It has a byte for as long as somebody holds it.
    file: File,
}

impl Lock {
    /// Waits for it.
    pub(super) fn take(place: &Place) -> Result<Self> {
        let file = place.lock()?;
        let mut lock = Self { generation: maps::open(place, "GENERATION")?, changed: true, file };
        if lock.file.metadata().is_ok_and(|file| file.len() != 0) {
            lock.move_generation();
        }
        let _ = lock.file.set_len(1);
        Ok(lock)
    }

    /// Ends what is remembered, in the middle of changes.
    pub(super) fn move_generation(&mut self) {
        // An array's row can be read and written, unless the kernel has no memory left.
        let generation = self.generation.get(&0, 0).unwrap_or(0);
        let _ = self.generation.set(0, generation.wrapping_add(1), 0);
    }

    /// Gives it back without having changed anything that is remembered.
    pub(super) fn give_back_unchanged(mut self) {
        self.changed = false;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.changed {
            self.move_generation();
        }
        let _ = self.file.set_len(0);
    }
}
