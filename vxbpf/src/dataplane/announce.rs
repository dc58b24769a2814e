//! Events of what commands change. A ring buffer is written to by programs only, so the event is the packet of a
//! program that copies it there (`announce` in `vxbpf-ebpf`). Nobody's change fails because it cannot be told.

use std::sync::OnceLock;

use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions};
use bytemuck::Zeroable as _;
use tracing::debug;
use vxbpf_common::{
    Mac, Vni,
    event::{Event, KIND_ADD, KIND_AGE, KIND_CHANGE, KIND_DELETE},
    fdb::FdbEntry,
    flood::FloodRemote,
};

use super::{Dataplane, names, place::Place};

/// The program, opened when there is something to tell for the first time; `None` if it cannot be.
#[derive(Default)]
pub(super) struct Announcer(OnceLock<Option<SchedClassifier>>);

impl Announcer {
    fn tell(&self, place: &Place, event: &Event) {
        let open = || match SchedClassifier::from_pin(place.program("announce")) {
            Ok(program) => Some(program),
            Err(e) => {
                debug!("changes are not announced: {e}");
                None
            }
        };
        let Some(program) = self.0.get_or_init(open) else { return };
        let options = TestRunOptions { data_in: Some(bytemuck::bytes_of(event)), ..TestRunOptions::new() };
        if let Err(e) = program.test_run(options) {
            debug!("a change is not announced: {e}");
        }
    }
}

/// What an event says of an entry, or of one remote of a list.
pub(super) trait Told {
    /// The event of that kind about it.
    fn event(&self, kind: u8, vni: Vni, mac: Mac) -> Event;
    /// Notes it in the event as what was there before.
    fn before(&self, event: &mut Event);
}

impl Told for FdbEntry {
    fn event(&self, kind: u8, vni: Vni, mac: Mac) -> Event {
        Event {
            at: names::now(),
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
            at: names::now(),
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
    pub(super) fn tell_added(&self, vni: Vni, mac: Mac, new: &impl Told) {
        self.announcer.tell(&self.place, &new.event(KIND_ADD, vni, mac));
    }

    /// An entry was changed.
    pub(super) fn tell_changed<T: Told>(&self, vni: Vni, mac: Mac, old: &T, new: &T) {
        let mut event = new.event(KIND_CHANGE, vni, mac);
        old.before(&mut event);
        self.announcer.tell(&self.place, &event);
    }

    /// An entry was removed.
    pub(super) fn tell_deleted(&self, vni: Vni, mac: Mac, old: &impl Told) {
        self.announcer.tell(&self.place, &old.event(KIND_DELETE, vni, mac));
    }

    /// An entry was removed because it had expired.
    pub(super) fn tell_aged(&self, vni: Vni, mac: Mac, old: &impl Told) {
        self.announcer.tell(&self.place, &old.event(KIND_AGE, vni, mac));
    }
}
