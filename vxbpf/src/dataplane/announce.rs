//! Events of what commands change. A ring buffer is written to by programs only, so the event is the packet of a
//! program that copies it there (`announce` in `vxbpf-ebpf`), many at a time. Nobody's change fails because it cannot be told.

use std::sync::OnceLock;

use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions};
use bytemuck::Zeroable as _;
use tracing::debug;
use vxbpf_common::{
    Mac, Vni,
    event::{ANNOUNCED as TOGETHER, Event, KIND_ADD, KIND_AGE, KIND_CHANGE, KIND_DELETE},
    fdb::{FdbEntry, FdbKey},
    flood::FloodRemote,
};

use super::{Dataplane, names, place::Place};

/// The program, opened when there is something to tell for the first time; `None` if it cannot be.
#[derive(Default)]
pub(super) struct Announcer(OnceLock<Option<SchedClassifier>>);

impl Announcer {
    fn tell(&self, place: &Place, events: &[Event]) {
        let open = || match SchedClassifier::from_pin(place.program("announce")) {
            Ok(program) => Some(program),
            Err(e) => {
                debug!("changes are not announced: {e}");
                None
            }
        };
        for events in events.chunks(TOGETHER) {
            let Some(program) = self.0.get_or_init(open) else { return };
            let options =
                TestRunOptions { data_in: Some(bytemuck::cast_slice(events)), ..TestRunOptions::new() };
            if let Err(e) = program.test_run(options) {
                debug!("changes are not announced: {e}");
            }
        }
    }
}

/// What an event says of an entry, or of one remote of a list.
pub(super) trait Told {
    /// The event of that kind about it, without its time.
    fn event(&self, kind: u8, vni: Vni, mac: Mac) -> Event;
    /// Notes it in the event as what was there before.
    fn before(&self, event: &mut Event);
}

impl Told for FdbEntry {
    fn event(&self, kind: u8, vni: Vni, mac: Mac) -> Event {
        Event {
            vni: vni.get(),
            kind,
            mac,
            ifindex: self.ifindex,
            remote: self.remote,
            dst_vni: self.dst_vni,
            dstport: if self.ifindex == 0 { self.dstport } else { [0; 2] },
            state: self.state,
            origin: self.origin,
            ..Event::zeroed()
        }
    }

    fn before(&self, event: &mut Event) {
        event.old_ifindex = self.ifindex;
        event.old_remote = self.remote;
        event.old_state = self.state;
    }
}

impl Told for FloodRemote {
    fn event(&self, kind: u8, vni: Vni, mac: Mac) -> Event {
        Event {
            vni: vni.get(),
            kind,
            mac,
            remote: self.addr,
            dst_vni: self.dst_vni,
            dstport: self.dstport,
            state: self.state,
            origin: self.origin,
            ..Event::zeroed()
        }
    }

    fn before(&self, event: &mut Event) {
        event.old_remote = self.addr;
        event.old_state = self.state;
    }
}

impl Dataplane {
    /// An entry was made.
    pub(super) fn tell_added(&mut self, vni: Vni, mac: Mac, new: &impl Told) {
        self.tell(new.event(KIND_ADD, vni, mac));
    }

    /// An entry was changed.
    pub(super) fn tell_changed<T: Told>(&mut self, vni: Vni, mac: Mac, old: &T, new: &T) {
        let mut event = new.event(KIND_CHANGE, vni, mac);
        old.before(&mut event);
        self.tell(event);
    }

    /// An entry was removed.
    pub(super) fn tell_deleted(&mut self, vni: Vni, mac: Mac, old: &impl Told) {
        self.tell(old.event(KIND_DELETE, vni, mac));
    }

    /// An entry was removed because it had expired.
    pub(super) fn tell_aged(&mut self, vni: Vni, mac: Mac, old: &impl Told) {
        self.tell(old.event(KIND_AGE, vni, mac));
    }

    /// The same of many.
    pub(super) fn tell_all_deleted(&mut self, entries: &[(FdbKey, FdbEntry)]) {
        let event = |(key, old): &(FdbKey, FdbEntry)| Some(old.event(KIND_DELETE, key.vni()?, key.mac()));
        let mut events: Vec<_> = entries.iter().filter_map(event).collect();
        self.tell_all(&mut events);
    }

    fn tell(&mut self, event: Event) {
        match self.bulk_mut() {
            Some(bulk) => bulk.events.push(event),
            None => self.tell_all(&mut [event]),
        }
    }

    /// Tells of changes that were made just now.
    pub(super) fn tell_all(&self, events: &mut [Event]) {
        let now = names::now();
        events.iter_mut().for_each(|event| event.at = now);
        self.announcer.tell(&self.place, events);
    }
}
