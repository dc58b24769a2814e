//! IPv6 underlay: what no other group says, for they all run over both versions.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use vxbpf_common::Mac;
use vxbpf_tests::{
    scratch::setting,
    stage::{
        At, BROADCAST, Opt,
        Place::{Pod, Wire},
        Plan, Stage, Underlay, VNI, device,
    },
    traffic::transfer,
};

use crate::behaviour::{Behaviour, Group};

pub(crate) const GROUP: Group = Group { title: "IPv6 underlay", behaviours: BEHAVIOURS };

/// In whose name anybody may speak.
const STATION: Mac = Mac::new([2, 0x42, 0, 0, 9, 9]);
/// An outer packet that fits the underlay exactly.
const LONGEST: usize = 1514;
/// Many segments.
const BYTES: usize = 1 << 20;

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::new(
        "the outer headers are 70 bytes of IPv6 or 50 of IPv4, without UDP checksum, and a frame goes that fits exactly",
        |stage| {
            let overhead = stage.underlay.overhead();
            for len in [14, 15, 59, 60, 61, 1280, LONGEST - overhead] {
                let frame = stage.frame(stage.pod(1, 1).mac, BROADCAST).payload(vec![0x5a; len - 14]);
                let watch = stage.watch();
                stage.send(1, 1, &frame, 1);
                watch.assert(&frame, &[(Pod(2, 1), 1), (stage.wire(1, 2), 1)]);
                let sent = watch.sent_by(1);
                let [packet] = watch.packets(1).try_into().unwrap();
                assert_eq!((packet.src, packet.dst, packet.checksum), (stage.vtep(1), stage.vtep(2), 0));
                let whole = sent.iter().find(|whole| whole.ends_with(&packet.inner)).unwrap();
                assert_eq!(whole.len(), overhead + len);
            }
        },
    )
    .fails_if("`flood.rs` and `encap.rs` take a frame that fits exactly for too big"),
    Behaviour::new("who sends real UDP checksums and who sends none understand each other", checksums)
        .plan(Plan::pods(&[1, 1]).with(&[Opt::Checksum]))
        .differs("Sends no checksum, and verifies none: the inner packets have their own.")
        .fails_if("`decap.rs` drops a packet with a UDP checksum"),
    Behaviour::new("one VNI has remotes over IPv4 and over IPv6", mixed)
        .plan(Plan::pods(&[1, 1, 1]).without_flood_lists())
        .differs(
            "They mix freely; the kernel's device has the version of its own address, and refuses the other.",
        )
        .fails_if("`nexthop.rs` knows no way to an IPv6 remote where there is an IPv4 address of our own"),
];

/// The checksum of a UDP packet, as it should be.
fn checksum(packet: &[u8]) -> u16 {
    let sliced = SlicedPacket::from_ethernet(packet).unwrap();
    let Some(TransportSlice::Udp(udp)) = sliced.transport else { panic!("not UDP: {packet:x?}") };
    match sliced.net {
        Some(NetSlice::Ipv4(ip)) => {
            udp.to_header().calc_checksum_ipv4(&ip.header().to_header(), udp.payload()).unwrap()
        }
        Some(NetSlice::Ipv6(ip)) => {
            udp.to_header().calc_checksum_ipv6(&ip.header().to_header(), udp.payload()).unwrap()
        }
        _ => panic!("not IP: {packet:x?}"),
    }
}

