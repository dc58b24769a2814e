//! Flooding: who gets what is for everybody.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use vxbpf_common::Mac;
use vxbpf_tests::stage::{
    BROADCAST, Crowd,
    Place::{Pod, Wire},
    Plan, Stage, Underlay, VNI, device,
};

use crate::behaviour::{Behaviour, Group};

pub(crate) const GROUP: Group = Group { title: "Flooding", behaviours: BEHAVIOURS };

/// A station that nobody has heard of.
const UNKNOWN: Mac = Mac::new([2, 0x42, 0, 0, 9, 9]);
const MULTICAST: Mac = Mac::new([1, 0, 0x5e, 0, 0, 0xfb]);

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::new("a broadcast comes to every other port and every remote, exactly once", |stage| {
        everybody(stage, BROADCAST);
    })
    .plan(Plan::pods(&[3, 2, 1]))
    .fails_if("`flood.rs` copies to the port that the frame came from, or leaves out the last remote"),
    Behaviour::new("a multicast comes to every other port and every remote, exactly once", |stage| {
        everybody(stage, MULTICAST);
    })
    .plan(Plan::pods(&[3, 2, 1]))
    .fails_if("`flood.rs` leaves out the last remote"),
    Behaviour::new(
        "a unicast to an unknown station comes to every other port and every remote, exactly once",
        |stage| everybody(stage, UNKNOWN),
    )
    .plan(Plan::pods(&[3, 2, 1]))
    .fails_if("`encap.rs` drops what it does not find in the FDB"),
    Behaviour::new(
        "what a remote sent to everybody comes to every port and goes back to no remote",
        |stage| {
            for dst in [BROADCAST, MULTICAST, UNKNOWN] {
                let frame = stage.frame(stage.pod(2, 1).mac, dst);
                let to = [Pod(1, 1), Pod(1, 2), Pod(3, 1), stage.wire(2, 1), stage.wire(2, 3)];
                stage.assert_comes((2, 1), &frame, 10, &to);
            }
        },
    )
    .plan(Plan::pods(&[2, 1, 1]))
    .fails_if("`flood.rs` replicates what came from the underlay"),
    Behaviour::new("a frame from a remote for a station behind a remote goes nowhere", split_horizon)
        .plan(Plan::pods(&[2, 1, 1]))
        .fails_if("`decap.rs` floods it instead of dropping it"),
    Behaviour::new("a frame for a station behind the port that it came from goes nowhere", |stage| {
        let station = stage.pod(1, 1).mac;
        stage.node_at(1).fdb_port(VNI, station, &stage.pod(1, 1).port);
        stage.assert_comes((1, 1), &stage.frame(UNKNOWN, station), 10, &[]);
        assert_eq!(stage.node_at(1).drops("same_port").unwrap_or(10), 10);
    })
    .plan(Plan::pods(&[2, 1]))
    .fails_if("`encap.rs` delivers to the port that the frame came from"),
    Behaviour::new(
        "a remote that cannot be reached neither stalls the others nor multiplies copies",
        unreachable,
    )
    .plan(Plan::pods(&[2, 1, 1]).without_flood_lists())
    .fails_if("`flood.rs` stops at the first remote that it has no way to"),
    Behaviour::new(
        "a flood list of 129 remotes: each gets each frame exactly once, also when some are taken out",
        many,
    )
    .fails_if("`MAX_REMOTES` is 128 in the data path"),
    Behaviour::new("the flood list is full at some number of remotes, and says so", full)
        .differs("At most 256 remotes a VNI, and an error that says so; the kernel has no limit.")
        .fails_if("`dataplane/fdb.rs` takes the 257th remote in place of the last"),
    Behaviour::new("a remote taken out of the middle gets nothing more, and the others all", middle)
        .plan(Plan::pods(&[1, 1, 1, 1]))
        .fails_if("`dataplane/fdb.rs` removes the last remote instead"),
];

/// Ten frames from the first pod of node 1 come to its other pods and those of the two other nodes.
fn everybody(stage: &mut Stage, dst: Mac) {
    let frame = stage.frame(stage.pod(1, 1).mac, dst);
    let pods = [Pod(1, 2), Pod(1, 3), Pod(2, 1), Pod(2, 2), Pod(3, 1)];
    let wires = [stage.wire(1, 2), stage.wire(1, 3)];
    stage.assert_comes((1, 1), &frame, 10, &[&pods[..], &wires].concat());
}

