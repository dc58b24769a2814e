//! Multicast underlay: a VNI with a group (RFC 7348 section 4.2).

use std::net::IpAddr;

use vxbpf_common::Mac;
use vxbpf_tests::{
    stage::{
        At, BROADCAST, Node, Opt,
        Place::{self, Pod},
        Plan, Stage, VNI, Watch,
    },
    wait,
};

use crate::behaviour::{Behaviour, Group, Hooks};

pub(crate) const GROUP: Group = Group { title: "Multicast underlay", behaviours: BEHAVIOURS };

/// A station that nobody has heard of.
const UNKNOWN: Mac = Mac::new([2, 0x42, 0, 0, 9, 9]);
const MULTICAST: Mac = Mac::new([1, 0, 0x5e, 0, 0, 0xfb]);

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::new(
        "the node joins the group of a VNI on the wire, and leaves it with the last VNI that has it",
        membership,
    )
    .hooks(Hooks::Tc)
    .fails_if("`dataplane/group.rs` has one member for all VNIs with a group"),
    Behaviour::new(
        "what is for everybody goes once to the group of its VNI, and comes to who is in it",
        to_group,
    )
    .plan(Plan::pods(&[2, 2, 1]).without_flood_lists().with(&[Opt::Group(1)]))
    .differs("The TTL is that of all outer packets, 64; the kernel's to a group is 1.")
    .fails_if("`decap.rs` takes what comes to any group"),
    Behaviour::new(
        "stations are learned from what comes to the group, and what is for them goes to their VTEPs alone",
        learned,
    )
    .plan(Plan::pods(&[1, 1, 1]).without_flood_lists().with(&[Opt::Group(1)]))
    .fails_if("`decap.rs` does not learn from what came to a group"),
];

/// IGMPv3 (RFC 3376 section 4.2.12) and MLDv2 (RFC 3810 section 5.2.12) number changes alike.
const JOIN: u8 = 4;
const LEAVE: u8 = 3;

fn octets(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(addr) => addr.octets().to_vec(),
        IpAddr::V6(addr) => addr.octets().to_vec(),
    }
}

/// Waits until the node has reported on the wire that it joins or leaves a group.
#[track_caller]
fn reports(watch: &Watch<'_>, node: usize, change: u8, group: IpAddr) {
    // The record: what changed, no auxiliary data, no sources, the group. Reports go to all routers that understand them.
    let record = [&[change, 0, 0, 0], octets(group).as_slice()].concat();
    let routers: &[u8] = if group.is_ipv4() { &[1, 0, 0x5e, 0, 0, 22] } else { &[0x33, 0x33, 0, 0, 0, 22] };
    wait::expect("a report on the wire", wait::SOON, || {
        let sent = watch.sent_by(node);
        sent.iter().any(|packet| {
            packet.starts_with(routers) && packet.windows(record.len()).any(|part| part == record)
        })
    });
}

/// Whether it listens to a group, as its kernel says.
fn listens(node: &Node, group: IpAddr) -> bool {
    let said = node.must("ip maddr show dev eth1");
    said.lines().any(|line| line.split_whitespace().any(|word| word == group.to_string()))
}

fn membership(stage: &mut Stage) {
    let group = stage.underlay.group(2);
    for round in 0..2 {
        let node = stage.node_at(1);
        assert!(!listens(node, group));
        let watch = stage.watch();
        node.add_vni(43, &[Opt::Group(2)]);
        assert!(listens(node, group));
        reports(&watch, 1, JOIN, group);
        node.add_vni(44, &[Opt::Group(2)]);
        node.del_vni(43);
        assert!(listens(node, group), "for the other");
        if round == 1 && node.is_ours() {
            // The process may be gone: the kernel stays a member, and another process leaves.
            stage.nodes[0].host().daemon().kill();
        }
        let node = stage.node_at(1);
        assert!(listens(node, group));
        // As the device of Linux 6.18 does.
        for number in [3, 2] {
            node.set_vni(44, Opt::Group(number));
            assert_eq!([2, 3].map(|of| listens(node, stage.underlay.group(of))), [number == 2, number == 3]);
        }
        let watch = stage.watch();
        node.del_vni(44);
        assert!(!listens(node, group));
        reports(&watch, 1, LEAVE, group);
    }
    interrupted(stage, group);
}

