//! Who gets what is for everybody, counted exactly.

use vxbpf_common::Mac;
use vxbpf_tests::{
    packet::Frame,
    pod::Pod,
    topology::{Backend, Overlay, Plan},
    wait,
};

const STATION: Mac = Mac::new([2, 0x42, 0, 0, 9, 9]);
const BROADCAST: Mac = Mac::new([0xff; 6]);

/// Sends so many frames from a pod to an address.
#[track_caller]
fn send(from: &Pod, to: Mac, count: usize) {
    from.send(&vec![Frame::new(from.mac, to).bytes(); count]);
}

/// Does something, and then each of the pods has that many frames more than before.
#[track_caller]
fn assert_receive(expected: &[(&Pod, u64)], work: impl FnOnce()) {
    let before: Vec<u64> = expected.iter().map(|(pod, _)| pod.received()).collect();
    work();
    let now = || expected.iter().zip(&before).map(|((pod, _), before)| pod.received() - before);
    wait::until(wait::SOON, || now().zip(expected).all(|(now, (_, expected))| now >= *expected));
    let more: Vec<_> = expected.iter().zip(now()).map(|((pod, _), now)| (pod.addr, now)).collect();
    let expected: Vec<_> = expected.iter().map(|(pod, count)| (pod.addr, *count)).collect();
    assert_eq!(more, expected);
}

#[test]
fn every_other_port_and_every_remote_gets_each_frame_once() {
    let nodes = &[(Backend::Vxbpf, 3), (Backend::Vxbpf, 2), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    let node = &overlay.nodes[0];
    // A pod of another VNI gets nothing.
    let other = overlay.pod(1, 3);
    node.ok(&format!("port del {}", other.port));
    node.ok("vni add 43");
    node.ok(&format!("port add {} vni 43", other.port));
    let from = overlay.pod(1, 1);
    let (mut sent, n) = (0, 17);
    for to in [BROADCAST, Mac::new([1, 0, 0x5e, 0, 0, 251]), Mac::new([0x33, 0x33, 0, 0, 0, 1]), STATION] {
        // From a port.
        let pods = |counts: [u64; 6]| overlay.pods().zip(counts).collect::<Vec<_>>();
        assert_receive(&pods([0, n, 0, n, n, n]), || send(from, to, 17));
        sent += n;
        let vteps = node.json("stats");
        let to_each: Vec<_> =
            vteps["vteps"].as_array().unwrap().iter().map(|v| v["tx_packets"].as_u64()).collect();
        assert_eq!(to_each, [Some(sent), Some(sent), Some(0)]);
        // From remotes of both kinds.
        assert_receive(&pods([n, n, 0, 0, n, n]), || send(overlay.pod(2, 1), to, 17));
        assert_receive(&pods([n, n, 0, n, n, 0]), || send(overlay.pod(3, 1), to, 17));
    }
    assert!(node.json("stats drops")["drops"].as_object().unwrap().values().all(|count| *count == 0));
}

#[test]
fn a_remote_without_a_neighbour_entry_loses_nothing() {
    let nodes = &[(Backend::Vxbpf, 1), (Backend::Kernel, 1), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    let node = &overlay.nodes[0];
    let (from, to) = (overlay.pod(1, 1), overlay.pod(2, 1));
    let forget = || {
        node.must("ip neigh flush all");
        assert!(!node.must("ip neigh show dev eth1").contains("lladdr"));
    };
    forget();
    assert_receive(&[(to, 1), (overlay.pod(3, 1), 1)], || send(from, BROADCAST, 1));
    // What was found out before is believed for a second; new stations make the frame the first one for sure.
    node.ok(&format!("fdb replace {} dst {} vni 42", to.mac, overlay.nodes[1].vtep));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    forget();
    from.knows(to);
    to.knows(from);
    assert!(from.pings(to), "one echo request, not sent again");
}

#[test]
fn a_remote_removed_from_the_middle_gets_nothing_more_and_the_others_all() {
    let nodes = &[(Backend::Vxbpf, 1), (Backend::Kernel, 1), (Backend::Kernel, 1), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    let from = overlay.pod(1, 1);
    let pods = |counts: [u64; 4]| overlay.pods().zip(counts).collect::<Vec<_>>();
    assert_receive(&pods([0, 5, 5, 5]), || send(from, BROADCAST, 5));
    overlay.nodes[0].ok("fdb del 00:00:00:00:00:00 dst 192.168.104.4 vni 42");
    assert_receive(&pods([0, 5, 0, 5]), || send(from, BROADCAST, 5));
    overlay.nodes[0].ok("fdb append 00:00:00:00:00:00 dst 192.168.104.4 vni 42");
    assert_receive(&pods([0, 5, 5, 5]), || send(from, BROADCAST, 5));
}

#[test]
fn unsolicited_copies_do_not_go_back_to_the_underlay() {
    let nodes = &[(Backend::Vxbpf, 2), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    let node = &overlay.nodes[0];
    // A station that this node knows behind the remote that sends to it.
    node.ok(&format!("fdb add {STATION} dst {} vni 42", overlay.nodes[1].vtep));
    send(overlay.pod(2, 1), STATION, 9);
    wait::expect("nine drops", wait::SOON, || node.drops("split_horizon") == 9);
    assert_eq!(overlay.pod(1, 1).received() + overlay.pod(1, 2).received(), 0);
}
