//! Packets for a node that are made by hand, and what it makes of them.

use super::{
    Stage, VNI,
    watch::Place::{self, Pod},
};
use crate::{packet::Outer, raw};

/// A packet for a node, or the fragments of one, and what must come of it.
#[derive(Clone, Debug)]
pub struct Crafted {
    /// What is special about it.
    pub what: String,
    /// What is sent.
    pub packets: Vec<Vec<u8>>,
    /// The frame that comes to the first pod.
    pub gives: Option<Vec<u8>>,
}

impl Crafted {
    /// A packet.
    pub fn new(what: impl Into<String>, packet: Vec<u8>, gives: Option<Vec<u8>>) -> Self {
        Self { what: what.into(), packets: vec![packet], gives }
    }
}

impl Stage {
    /// Outer headers of a packet from one node to another, in [`VNI`].
    #[track_caller]
    pub fn outer(&self, from: usize, to: usize) -> Outer {
        let end = |number: usize| (self.node_at(number).vtep, self.node_at(number).mac_of("eth1"));
        Outer::between(end(from), end(to), VNI)
    }

    /// Has packets come to node 1, from right before it: what is in between might drop what is broken. What they give
    /// comes to its first pod, once each, and nothing else comes to any pod.
    #[track_caller]
    pub fn assert_gives(&self, all: &[Crafted]) {
        let watch = self.watch();
        let packets: Vec<_> = all.iter().flat_map(|crafted| crafted.packets.clone()).collect();
        raw::send(&self.switch.netns, "node1", &packets);
        let mut came = watch.at(Pod(1, 1));
        let mut missing = Vec::new();
        for crafted in all {
            let Some(frame) = &crafted.gives else { continue };
            match came.iter().position(|other| other == frame) {
                Some(at) => drop(came.swap_remove(at)),
                None => missing.push((&crafted.what, hex(frame))),
            }
        }
        let name = |frame: &Vec<u8>| {
            // `Stage::frame` makes all payloads different.
            let tail = frame.get(frame.len().saturating_sub(52)..).unwrap_or_default();
            let inside = |packet: &Vec<u8>| packet.windows(tail.len()).any(|part| part == tail);
            let from = all.iter().find(|crafted| crafted.packets.iter().any(inside));
            (from.map_or("", |crafted| &crafted.what), hex(frame))
        };
        let wrong: Vec<_> = came.iter().map(name).collect();
        assert!(missing.is_empty() && wrong.is_empty(), "missing: {missing:#?}\nwrong: {wrong:#?}");
        let pods = (1..).zip(&self.nodes).flat_map(|(number, node)| {
            (1..=node.pods.len()).map(move |pod| Pod(number, pod)).filter(|place| *place != Pod(1, 1))
        });
        let elsewhere: Vec<Place> = pods.filter(|pod| !watch.at(*pod).is_empty()).collect();
        assert_eq!(elsewhere, [], "pods that should not hear of it");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
