//! Flooding: who gets what is for everybody.

use vxbpf_common::Mac;
use vxbpf_tests::stage::{BROADCAST, Place::Pod, Plan, Stage};

use crate::behaviour::{Behaviour, Group};

pub(crate) const GROUP: Group = Group { title: "Flooding", behaviours: BEHAVIOURS };

/// A station that nobody has heard of.
const UNKNOWN: Mac = Mac::new([2, 0x42, 0, 0, 9, 9]);
const MULTICAST: Mac = Mac::new([1, 0, 0x5e, 0, 0, 0xfb]);

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::new("a broadcast comes to every other port and every remote exactly once", |stage| {
        everybody(stage, BROADCAST);
    })
    .plan(Plan::pods(&[3, 2, 1])),
    Behaviour::new("a multicast comes to every other port and every remote exactly once", |stage| {
        everybody(stage, MULTICAST);
    })
    .plan(Plan::pods(&[3, 2, 1])),
    Behaviour::new(
        "a unicast to an unknown station comes to every other port and every remote exactly once",
        |stage| {
            everybody(stage, UNKNOWN);
        },
    )
    .plan(Plan::pods(&[3, 2, 1])),
    Behaviour::new(
        "what a remote flooded comes to every port, and never goes back to the underlay",
        |stage| {
            let frame = stage.frame(stage.pod(2, 1).mac, BROADCAST);
            let to = [Pod(1, 1), Pod(1, 2), Pod(3, 1), stage.wire(2, 1), stage.wire(2, 3)];
            stage.assert_comes((2, 1), &frame, 10, &to);
        },
    )
    .plan(Plan::pods(&[2, 1, 1])),
];

/// Ten frames from the first pod of node 1 come to its other pods and those of the two other nodes.
fn everybody(stage: &mut Stage, dst: Mac) {
    let frame = stage.frame(stage.pod(1, 1).mac, dst);
    let pods = [Pod(1, 2), Pod(1, 3), Pod(2, 1), Pod(2, 2), Pod(3, 1)];
    let wires = [stage.wire(1, 2), stage.wire(1, 3)];
    stage.assert_comes((1, 1), &frame, 10, &[&pods[..], &wires].concat());
}