fn checksums(stage: &mut Stage) {
    let kernel = !stage.node_at(1).is_ours();
    let frame = stage.frame(stage.pod(2, 1).mac, BROADCAST);
    let watch = stage.watch();
    stage.send(2, 1, &frame, 1);
    watch.assert(&frame, &[(Pod(1, 1), 1), (stage.wire(2, 1), 1)]);
    let [sent] = watch.packets(2).try_into().unwrap();
    assert_eq!(sent.checksum != 0, !stage.node_at(2).is_ours());
    // The same packet from elsewhere, with a checksum that is right, wrong, and none.
    let inner = frame.bytes();
    let packet = watch.sent_by(2).into_iter().find(|packet| packet.ends_with(&inner)).unwrap();
    let right = checksum(&packet);
    let at = stage.underlay.overhead() - 8 - 2;
    let mut expected = (1, 1);
    for (sum, comes) in [(right, true), (right ^ 0x0101, !kernel), (0, true)] {
        let mut packet = packet.clone();
        packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        stage.send_from_node(2, "eth1", &vec![packet; 10]);
        expected = (expected.0 + if comes { 10 } else { 0 }, expected.1 + 10);
        watch.assert(&frame, &[(Pod(1, 1), expected.0), (stage.wire(2, 1), expected.1)]);
    }
    transfer(stage.pod(1, 1), stage.pod(2, 1), BYTES);
    transfer(stage.pod(2, 1), stage.pod(1, 1), BYTES);
}

fn mixed(stage: &mut Stage) {
    let other = match stage.underlay {
        Underlay::V4 => Underlay::V6,
        Underlay::V6 => Underlay::V4,
    };
    // Node 1 has an address of each version, node 3 only of the other. IPv4 addresses are there already.
    let vteps = [0, 1, 2].map(|at| other.addr(stage.nodes[at].host().vtep));
    for (node, vtep) in stage.nodes.iter_mut().zip(vteps).filter(|(_, vtep)| vtep.is_ipv6()) {
        node.netns.run(|| setting("net/ipv6/conf/eth1/disable_ipv6", "0")).unwrap();
        node.must(&format!("ip address add {vtep}/64 dev eth1 nodad"));
    }
    let locals = [stage.vtep(1), vteps[0]];
    if stage.node_at(1).is_ours() {
        stage.nodes[0].restart_with(&locals);
        stage.node_at(1).add_vni(VNI, &[]);
        stage.node_at(1).add_port("veth1", VNI, &[]);
    }
    let third = &mut stage.nodes[2];
    if !third.is_ours() {
        third.del_vni(VNI);
    }
    third.vtep = vteps[2];
    third.restart();
    third.add_vni(VNI, &[]);
    third.add_port("veth1", VNI, &[]);
    third.flood_to(VNI, vteps[0]);
    stage.node_at(2).flood_to(VNI, stage.vtep(1));
    let node = stage.node_at(1);
    node.flood_to(VNI, stage.vtep(2));
    let line = format!("append {} dev {} dst {} self permanent", Mac::ZERO, device(VNI), vteps[2]);
    let said = node.fdb(&line);
    if !node.is_ours() {
        assert!(!said.is_ok(), "{said:?}");
        return;
    }
    assert!(said.is_ok(), "{said:?}");

    let remotes = [stage.vtep(2), vteps[2]];
    let watch = stage.watch();
    let frame = stage.frame(stage.pod(1, 1).mac, BROADCAST);
    stage.assert_comes((1, 1), &frame, 10, &[Pod(2, 1), Pod(3, 1), Wire(1, remotes[0]), Wire(1, remotes[1])]);
    // Each is sent to from the address of its version.
    for packet in watch.packets(1) {
        assert_eq!(packet.src, locals[usize::from(packet.dst == remotes[1])], "to {}", packet.dst);
    }
    // A station moves between them.
    for (home, remote) in [(2, 0), (3, 1), (2, 0)] {
        let frame = stage.frame(STATION, BROADCAST);
        stage.assert_comes((home, 1), &frame, 10, &[Pod(1, 1), Wire(home, locals[remote])]);
        assert_eq!(stage.node_at(1).entry(STATION).unwrap().at, At::Remote(remotes[remote]));
        let frame = stage.frame(stage.pod(1, 1).mac, STATION);
        stage.assert_comes((1, 1), &frame, 10, &[Pod(home, 1), Wire(1, remotes[remote])]);
    }
    for home in [2, 3] {
        transfer(stage.pod(1, 1), stage.pod(home, 1), BYTES);
        transfer(stage.pod(home, 1), stage.pod(1, 1), BYTES);
    }
}