/// An interface that goes down loses its IPv6 addresses; the node listens when it is up again, and may join again.
#[track_caller]
fn interrupted(stage: &mut Stage, group: IpAddr) {
    let node = &mut stage.nodes[0];
    node.restart();
    node.add_vni(43, &[Opt::Group(2)]);
    node.script(&["ip link set eth1 down".to_owned(), "ip link set eth1 up".to_owned()]);
    if let IpAddr::V6(vtep) = node.vtep {
        node.must(&format!("ip address add {vtep}/64 dev eth1 nodad"));
    }
    wait::expect("it to listen again", wait::SOON, || listens(node, group));
    node.add_vni(44, &[Opt::Group(2)]);
    node.del_vni(43);
    assert!(listens(node, group));
}

/// Frames for everybody, from the first pod of node 1, come to these places.
#[track_caller]
fn for_everybody(stage: &Stage, to: &[Place]) {
    for dst in [BROADCAST, MULTICAST, UNKNOWN] {
        let frame = stage.frame(stage.pod(1, 1).mac, dst);
        stage.assert_comes((1, 1), &frame, 10, to);
    }
}

fn to_group(stage: &mut Stage) {
    let group = stage.underlay.group(1);
    let wire = stage.to_group(1, 1);
    let node = stage.node_at(1);
    let at = At::Remote(group);
    assert_eq!(
        node.entry(Mac::ZERO).map(|entry| (entry.at, entry.state)),
        Some((at, "permanent".to_owned()))
    );
    for_everybody(stage, &[Pod(1, 2), Pod(2, 1), Pod(2, 2), Pod(3, 1), wire]);
    // To the Ethernet address of the group (RFC 1112 section 6.4, RFC 2464 section 7), too.
    let watch = stage.watch();
    stage.send(1, 1, &stage.frame(stage.pod(1, 1).mac, BROADCAST), 1);
    stage.settle();
    let [packet] = watch.packets(1).try_into().unwrap();
    // `vxlan_xmit_one` in drivers/net/vxlan/vxlan_core.c.
    let ttl = if node.is_ours() { 64 } else { 1 };
    assert_eq!((packet.src, packet.dst, packet.ttl), (node.vtep, group, ttl));
    let mac: &[u8] = if group.is_ipv4() { &[1, 0, 0x5e, 1, 1, 1] } else { &[0x33, 0x33, 0, 0, 1, 1] };
    assert_eq!(watch.sent_by(1).iter().filter(|packet| packet.starts_with(mac)).count(), 1);
    // What came from the group goes back to nobody: the counts above say so. Who is in another group hears nothing.
    let other = stage.node_at(3);
    other.del_port("veth1");
    other.del_vni(VNI);
    other.add_vni(VNI, &[Opt::Group(2)]);
    other.add_port("veth1", VNI, &[]);
    for_everybody(stage, &[Pod(1, 2), Pod(2, 1), Pod(2, 2), wire]);
    // A remote of the flood list is sent to beside the group.
    node.flood_to(VNI, stage.vtep(3));
    let all = [Pod(1, 2), Pod(2, 1), Pod(2, 2), Pod(3, 1), wire, stage.wire(1, 3)];
    for_everybody(stage, &all);
    node.flood_no_more(VNI, stage.vtep(3));
    for_everybody(stage, &[Pod(1, 2), Pod(2, 1), Pod(2, 2), wire]);
}

fn learned(stage: &mut Stage) {
    for round in 0..2 {
        for home in [2, 3] {
            let others = if home == 2 { 3 } else { 2 };
            // One station that moves from node to node.
            let frame = stage.frame(UNKNOWN, BROADCAST);
            let to = [Pod(1, 1), Pod(others, 1), stage.to_group(home, 1)];
            stage.assert_comes((home, 1), &frame, 10, &to);
            let vtep = u8::try_from(home).unwrap();
            let entry = stage.node_at(1).entry(UNKNOWN).unwrap();
            assert_eq!((entry.at, entry.state.as_str()), (At::Remote(stage.vtep(vtep)), "dynamic"));
            let frame = stage.frame(stage.pod(1, 1).mac, UNKNOWN);
            stage.assert_comes((1, 1), &frame, 10, &[Pod(home, 1), stage.wire(1, vtep)]);
        }
        if round == 0 {
            // Forwarding and listening need no process.
            for node in stage.nodes.iter_mut().filter(|node| node.is_ours()) {
                node.host().daemon().kill();
            }
        }
    }
}
