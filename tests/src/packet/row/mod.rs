//! A packet test as a row: what is there, what comes, how it ends, how it leaves, and which counters move.

mod comes;
mod ends;

use std::net::IpAddr;

use vxbpf_common::{
    DropReason, Mac,
    event::{KIND_DROP, KIND_LEARN, KIND_MISS, KIND_MOVE},
};

use super::{
    counts::Counts,
    given::Given,
    outer::Outer,
    run::{Hook, Input},
};

/// How a program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The next program or the stack gets it.
    Pass,
    /// It ends here.
    Drop,
    /// It leaves by another interface.
    Redirect,
}

impl Action {
    pub(in crate::packet) fn code(self, hook: Hook) -> u32 {
        // linux/pkt_cls.h: TC_ACT_UNSPEC, _SHOT, _REDIRECT; linux/bpf.h: XDP_PASS, _DROP, _REDIRECT.
        match (hook, self) {
            (Hook::Tc, Self::Pass) => u32::MAX,
            (Hook::Xdp, Self::Drop) => 1,
            (Hook::Tc, Self::Drop) | (Hook::Xdp, Self::Pass) => 2,
            (Hook::Tc, Self::Redirect) => 7,
            (Hook::Xdp, Self::Redirect) => 4,
        }
    }
}

/// What the XDP twin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Xdp {
    /// There is none, or it never meets such a frame.
    None,
    /// The same.
    Same,
    /// The same, and TC cannot be asked: its test run takes no IP packet that is shorter than its header.
    Only,
    /// It passes, and nothing moves; TC, which comes next, then does what the row says.
    Passes,
}

/// What user space is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A station was learned.
    Learn(Mac),
    /// A station moved.
    Move(Mac),
    /// A station is unknown.
    Miss(Mac),
    /// A frame of a station was dropped.
    Drop(Mac),
}

impl Event {
    pub(in crate::packet) fn of(event: &vxbpf_common::event::Event) -> Self {
        match event.kind {
            KIND_LEARN => Self::Learn(event.mac),
            KIND_MOVE => Self::Move(event.mac),
            KIND_MISS => Self::Miss(event.mac),
            KIND_DROP => Self::Drop(event.mac),
            other => panic!("an event of kind {other}"),
        }
    }
}

/// How a frame leaves.
#[derive(Clone)]
pub(in crate::packet) enum Leaves {
    /// Nobody looks.
    Unseen,
    /// As it came.
    Untouched,
    /// With these bytes.
    Bytes(Vec<u8>),
    /// In outer headers, around these bytes.
    Outer(Box<Outer>, Vec<u8>),
}

impl Leaves {
    /// The bytes that are right, of those that the data path may choose from.
    pub(in crate::packet) fn expected(&self, before: &[u8], seen: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Unseen => None,
            Self::Untouched => Some(before.to_vec()),
            Self::Bytes(bytes) => Some(bytes.clone()),
            Self::Outer(outer, inner) => Some(outer.like(seen).around(inner)),
        }
    }
}

/// A row.
#[derive(Clone)]
pub struct Row {
    pub(in crate::packet) name: String,
    pub(in crate::packet) vni: u32,
    pub(in crate::packet) given: Vec<Given>,
    pub(in crate::packet) input: Input,
    /// Who sent it, if the underlay brought it.
    sender: Option<IpAddr>,
    pub(in crate::packet) xdp: Xdp,
    pub(in crate::packet) action: Action,
    pub(in crate::packet) leaves: Leaves,
    pub(in crate::packet) mark: u32,
    pub(in crate::packet) counts: Counts,
    pub(in crate::packet) reasons: Vec<DropReason>,
    pub(in crate::packet) copies: Vec<(String, Leaves)>,
    pub(in crate::packet) events: Option<Vec<Event>>,
    pub(in crate::packet) stations: Vec<(Mac, Option<String>)>,
    /// What it brings about it does once, not for each frame.
    pub(in crate::packet) once: bool,
}

/// Stands for the helper device's name in [`Input::dev`].
pub(in crate::packet) const HELPER: &str = "(helper)";