fn split_horizon(stage: &mut Stage) {
    let station = stage.pod(2, 1).mac;
    let heard = stage.frame(station, BROADCAST);
    stage.assert_comes(
        (2, 1),
        &heard,
        1,
        &[Pod(1, 1), Pod(1, 2), Pod(3, 1), stage.wire(2, 1), stage.wire(2, 3)],
    );
    // Node 3 takes it to be behind node 1, which knows better.
    let (name, wrong) = (device(VNI), stage.vtep(1));
    stage.node_at(3).fdb_ok(&format!("replace {station} dev {name} dst {wrong} self permanent"));
    let frame = stage.frame(stage.pod(3, 1).mac, station);
    stage.assert_comes((3, 1), &frame, 10, &[stage.wire(3, 1)]);
    assert_eq!(stage.node_at(1).drops("split_horizon").unwrap_or(10), 10);
}

fn unreachable(stage: &mut Stage) {
    // Nobody answers for the one, and there is no route to the other; they come before those that are there.
    let nobody = stage.vtep(99);
    let no_route: IpAddr = match stage.underlay {
        Underlay::V4 => [203, 0, 113, 9].into(),
        Underlay::V6 => "2001:db8::9".parse().unwrap(),
    };
    let node = stage.node_at(1);
    for remote in [nobody, no_route, stage.vtep(2), stage.vtep(3)] {
        node.flood_to(VNI, remote);
    }
    for number in 2..=3 {
        // Or else it may not send to them, where they are ours.
        stage.node_at(number).flood_to(VNI, stage.vtep(1));
    }
    let to = [Pod(1, 2), Pod(2, 1), Pod(3, 1), stage.wire(1, 2), stage.wire(1, 3)];
    let begin = Instant::now();
    stage.assert_comes((1, 1), &stage.frame(stage.pod(1, 1).mac, BROADCAST), 10, &to);
    // The kernel gives up on a neighbour after three seconds.
    assert!(begin.elapsed() < Duration::from_secs(2), "it took {:?}", begin.elapsed());
    stage.assert_comes((1, 1), &stage.frame(stage.pod(1, 1).mac, BROADCAST), 10, &to);
    assert_eq!(stage.node_at(1).drops("no_route").unwrap_or(20), 20);
}

fn many(stage: &mut Stage) {
    let crowd = Crowd::create(stage, 128);
    stage.node_at(1).flood_to_many(VNI, &crowd.addrs).unwrap();
    let wires = |addrs: &[IpAddr]| addrs.iter().map(|addr| Wire(1, *addr)).collect::<Vec<_>>();
    let frame = || stage.frame(stage.pod(1, 1).mac, BROADCAST);
    let there = [Pod(2, 1), stage.wire(1, 2)];
    stage.assert_comes((1, 1), &frame(), 3, &[wires(&crowd.addrs), there.to_vec()].concat());
    // Every one of them is known to the underlay now.
    stage.assert_comes((1, 1), &frame(), 3, &[wires(&crowd.addrs), there.to_vec()].concat());
    let mut left = crowd.addrs.clone();
    for at in [127, 64, 0] {
        stage.node_at(1).flood_no_more(VNI, left.remove(at));
    }
    stage.assert_comes((1, 1), &frame(), 3, &[wires(&left), there.to_vec()].concat());
}

fn full(stage: &mut Stage) {
    let node = stage.node_at(1);
    let addr = |number: u16| -> IpAddr {
        let [high, low] = number.to_be_bytes();
        match stage.underlay {
            Underlay::V4 => [192, 168, 105 + high, low].into(),
            Underlay::V6 => std::net::Ipv6Addr::new(0xfd00, 0x105, 0, 0, 0, 0, 0, number).into(),
        }
    };
    // Node 2 is one of them already.
    let most: Vec<_> = (1..256).map(addr).collect();
    node.flood_to_many(VNI, &most).unwrap();
    let before = node.fdb_show(VNI);
    assert_eq!(before.len(), 256);
    let one_more = node.flood_to_many(VNI, &[addr(256)]);
    if node.is_ours() {
        let why = one_more.unwrap_err();
        assert!(why.contains("flood list of VNI 42") && why.contains("256"), "{why}");
        assert_eq!(node.fdb_show(VNI), before, "nothing is changed");
        // One that goes makes room.
        node.flood_no_more(VNI, addr(100));
        node.flood_to(VNI, addr(256));
        assert_eq!(node.fdb_show(VNI).len(), 256);
    } else {
        one_more.unwrap();
        assert_eq!(node.fdb_show(VNI).len(), 257);
    }
}

fn middle(stage: &mut Stage) {
    let frame = || stage.frame(stage.pod(1, 1).mac, BROADCAST);
    let all = [2, 3, 4].map(|number| [Pod(number.into(), 1), stage.wire(1, number)]);
    stage.assert_comes((1, 1), &frame(), 10, &all.concat());
    stage.node_at(1).flood_no_more(VNI, stage.vtep(3));
    stage.assert_comes((1, 1), &frame(), 10, &[all[0], all[2]].concat());
    stage.node_at(1).flood_to(VNI, stage.vtep(3));
    stage.assert_comes((1, 1), &frame(), 10, &all.concat());
}
