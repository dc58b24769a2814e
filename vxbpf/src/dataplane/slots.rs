//! Slots: rows of the counter table, given to VNIs, ports and VTEPs as they come and go.

use aya::maps::PerCpuValues;
use aya::util::nr_cpus;
use vxbpf_common::counters::Counters;

use super::{Dataplane, maps, session::Slots};
use crate::{Error, Result};

impl Dataplane {
    /// A free row, zeroed. Call with the lock held.
    pub(super) fn new_slot(&mut self) -> Result<u32> {
        let known = self.index_mut().and_then(|index| index.slots.free());
        let slot = match known {
            Some(slot) => slot,
            // No session, or one whose rows are all given out: some may have been given back since.
            None => {
                let mut slots = Slots::read(&self.maps)?;
                let slot = slots.free();
                if let Some(session) = &mut self.session {
                    session.index.slots = slots;
                    // Who had the slot is not to be remembered by it.
                    session.lock.move_generation();
                }
                slot.ok_or_else(|| Error::Full {
                    what: "the counter table".to_owned(),
                    max: u64::from(self.maps.counters.len()),
                    hint: "start the instance with a larger [limits] counters in its config file".to_owned(),
                })?
            }
        };
        let cpus = nr_cpus().map_err(|(path, e)| Error::system(format!("read {path}"))(e))?;
        let zero =
            PerCpuValues::try_from(vec![Counters::default(); cpus]).map_err(Error::system("count CPUs"))?;
        self.maps.counters.set(slot, zero, 0).map_err(|e| maps::kernel("zero counters", &e))?;
        Ok(slot)
    }

    /// The counters of a row.
    pub(super) fn row(&self, slot: u32) -> Result<Counters> {
        let values = self.maps.counters.get(&slot, 0).map_err(|e| maps::kernel("read counters", &e))?;
        Ok(maps::sum(&values))
    }
}
