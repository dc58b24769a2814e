//! Slots: rows of the counter table, given to VNIs, ports and VTEPs as they come and go.

use std::collections::HashSet;

use aya::maps::PerCpuValues;
use aya::util::nr_cpus;
use vxbpf_common::counters::{Counters, OTHER_SLOT};

use super::{Dataplane, maps};
use crate::{Error, Result};

impl Dataplane {
    /// A free row, zeroed. Call with the lock held.
    pub(super) fn new_slot(&mut self) -> Result<u32> {
        let mut taken = HashSet::from([OTHER_SLOT]);
        taken.extend(self.maps.vnis.entries()?.iter().map(|(_, vni)| vni.slot));
        taken.extend(self.maps.ports.entries()?.iter().map(|(_, port)| port.slot));
        taken.extend(self.maps.vteps.entries()?.iter().map(|(_, vtep)| vtep.slot));
        let max = self.maps.counters.len();
        let slot = (0..max).find(|slot| !taken.contains(slot)).ok_or_else(|| Error::Full {
            what: "the counter table".to_owned(),
            max: u64::from(max),
            hint: "start the instance with a larger [limits] counters in its config file".to_owned(),
        })?;
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
