//! From the ring buffer to the log.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    time::Instant,
};

use tokio::io::{Interest, unix::AsyncFd};
use tracing::{Level, debug, info, warn};
use vxbpf_common::event::KIND_DROP;

use super::{
    changes::Changes,
    drops::{Drops, Line},
    service::dev,
    words,
};
use crate::{
    Error, Result,
    dataplane::{Events, InstanceName},
};

/// Events read in one go, so that signals and timers get their turn in a storm.
const BATCH: usize = 256;

/// The events of an instance on their way to the log.
pub(super) struct EventLog {
    events: Events,
    readable: AsyncFd<OwnedFd>,
    drops: Drops,
    changes: Changes,
}

impl EventLog {
    /// Reads the events from now on.
    pub(super) fn new(events: Events, instance: &InstanceName, dstport: u16) -> Result<Self> {
        let readable = events.as_fd().try_clone_to_owned().and_then(readable);
        let readable = readable.map_err(Error::system("wait for events"))?;
        Ok(Self { events, readable, drops: Drops::new(instance), changes: Changes::new(dstport) })
    }

    /// Waits for events and tells some. May be dropped while it waits; nothing is lost by that.
    pub(super) async fn drain(&mut self) -> Result<()> {
        let mut ready = self.readable.readable().await.map_err(Error::system("wait for events"))?;
        for _ in 0..BATCH {
            let Some(event) = self.events.next() else {
                ready.clear_ready();
                break;
            };
            if event.kind == KIND_DROP {
                tell(self.drops.sample(&event, Instant::now(), dev));
            } else if words::is_change(&event) {
                tell(self.changes.line(&event, Instant::now(), dev));
            } else {
                tell(words::sentence(&event, dev));
            }
        }
        Ok(())
    }

    /// Tells of repeated drops, and of changes beyond a page.
    pub(super) fn sum_up(&mut self) {
        tell(self.changes.sum_up());
        tell(self.drops.sum_up(Instant::now(), dev));
    }

    /// Tells what came last.
    pub(super) fn finish(mut self) {
        for event in self.events.by_ref() {
            if words::is_change(&event) {
                tell(self.changes.line(&event, Instant::now(), dev));
            } else if event.kind != KIND_DROP {
                tell(words::sentence(&event, dev));
            }
        }
        self.sum_up();
    }
}

/// Waits for a descriptor to be readable.
#[expect(deprecated, reason = "its safe constructor trusts AsRawFd; an OwnedFd keeps what is asked of it")]
fn readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}

fn tell(lines: impl IntoIterator<Item = Line>) {
    for (level, text) in lines {
        match level {
            Level::WARN => warn!("{text}"),
            Level::INFO => info!("{text}"),
            _ => debug!("{text}"),
        }
    }
}
