//! Ageing's other half. Look-ups do not see an expired entry; this gives back its memory, and its place under the VNI's
//! `limit`.

use std::collections::HashMap;

use vxbpf_common::{Vni, fdb::STATE_DYNAMIC};

use super::{Dataplane, names};
use crate::Result;

impl Dataplane {
    /// Removes expired entries; returns how many.
    pub fn sweep(&mut self) -> Result<u64> {
        let _lock = self.lock()?;
        let ageing = self.ageing()?;
        let mut swept = 0;
        for (key, entry) in self.maps.fdb.entries()? {
            let Some(ageing) = key.vni().and_then(|vni| ageing.get(&vni.get())) else { continue };
            if entry.is_live(names::now(), *ageing) {
                continue;
            }
            // Heard again since we looked? Then it stays. The window that is left costs one relearning.
            let again = self.maps.fdb.get(&key)?;
            if let Some(entry) = again.filter(|entry| !entry.is_live(names::now(), *ageing))
                && self.maps.fdb.remove(&key)?
            {
                swept += 1;
                key.vni().into_iter().for_each(|vni| self.tell_aged(vni, key.mac(), &entry));
            }
        }
        self.recount_all()?;
        Ok(swept)
    }

    /// Ageing time of each VNI, nanoseconds.
    pub(super) fn ageing(&self) -> Result<HashMap<u32, u64>> {
        Ok(self.maps.vnis.entries()?.into_iter().map(|(vni, config)| (vni, config.ageing)).collect())
    }

    /// Counts a VNI's dynamic entries anew, if it has a limit on them. Call after entries were removed.
    pub(super) fn recount(&mut self, vni: Vni) -> Result<()> {
        match self.maps.vnis.get(&vni.get())? {
            Some(config) if config.limit != 0 => self.recount_all(),
            _ => Ok(()),
        }
    }

    /// The same for all VNIs.
    pub(super) fn recount_all(&mut self) -> Result<()> {
        let mut counts: HashMap<u32, u64> =
            self.maps.vnis.entries()?.into_iter().map(|(vni, _)| (vni, 0)).collect();
        for (key, entry) in self.maps.fdb.entries()? {
            if entry.state == STATE_DYNAMIC
                && let Some(count) = key.vni().and_then(|vni| counts.get_mut(&vni.get()))
            {
                *count += 1;
            }
        }
        for (vni, count) in counts {
            if self.maps.learned.get(&vni)? != Some(count) {
                self.maps.learned.insert(&vni, &count)?;
            }
        }
        Ok(())
    }
}
