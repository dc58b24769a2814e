//! Thousands of changes of entries at the price of few: while they are made they are held, each seeing those before it,
//! and then written table by table in large blocks. How often entries name a VTEP is counted in memory, and what changed is
//! told together.

use std::collections::{HashMap, HashSet};

use tracing::debug;
use vxbpf_common::{
    event::Event,
    fdb::{FdbKey, STATE_DYNAMIC},
    neigh::VniAddr,
};

use super::Dataplane;
use crate::Result;

/// A table that has more entries than this for each change is not read as a whole to make the changes.
const WORTH_IT: usize = 2;

/// What is to be done once the changes are written.
#[derive(Default)]
pub(super) struct Bulk {
    /// To be told.
    pub(super) events: Vec<Event>,
    /// Whether dynamic entries are to be counted anew.
    pub(super) recount: bool,
    /// VTEPs that nothing names any more.
    pub(super) unnamed: HashSet<VniAddr>,
    /// Dynamic entries by VTEP, once somebody asked. Some may be gone.
    dynamic: Option<HashMap<VniAddr, Vec<FdbKey>>>,
}

impl Dataplane {
    /// Makes about so many changes of FDB entries and neighbours, all by `work`, which calls the methods for single ones.
    /// They are written when it returns. Where that fails, for want of room for example, nothing stays written, and `work`
    /// is called again with each change written at once, so that the one that cannot be fails and no other.
    ///
    /// Nobody else changes anything meanwhile, and `work` makes no other kinds of changes.
    pub fn bulk<T>(&mut self, changes: usize, mut work: impl FnMut(&mut Self) -> T) -> Result<T> {
        self.exclusive(|this| {
            this.hold(changes)?;
            let done = work(this);
            if let Err(e) = this.write_held() {
                debug!("{changes} changes: {e}; they are made one by one");
                this.put_back()?;
                return Ok(work(this));
            }
            this.finish_bulk()?;
            Ok(done)
        })
    }

    fn hold(&mut self, changes: usize) -> Result<()> {
        let most = changes.saturating_mul(WORTH_IT);
        let maps = &mut self.maps;
        maps.vteps.know(most)?;
        maps.neigh.know(most)?;
        maps.fdb.know(most)?;
        maps.vteps.hold(0);
        maps.neigh.hold(0);
        maps.fdb.hold(changes);
        maps.flood.hold(0);
        maps.groups.hold(0);
        if let Some(session) = &mut self.session {
            session.bulk = Some(Bulk::default());
        }
        Ok(())
    }

    /// VTEPs are there before what names them and go after it: who may send is asked of them.
    fn write_held(&mut self) -> Result<()> {
        let maps = &mut self.maps;
        maps.vteps.write_held()?;
        maps.flood.write_held()?;
        maps.groups.write_held()?;
        maps.neigh.write_held()?;
        maps.fdb.write_held()?;
        maps.fdb.remove_held()?;
        maps.neigh.remove_held()?;
        maps.groups.remove_held()?;
        maps.vteps.remove_held()?;
        maps.vteps.held_is_written();
        maps.neigh.held_is_written();
        maps.fdb.held_is_written();
        maps.flood.held_is_written();
        maps.groups.held_is_written();
        if let Some(session) = &mut self.session {
            session.lock.move_generation();
        }
        Ok(())
    }

    fn put_back(&mut self) -> Result<()> {
        if let Some(session) = &mut self.session {
            session.bulk = None;
        }
        let maps = &mut self.maps;
        maps.fdb.put_back()?;
        maps.neigh.put_back()?;
        maps.flood.put_back()?;
        maps.groups.put_back()?;
        maps.vteps.put_back()
    }

    fn finish_bulk(&mut self) -> Result<()> {
        let Some(mut bulk) = self.session.as_mut().and_then(|session| session.bulk.take()) else {
            return Ok(());
        };
        self.tell_all(&mut bulk.events);
        if !bulk.unnamed.is_empty() {
            // Those that were learned until the VTEP was gone.
            let mut behind = Vec::new();
            self.maps.fdb.each(|key, entry| {
                let vtep = key.vni().map(|vni| VniAddr::new(vni, entry.remote));
                if entry.state == STATE_DYNAMIC && vtep.is_some_and(|vtep| bulk.unnamed.contains(&vtep)) {
                    behind.push(*key);
                }
            })?;
            for key in behind {
                self.leave_vtep(&key)?;
            }
        }
        if bulk.recount { self.recount_all() } else { Ok(()) }
    }

    /// What is to be done at the end, while changes are held.
    pub(super) fn bulk_mut(&mut self) -> Option<&mut Bulk> {
        self.session.as_mut().and_then(|session| session.bulk.as_mut())
    }

    /// The dynamic entries behind a VTEP, and perhaps some that no longer are.
    pub(super) fn behind(&mut self, vtep: &VniAddr) -> Result<Vec<FdbKey>> {
        if let Some(dynamic) = self.bulk_mut().and_then(|bulk| bulk.dynamic.as_ref()) {
            return Ok(dynamic.get(vtep).cloned().unwrap_or_default());
        }
        let mut dynamic: HashMap<_, Vec<_>> = HashMap::new();
        let all = self.bulk_mut().is_some();
        self.maps.fdb.each(|key, entry| {
            if entry.state == STATE_DYNAMIC
                && let Some(behind) = key.vni().map(|vni| VniAddr::new(vni, entry.remote))
                && (all || behind == *vtep)
            {
                dynamic.entry(behind).or_default().push(*key);
            }
        })?;
        let behind = dynamic.get(vtep).cloned().unwrap_or_default();
        if let Some(bulk) = self.bulk_mut() {
            bulk.dynamic = Some(dynamic);
        }
        Ok(behind)
    }

    /// Notes that there is a dynamic entry behind a VTEP.
    pub(super) fn note_dynamic(&mut self, vtep: VniAddr, key: FdbKey) {
        if let Some(dynamic) = self.bulk_mut().and_then(|bulk| bulk.dynamic.as_mut()) {
            dynamic.entry(vtep).or_default().push(key);
        }
    }
}
