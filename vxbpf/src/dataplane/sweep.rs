//! Ageing's other half. Look-ups do not see an expired entry; this gives back its memory, and its place under the VNI's
//! `limit`.

use std::collections::HashMap;

use vxbpf_common::{
    Vni,
    event::KIND_AGE,
    fdb::{FdbEntry, FdbKey, STATE_DYNAMIC},
};

use super::{Dataplane, announce::Told as _, names};
use crate::Result;

/// So many expired entries are looked at again and removed together: few, so that hardly one is heard in between.
const TOGETHER: usize = 64;

impl Dataplane {
    /// Removes expired entries; returns how many.
    pub fn sweep(&mut self) -> Result<u64> {
        let lock = self.lock()?;
        let (ageing, now) = (self.ageing()?, names::now());
        let mut expired = Vec::new();
        let counts = self.count_dynamic(|key, entry| {
            let ageing = key.vni().and_then(|vni| ageing.get(&vni.get()));
            if ageing.is_some_and(|ageing| !entry.is_live(now, *ageing)) {
                expired.push(*key);
            }
        })?;
        let mut swept = 0;
        for keys in expired.chunks(TOGETHER) {
            swept += self.remove_expired(keys, &ageing)?;
        }
        if swept > 0 {
            self.recount_all()?;
        } else {
            self.set_counts(counts)?;
            // Most times: what is remembered would be found out anew, every few seconds, for nothing.
            if let Some(lock) = lock {
                lock.give_back_unchanged();
            }
        }
        Ok(swept)
    }

    fn remove_expired(&mut self, keys: &[FdbKey], ageing: &HashMap<u32, u64>) -> Result<u64> {
        let mut still = Vec::new();
        for key in keys {
            let Some(ageing) = key.vni().and_then(|vni| ageing.get(&vni.get())) else { continue };
            // Heard again since we looked? Then it stays. The window that is left costs one relearning.
            let entry = self.maps.fdb.get(key)?;
            still.extend(
                entry.filter(|entry| !entry.is_live(names::now(), *ageing)).map(|entry| (*key, entry)),
            );
        }
        let keys: Vec<_> = still.iter().map(|(key, _)| *key).collect();
        let there = self.maps.fdb.remove_all(&keys)?;
        let gone = still.iter().zip(there).filter(|(_, there)| *there).map(|(entry, _)| entry);
        let mut events: Vec<_> =
            gone.filter_map(|(key, entry)| Some(entry.event(KIND_AGE, key.vni()?, key.mac()))).collect();
        self.tell_all(&mut events);
        Ok(events.len() as u64)
    }

    /// Ageing time of each VNI, nanoseconds.
    pub(super) fn ageing(&self) -> Result<HashMap<u32, u64>> {
        let mut ageing = HashMap::new();
        self.maps.vnis.each(|vni, config| {
            ageing.insert(*vni, config.ageing);
        })?;
        Ok(ageing)
    }

    /// Counts a VNI's dynamic entries anew, if it has a limit on them. Call after entries were removed.
    pub(super) fn recount(&mut self, vni: Vni) -> Result<()> {
        if self.maps.vnis.get(&vni.get())?.is_none_or(|config| config.limit == 0) {
            return Ok(());
        }
        if let Some(bulk) = self.bulk_mut() {
            bulk.recount = true;
            return Ok(());
        }
        self.recount_all()
    }

    /// The same for all VNIs.
    pub(super) fn recount_all(&mut self) -> Result<()> {
        let counts = self.count_dynamic(|_, _| {})?;
        self.set_counts(counts)
    }

    /// Counts dynamic entries by VNI, and shows all entries on the way.
    fn count_dynamic(&self, mut look: impl FnMut(&FdbKey, &FdbEntry)) -> Result<HashMap<u32, u64>> {
        let mut counts = HashMap::new();
        self.maps.vnis.each(|vni, _| {
            counts.insert(*vni, 0);
        })?;
        self.maps.fdb.each(|key, entry| {
            look(key, entry);
            if entry.state == STATE_DYNAMIC
                && let Some(count) = key.vni().and_then(|vni| counts.get_mut(&vni.get()))
            {
                *count += 1;
            }
        })?;
        Ok(counts)
    }

    fn set_counts(&mut self, counts: HashMap<u32, u64>) -> Result<()> {
        for (vni, count) in counts {
            if self.maps.learned.get(&vni)? != Some(count) {
                self.maps.learned.insert(&vni, &count)?;
            }
        }
        Ok(())
    }
}
