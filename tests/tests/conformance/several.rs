//! Several VNIs on one node.

use vxbpf_common::Mac;
use vxbpf_tests::stage::{At, BROADCAST, Place::Pod, Plan, Stage, VNI};

use crate::behaviour::{Behaviour, Group};

pub(crate) const GROUP: Group = Group { title: "Several VNIs", behaviours: BEHAVIOURS };

/// A station that is in each VNI.
const STATION: Mac = Mac::new([2, 0x42, 0, 0, 9, 9]);
const OTHER: u32 = 43;
const HIGHEST: u32 = 0xff_ffff;

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::new(
        "the same MAC in two VNIs is two stations, and nothing of one VNI comes into the other",
        |stage| {
            second_pods_to(stage, OTHER);
            let counted = || [1, 2].map(|node| [VNI, OTHER].map(|vni| stage.node_at(node).counters(vni)));
            let before = counted();
            for pod in [1, 2] {
                // The same frame, but for its number.
                let frame = stage.frame(STATION, BROADCAST);
                stage.assert_comes(
                    (1, pod),
                    &frame,
                    if pod == 1 { 10 } else { 7 },
                    &[Pod(2, pod), stage.wire(1, 2)],
                );
            }
            for (pod, vni) in [(1, VNI), (2, OTHER)] {
                let here = stage.node_at(1).fdb_show(vni);
                let port = At::Port(format!("veth{pod}"));
                assert!(
                    here.iter().any(|entry| entry.mac == STATION && entry.at == port),
                    "VNI {vni}: {here:?}"
                );
                let there = stage.node_at(2).fdb_show(vni);
                let remote = At::Remote(stage.vtep(1));
                assert!(
                    there.iter().any(|entry| entry.mac == STATION && entry.at == remote),
                    "VNI {vni}: {there:?}"
                );
                let frame = stage.frame(stage.pod(2, pod).mac, STATION);
                stage.assert_comes((2, pod), &frame, 5, &[Pod(1, pod), stage.wire(2, 1)]);
            }
            // Each VNI counts its own: received, sent.
            let after = counted();
            let more =
                |node: usize, vni: usize| [0, 1].map(|way| after[node][vni][way] - before[node][vni][way]);
            assert_eq!([more(0, 0), more(0, 1), more(1, 0), more(1, 1)], [[5, 10], [5, 7], [10, 5], [7, 5]]);
        },
    )
    .plan(Plan::pods(&[2, 2]))
    .fails_if("`learn.rs` enters stations under VNI 42 whatever the VNI, or `outer.rs` writes another one"),
    Behaviour::new("a known station of one VNI is an unknown one in the other", |stage| {
        second_pods_to(stage, OTHER);
        stage.send(2, 1, &stage.frame(STATION, BROADCAST), 1);
        stage.settle();
        // Flooded there, and not sent to where VNI 42 has it.
        stage.assert_comes(
            (1, 2),
            &stage.frame(stage.pod(1, 2).mac, STATION),
            5,
            &[Pod(2, 2), stage.wire(1, 2)],
        );
        stage.assert_comes(
            (1, 1),
            &stage.frame(stage.pod(1, 1).mac, STATION),
            5,
            &[Pod(2, 1), stage.wire(1, 2)],
        );
        assert!(stage.node_at(2).drops("no_destination").is_none_or(|drops| drops == 0));
    })
    .plan(Plan::pods(&[2, 2]))
    .fails_if("`FdbKey` leaves the VNI out"),
    Behaviour::new("VNI 0 and VNI 16777215 are like any other", |stage| {
        for vni in [0, HIGHEST] {
            second_pods_to(stage, vni);
            let watch = stage.watch();
            let frame = stage.frame(STATION, BROADCAST);
            stage.send(1, 2, &frame, 10);
            watch.assert(&frame, &[(Pod(2, 2), 10), (stage.wire(1, 2), 10)]);
            assert!(
                watch
                    .packets(1)
                    .iter()
                    .filter(|packet| packet.inner == frame.bytes())
                    .all(|packet| packet.vni() == vni)
            );
            let back = stage.frame(stage.pod(2, 2).mac, STATION);
            stage.assert_comes((2, 2), &back, 10, &[Pod(1, 2), stage.wire(2, 1)]);
            for node in &stage.nodes {
                node.del_port("veth2");
                node.del_vni(vni);
            }
        }
    })
    .plan(Plan::pods(&[2, 2]))
    .fails_if("`Vni::new` refuses 0 or the highest"),
    Behaviour::new("4096 VNIs at once on a node, each apart from the others", |stage| {
        // Spread over all there are; some with a port.
        let vni = |number: u32| 7 + number * 4093;
        let used = [0, 1, 2047, 4095].map(vni);
        let ports = ["veth1", "veth2", "veth3", "veth4"];
        let port = |vni: u32| used.iter().zip(ports).find_map(|(used, port)| (*used == vni).then_some(port));
        for node in &stage.nodes {
            ports.iter().for_each(|port| node.del_port(port));
        }
        let all: Vec<_> = (0..4096).map(|number| (vni(number), port(vni(number)))).collect();
        let few: Vec<_> = used.iter().map(|vni| (*vni, port(*vni))).collect();
        let remotes = [stage.vtep(2), stage.vtep(1)];
        for ((node, vnis), remote) in stage.nodes.iter_mut().zip([all, few]).zip(remotes) {
            node.add_many_vnis(&vnis, remote);
        }
        for (pod, vni) in (1..).zip(used) {
            let watch = stage.watch();
            let frame = stage.frame(STATION, BROADCAST);
            stage.send(1, pod, &frame, 10);
            watch.assert(&frame, &[(Pod(2, pod), 10), (stage.wire(1, 2), 10)]);
            assert_eq!(watch.packets(1).last().unwrap().vni(), vni);
            let back = stage.frame(stage.pod(2, pod).mac, STATION);
            stage.assert_comes((2, pod), &back, 10, &[Pod(1, pod), stage.wire(2, 1)]);
            assert_eq!(stage.node_at(1).counters(vni), [10, 10]);
        }
        // One of those without a port is there, and alone.
        assert_eq!(stage.node_at(1).counters(vni(5)), [0, 0]);
        if stage.node_at(1).is_ours() {
            assert_eq!(stage.node_at(1).json("vni show").as_array().unwrap().len(), 4096);
        }
    })
    .plan(Plan::pods(&[4, 4]))
    .fails_if("the map `VNIS` has room for 4095"),
];

/// Makes a VNI on both nodes, with the second pod of each for its only one.
#[track_caller]
fn second_pods_to(stage: &Stage, vni: u32) {
    for node in &stage.nodes {
        if vni != HIGHEST {
            node.del_port("veth2");
        }
        node.add_vni(vni, &[]);
        node.add_port("veth2", vni, &[]);
    }
    stage.flood_to_each_other(vni);
}
