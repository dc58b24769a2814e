//! What comes where on a stage: every pod and every wire is listened to, so that a count is exact everywhere.

use std::{cell::RefCell, collections::BTreeMap, net::IpAddr};

use super::{DSTPORT, Stage, vxlan::Vxlan};
use crate::{
    packet::Frame,
    tap::{Heard, Tap, Way},
    wait,
};

/// Somewhere a frame can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The interface of a pod, by the numbers of its node and of itself there.
    Pod(usize, usize),
    /// The wire: encapsulated, from a node to an address.
    Wire(usize, IpAddr),
}

/// Listens from when it is made. Keep it no longer than it is asked: it keeps every frame.
pub struct Watch<'a> {
    stage: &'a Stage,
    wire: Tap,
    pods: Vec<(Place, Tap)>,
    heard: RefCell<BTreeMap<Place, Vec<Vec<u8>>>>,
    sent: RefCell<Vec<Vec<Vec<u8>>>>,
}

impl<'a> Watch<'a> {
    pub(super) fn start(stage: &'a Stage) -> Self {
        let ports: Vec<_> = (1..=stage.nodes.len()).map(|number| format!("node{number}")).collect();
        let ports: Vec<_> = ports.iter().map(String::as_str).collect();
        let wire = Tap::start(&stage.switch.netns, &ports);
        let place = |number: usize| move |pod: usize| Place::Pod(number, pod);
        let pods = (1..).zip(&stage.nodes).flat_map(|(number, node)| {
            (1..)
                .map(place(number))
                .zip(&node.pods)
                .map(|(place, pod)| (place, Tap::start(&pod.netns, &["eth0"])))
        });
        let (heard, sent) = (RefCell::default(), RefCell::new(vec![Vec::new(); stage.nodes.len()]));
        Self { stage, wire, pods: pods.collect(), heard, sent }
    }

    /// Reads what has come.
    fn read(&self) {
        let mut heard = self.heard.borrow_mut();
        for Heard { dev, way, frame } in self.wire.frames() {
            let node = dev.strip_prefix("node").and_then(|number| number.parse::<usize>().ok());
            let Some(node) = node.filter(|_| way == Way::In) else { continue };
            if let Some(packet) = Vxlan::parse(&frame, &self.stage.dstports.borrow()) {
                heard.entry(Place::Wire(node, packet.dst)).or_default().push(packet.inner);
            }
            if let Some(all) = self.sent.borrow_mut().get_mut(node - 1) {
                all.push(frame);
            }
        }
        for (place, tap) in &self.pods {
            let came = tap.frames().into_iter().filter(|heard| heard.way == Way::In);
            heard.entry(*place).or_default().extend(came.map(|heard| heard.frame));
        }
    }

    /// How often a frame came where, zeros left out.
    fn counts(&self, frame: &[u8]) -> BTreeMap<Place, usize> {
        self.read();
        let count = |frames: &Vec<Vec<u8>>| frames.iter().filter(|heard| heard.as_slice() == frame).count();
        let heard = self.heard.borrow();
        heard.iter().map(|(place, frames)| (*place, count(frames))).filter(|(_, count)| *count > 0).collect()
    }

    /// The frame comes so often to each of these places, and nowhere else, since this watch began.
    #[track_caller]
    pub fn assert(&self, frame: &Frame, expected: &[(Place, usize)]) {
        self.assert_each(&[frame.bytes()], expected);
    }

    /// The same of each of these frames.
    #[track_caller]
    pub fn assert_each(&self, frames: &[Vec<u8>], expected: &[(Place, usize)]) {
        let expected: BTreeMap<_, _> = expected.iter().copied().filter(|(_, count)| *count > 0).collect();
        wait::until(wait::SOON, || {
            frames.iter().all(|frame| {
                let counts = self.counts(frame);
                expected.iter().all(|(place, count)| counts.get(place).is_some_and(|seen| seen >= count))
            })
        });
        self.stage.settle();
        for frame in frames {
            let counts = self.counts(frame);
            assert_eq!(
                counts, expected,
                "where the frame came (left) and where it should (right): {frame:02x?}"
            );
        }
    }

    /// Frames that came to a place so far: at a pod whole, on a wire the inner ones.
    pub fn at(&self, place: Place) -> Vec<Vec<u8>> {
        self.stage.settle();
        self.read();
        self.heard.borrow().get(&place).cloned().unwrap_or_default()
    }

    /// Everything that a node sent to the wire so far, ARP and the like too.
    pub fn sent_by(&self, node: usize) -> Vec<Vec<u8>> {
        self.stage.settle();
        self.read();
        self.sent.borrow().get(node - 1).cloned().unwrap_or_default()
    }

    /// VXLAN packets that a node sent so far.
    pub fn packets(&self, node: usize) -> Vec<Vxlan> {
        self.sent_by(node).iter().filter_map(|packet| Vxlan::parse(packet, &[DSTPORT])).collect()
    }
}
