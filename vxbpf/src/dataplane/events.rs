//! The data path's events, as a stream for the daemon.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use aya::maps::{MapData, RingBuf};
use vxbpf_common::event::Event;

use super::{Dataplane, maps};
use crate::Result;

/// Reader of the ring buffer: the events there are now. Its descriptor is readable when there are more; one reader
/// at a time.
pub struct Events(RingBuf<MapData>);

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            // A record of another size is not ours to understand; the next one may be.
            if let Ok(event) = bytemuck::try_pod_read_unaligned(&self.0.next()?) {
                return Some(event);
            }
        }
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Dataplane {
    /// The events from now on.
    pub fn events(&self) -> Result<Events> {
        maps::open(&self.place, "EVENTS").map(Events)
    }
}
