//! Frames in VLANs: the tags are the overlay's business, and pass as they are.

use vxbpf_common::Mac;
use vxbpf_tests::{
    packet::Frame,
    raw::send_segments,
    stage::{BROADCAST, Place, Place::Pod, Plan, Stage},
};

use crate::behaviour::{Behaviour, Group, Hooks};

pub(crate) const GROUP: Group = Group { title: "VLAN-tagged frames", behaviours: BEHAVIOURS };

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::new(
        "a frame with one, two or three tags passes unchanged, to ports and remotes, both ways",
        |stage| {
            introduce(stage);
            let (near, other, far) = (Pod(1, 1), Pod(1, 2), Pod(2, 1));
            let there = [far, stage.wire(1, 2)];
            passes(stage, (1, 1), stage.pod(2, 1).mac, &there);
            passes(stage, (1, 1), stage.pod(1, 2).mac, &[other]);
            passes(stage, (1, 1), BROADCAST, &[&there[..], &[other]].concat());
            passes(stage, (2, 1), stage.pod(1, 1).mac, &[near, stage.wire(2, 1)]);
            passes(stage, (2, 1), BROADCAST, &[near, other, stage.wire(2, 1)]);
        },
    )
    .plan(Plan::pods(&[2, 1]))
    .fails_if("`tc.rs` writes the second of two tags like the first"),
    Behaviour::new(
        "the tags of TCP with segmentation offload are those of its segments, whoever makes these",
        segments,
    )
    .plan(Plan::pods(&[2, 1]))
    .hooks(Hooks::Tc)
    .fails_if("`tc.rs` leaves the tags of a GSO frame from the underlay in its data"),
];

/// Frames of many segments, which nobody cuts, or the underlay's interface.
fn segments(stage: &mut Stage) {
    const SEGMENT: u16 = 1200;
    introduce(stage);
    for offload in ["on", "off"] {
        for node in &stage.nodes {
            node.must(&format!("ethtool -K eth1 tx-udp_tnl-segmentation {offload}"));
        }
        for (from, to) in [((1, 1), (2, 1)), ((2, 1), (1, 1)), ((1, 1), (1, 2))] {
            let (src, dst) = (stage.pod(from.0, from.1), stage.pod(to.0, to.1));
            let frames = [
                Frame::new(src.mac, dst.mac).vlan(5),
                Frame::new(src.mac, dst.mac).service_vlan(100).vlan(6),
            ];
            for frame in frames {
                let payload: Vec<u8> = (0..3 * SEGMENT + 77).flat_map(u16::to_be_bytes).collect();
                let headers = frame.clone().ipv4(src.addr, dst.addr).tcp(7, 7).payload([]).bytes().len();
                let frame = frame.ipv4(src.addr, dst.addr).tcp(7, 7).payload(payload.clone()).bytes();
                let watch = stage.watch();
                send_segments(&src.netns, "eth0", &frame, u16::try_from(headers).unwrap(), SEGMENT);
                let tags = &frame[..headers - 40];
                // Lengths, and what a segment has of its own, are behind that.
                let carried = |place| {
                    let heard = watch.at(place);
                    let ours = heard.iter().filter(|heard| heard.starts_with(tags) && heard.len() > headers);
                    let parts: Vec<_> = ours.map(|part| part[headers..].to_vec()).collect();
                    (parts.concat() == payload, parts.len())
                };
                stage.settle();
                let (whole, count) = carried(Pod(to.0, to.1));
                assert!(whole && count > 0, "{offload}: {count} parts from {from:?} to {to:?}");
                if from.0 != to.0 {
                    // The kernel's device cuts what has two tags, the interface what it has no offload for.
                    let parts = payload.len().div_ceil(SEGMENT.into());
                    let wire = carried(stage.wire(from.0, u8::try_from(to.0).unwrap()));
                    assert!(wire == (true, parts) || offload == "on" && wire == (true, 1), "{wire:?}");
                }
            }
        }
    }
}

/// All know where the pods are.
fn introduce(stage: &Stage) {
    for (node, pod) in [(1, 1), (1, 2), (2, 1)] {
        stage.send(node, pod, &stage.frame(stage.pod(node, pod).mac, BROADCAST), 1);
    }
    stage.settle();
}

/// Frames with all kinds of tags come to these places.
#[track_caller]
fn passes(stage: &Stage, from: (usize, usize), dst: Mac, to: &[Place]) {
    const COUNT: usize = 3;
    let src = stage.pod(from.0, from.1);
    let v6 = |last: &str| format!("fd00::{last}").parse().unwrap();
    let tagged: [fn(Frame) -> Frame; 7] = [
        |frame| frame.vlan(5),
        // A priority and DEI, without a VLAN.
        |frame| frame.vlan(0xb000),
        |frame| frame.vlan(0xfffe),
        |frame| frame.service_vlan(100),
        |frame| frame.service_vlan(100).vlan(0x6005),
        |frame| frame.vlan(5).vlan(6),
        |frame| frame.service_vlan(100).vlan(5).vlan(6),
    ];
    let frames = tagged.map(|tag| {
        let packets = [
            stage.frame(src.mac, dst),
            Frame::new(src.mac, dst).ipv4(src.addr, [10, 0, 0, 9].into()).udp(7, 7),
            Frame::new(src.mac, dst).ipv6(v6("1"), v6("2")).tcp(7, 7),
            Frame::new(src.mac, dst).arp_request(src.addr, [10, 0, 0, 9].into()),
        ];
        let [plain, ..] = &packets;
        let long = tag(plain.clone()).padded_to(1430).bytes();
        [packets.map(|frame| tag(frame).bytes()).to_vec(), vec![long]].concat()
    });
    let frames = frames.concat();
    let watch = stage.watch();
    for _ in 0..COUNT {
        src.send(&frames);
    }
    let places: Vec<_> = to.iter().map(|place| (*place, COUNT)).collect();
    watch.assert_each(&frames, &places);
}
