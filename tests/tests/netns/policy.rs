//! Who may send: to whom, as whom, and from where.

use vxbpf_common::Mac;
use vxbpf_tests::{
    packet::Frame,
    pod::Pod,
    topology::{Backend, Overlay, Plan},
    wait,
};

const BROADCAST: Mac = Mac::new([0xff; 6]);

/// Sends broadcasts from a pod, in its own name or another's.
fn shout(pod: &Pod, name: Mac, count: usize) {
    pod.send(&vec![Frame::new(name, BROADCAST).bytes(); count]);
}

#[test]
fn isolated_ports_reach_everybody_but_each_other() {
    let nodes = &[(Backend::Vxbpf, 3), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    let node = &overlay.nodes[0];
    for pod in &node.pods[..2] {
        node.ok(&format!("port del {}", pod.port));
        node.ok(&format!("port add {} vni 42 isolated on", pod.port));
    }
    let [one, two, open, far] = [(1, 1), (1, 2), (1, 3), (2, 1)].map(|(node, pod)| overlay.pod(node, pod));
    for isolated in [one, two] {
        for other in [open, far] {
            assert!(isolated.pings(other) && other.pings(isolated));
        }
    }
    // Flooded frames keep away, and known ones are dropped.
    let before = two.received();
    shout(one, one.mac, 5);
    one.send(&vec![Frame::new(one.mac, two.mac).bytes(); 3]);
    wait::expect("the drops", wait::SOON, || node.drops("port_isolated") >= 3);
    assert_eq!((two.received(), node.drops("port_isolated")), (before, 3));
}

#[test]
fn a_port_locked_to_stations_takes_no_others() {
    let nodes = &[(Backend::Vxbpf, 2), (Backend::Vxbpf, 1)];
    let overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    let node = &overlay.nodes[0];
    let [locked, neighbour, far] = [(1, 1), (1, 2), (2, 1)].map(|(node, pod)| overlay.pod(node, pod));
    let second = Mac::new([2, 0x42, 0, 0, 9, 9]);
    node.ok(&format!("port del {}", locked.port));
    node.ok(&format!("port add {} vni 42 mac-lock {} mac-lock {second}", locked.port, locked.mac));
    overlay.ping_all();
    let before = neighbour.received();
    shout(locked, second, 2);
    shout(locked, far.mac, 4);
    shout(locked, neighbour.mac, 5);
    wait::expect("the drops", wait::SOON, || node.drops("mac_locked") == 9);
    assert_eq!(neighbour.received(), before + 2);
    assert_eq!(node.station(far.mac)["dst"], "192.168.104.3", "nothing was learned from an impostor");
    // The lock is the port's alone.
    shout(neighbour, second, 1);
    wait::expect("the station to move", wait::SOON, || {
        node.station(second)["dev"] == neighbour.port.as_str()
    });
}

#[test]
fn only_known_or_allowed_vteps_may_send_unless_any_may() {
    let nodes = &[(Backend::Vxbpf, 1), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    let node = &overlay.nodes[0];
    let (here, there) = (overlay.pod(1, 1), overlay.pod(2, 1));
    let mut dropped = 0;
    let mut arrives = |yes: bool, when: &str| {
        let before = here.received();
        shout(there, there.mac, 3);
        if yes {
            wait::expect(when, wait::SOON, || here.received() == before + 3);
        } else {
            dropped += 3;
            wait::expect(when, wait::SOON, || node.drops("vtep_not_allowed") == dropped);
            assert_eq!(here.received(), before, "{when}");
        }
        assert_eq!(node.drops("vtep_not_allowed"), dropped, "{when}");
    };
    node.ok("fdb del 00:00:00:00:00:00 dst 192.168.104.3 vni 42");
    arrives(false, "named nowhere");
    assert!(node.station(there.mac).is_null(), "nothing is learned from who may not send");
    node.flood_to(overlay.nodes[1].vtep);
    arrives(true, "in the flood list");
    node.ok("fdb del 00:00:00:00:00:00 dst 192.168.104.3 vni 42");
    arrives(false, "no longer in the flood list");
    node.ok("fdb add 02:42:00:00:09:09 dst 192.168.104.3 vni 42");
    arrives(true, "named by the FDB");
    node.ok("fdb del 02:42:00:00:09:09 vni 42");
    arrives(false, "no longer named by the FDB");
    node.ok("vni set 42 vtep-filter any");
    arrives(true, "any may");
    assert_eq!(node.station(there.mac)["dst"], "192.168.104.3");
    node.ok("vtep deny 192.168.104.3 vni 42");
    arrives(false, "any may but the denied");
    node.ok("vni set 42 vtep-filter known");
    node.flood_to(overlay.nodes[1].vtep);
    arrives(false, "denied though in the flood list");
    node.ok("vtep allow 192.168.104.3 vni 42");
    arrives(true, "allowed and in the flood list");
    node.ok("fdb del 00:00:00:00:00:00 dst 192.168.104.3 vni 42");
    arrives(true, "allowed");
}

#[test]
fn unanswered_arp_requests_are_dropped_where_that_was_asked_for() {
    let nodes = &[(Backend::Vxbpf, 2), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, vni: "arp-miss drop", ..Plan::default() });
    let node = &overlay.nodes[0];
    let (here, beside, there) = (overlay.pod(1, 1), overlay.pod(1, 2), overlay.pod(2, 1));
    let request = Frame::new(here.mac, BROADCAST).arp_request(here.addr, there.addr).bytes();
    here.send(&vec![request.clone(); 4]);
    wait::expect("the drops", wait::SOON, || node.drops("arp_miss") == 4);
    node.ok(&format!("neigh add {} lladdr {} vni 42", there.addr, there.mac));
    let answered = here.received();
    here.send(&[request]);
    wait::expect("the answer", wait::SOON, || here.received() == answered + 1);
    assert_eq!((beside.received(), there.received(), node.drops("arp_miss")), (0, 0, 4));
}
