//! Many changes as one: nobody else writes in between, and what each change must know of all others is read once. A
//! config of thousands of VNIs would otherwise read all tables for each of them.

use std::collections::HashMap;

use vxbpf_common::counters::OTHER_SLOT;

use super::{Dataplane, bulk::Bulk, lock::Lock, maps::Maps};
use crate::Result;

/// The lock, and what is known while it is held. Nothing of it outlives the process: who is killed leaves only what
/// stands in the tables, and the next one reads those.
pub(super) struct Session {
    pub(super) lock: Lock,
    pub(super) index: Index,
    /// While changes are held.
    pub(super) bulk: Option<Bulk>,
}

/// What single changes look for in whole tables.
pub(super) struct Index {
    pub(super) slots: Slots,
    /// VNIs by name.
    pub(super) vnis: HashMap<[u8; 16], u32>,
    /// Interface indices of ports by name.
    pub(super) ports: HashMap<[u8; 16], u32>,
}

/// Rows of the counter table that are taken. What is given back counts as taken until all is read again.
pub(super) struct Slots {
    taken: Vec<bool>,
    next: usize,
}

impl Index {
    pub(super) fn read(maps: &Maps) -> Result<Self> {
        let (vnis, ports) = (maps.vnis.entries()?, maps.ports.entries()?);
        let named = vnis.into_iter().filter(|(_, config)| config.name != [0; 16]);
        Ok(Self {
            slots: Slots::read(maps)?,
            vnis: named.map(|(vni, config)| (config.name, vni)).collect(),
            ports: ports.into_iter().map(|(ifindex, port)| (port.name, ifindex)).collect(),
        })
    }
}

impl Slots {
    /// The rows that anything in the tables has.
    pub(super) fn read(maps: &Maps) -> Result<Self> {
        let mut slots = Self { taken: vec![false; maps.counters.len() as usize], next: 0 };
        slots.take(OTHER_SLOT);
        maps.vnis.each(|_, vni| slots.take(vni.slot))?;
        maps.ports.each(|_, port| slots.take(port.slot))?;
        maps.vteps.each(|_, vtep| slots.take(vtep.slot))?;
        Ok(slots)
    }

    fn take(&mut self, slot: u32) {
        if let Some(taken) = self.taken.get_mut(slot as usize) {
            *taken = true;
        }
    }

    /// A row that is free, and taken from now on.
    pub(super) fn free(&mut self) -> Option<u32> {
        let free = self.taken.iter().skip(self.next).position(|taken| !taken)? + self.next;
        self.next = free + 1;
        let slot = u32::try_from(free).ok()?;
        self.take(slot);
        Some(slot)
    }
}

impl Dataplane {
    /// Makes many changes with the lock held throughout. Other writers wait.
    pub fn exclusive<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.session.is_some() {
            return work(self);
        }
        let lock = Lock::take(&self.place)?;
        let done = self.maps.know().and_then(|()| {
            self.session = Some(Session { lock, index: Index::read(&self.maps)?, bulk: None });
            work(self)
        });
        self.maps.forget();
        self.others = None;
        self.session = None;
        done
    }

    /// Serialises writers that read, modify and write.
    pub(super) fn lock(&self) -> Result<Option<Lock>> {
        if self.session.is_some() { Ok(None) } else { Lock::take(&self.place).map(Some) }
    }

    /// The index, while there is a session.
    pub(super) fn index(&self) -> Option<&Index> {
        self.session.as_ref().map(|session| &session.index)
    }

    /// The same, to be kept true.
    pub(super) fn index_mut(&mut self) -> Option<&mut Index> {
        self.session.as_mut().map(|session| &mut session.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_rows_are_given_out_once_in_order_until_there_is_none() {
        let mut slots = Slots { taken: vec![true, false, true, false], next: 0 };
        assert_eq!([slots.free(), slots.free(), slots.free()], [Some(1), Some(3), None]);
    }
}
