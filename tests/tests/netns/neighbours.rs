//! Neighbour discovery between pods: who asks, who answers, and what the underlay sees of it.

use std::net::{Ipv4Addr, Ipv6Addr};

use vxbpf_common::Mac;
use vxbpf_tests::{
    packet::Frame,
    pod::Pod,
    raw::Capture,
    topology::{Backend, Node, Overlay, Plan},
    wait,
};

/// Of an encapsulated frame: where the inner one begins, its ICMPv6 type, and the target of a solicitation.
const INNER: usize = 50;
const ICMP_TYPE: usize = INNER + 14 + 40;
const TARGET: std::ops::Range<usize> = ICMP_TYPE + 8..ICMP_TYPE + 24;
/// As a filter: what carries ICMPv6. The offsets are from the UDP header.
const ICMPV6: &str = "udp dst port 4789 and udp[28:2] == 0x86dd and udp[36] == 58";

/// A capture of the ICMPv6 messages that come to a node in the tunnel.
fn capture(node: &Node) -> Capture {
    Capture::start(&node.netns, "eth1", ICMPV6)
}

/// Solicitations for a target that a capture has once it has so many echo messages, for they come later.
#[track_caller]
fn solicitations(capture: &Capture, target: Ipv6Addr, echoes: usize) -> usize {
    let of_type = |frame: &&Vec<u8>, kinds: &[u8]| kinds.contains(&frame[ICMP_TYPE]);
    let echoed = || capture.frames().iter().filter(|frame| of_type(frame, &[128, 129])).count();
    wait::expect("the echo messages", wait::SOON, || echoed() >= echoes);
    let frames = capture.frames();
    let solicited = frames.iter().filter(|frame| of_type(frame, &[135]));
    solicited.filter(|frame| frame[TARGET] == target.octets()).count()
}

/// What a pod's neighbour table has about an address.
#[track_caller]
fn entry(pod: &Pod, addr: Ipv6Addr) -> String {
    pod.must(&format!("ip -6 neigh show {addr} dev eth0"))
}

/// Has a pod ask for an address anew.
#[track_caller]
fn forget(pod: &Pod) {
    pod.must("ip -6 neigh flush dev eth0");
}

#[test]
fn pods_reach_each_other_without_a_solicitation_on_the_wire() {
    let overlay = Overlay::pair();
    let (here, there) = (overlay.pod(1, 1), overlay.pod(2, 1));
    for pod in overlay.pods() {
        pod.enable_ipv6();
    }
    let captures = [capture(&overlay.nodes[0]), capture(&overlay.nodes[1])];
    let seen = |echoes| {
        let [to_here, to_there] = &captures;
        (solicitations(to_there, there.addr6(), echoes), solicitations(to_here, here.addr6(), echoes))
    };
    // Each asks the other when nobody answers for them; the one who was asked knows the asker by that.
    assert!(here.reaches6(there.addr6()));
    assert_eq!(seen(1), (1, 0));
    for (node, other) in [(0, there), (1, here)] {
        overlay.nodes[node].ok(&format!("neigh add {} lladdr {} vni 42", other.addr6(), other.mac));
        forget(overlay.pod(node + 1, 1));
    }
    assert!(here.reaches6(there.addr6()) && there.reaches6(here.addr6()));
    assert_eq!(seen(3), (1, 0));
    assert!(entry(here, there.addr6()).contains(&there.mac.to_string()));
    assert!(entry(there, here.addr6()).contains(&here.mac.to_string()), "{}", entry(there, here.addr6()));
}

#[test]
fn a_station_that_is_down_is_answered_for_as_long_as_the_table_has_it() {
    let overlay = Overlay::pair();
    let node = &overlay.nodes[0];
    let (here, there) = (overlay.pod(1, 1), overlay.pod(2, 1));
    here.enable_ipv6();
    there.must("ip link set eth0 down");
    let (addr, mac) = (there.addr6(), there.mac.to_string());
    node.ok(&format!("neigh add {addr} lladdr {mac} router vni 42"));
    assert!(!here.reaches6(addr));
    let known = entry(here, addr);
    assert!(known.contains(&mac) && known.contains("router"), "{known}");
    node.ok(&format!("neigh replace {addr} lladdr {mac} vni 42"));
    forget(here);
    assert!(!here.reaches6(addr));
    let known = entry(here, addr);
    assert!(known.contains(&mac) && !known.contains("router"), "{known}");
    node.ok(&format!("neigh del {addr} vni 42"));
    forget(here);
    assert!(!here.reaches6(addr));
    assert!(!entry(here, addr).contains(&mac));
}

#[test]
fn duplicates_are_found_by_stations_and_not_by_the_table() {
    let overlay = Overlay::pair();
    let (here, there) = (overlay.pod(1, 1), overlay.pod(2, 1));
    for pod in overlay.pods() {
        pod.enable_ipv6();
    }
    let heard = Capture::start(&there.netns, "eth0", "icmp6 and ip6[40] == 135 and src host ::");
    // The table speaks for others, but not about who may have an address.
    let (free, taken) = (Ipv6Addr::new(0xfd12, 0, 0, 0, 0, 0, 0, 0x99), there.addr6());
    for addr in [free, taken] {
        overlay.nodes[0].ok(&format!("neigh add {addr} lladdr {} vni 42", there.mac));
    }
    here.must("sysctl -qw net.ipv6.conf.eth0.accept_dad=1");
    for (addr, duplicate) in [(free, false), (taken, true)] {
        here.must(&format!("ip address add {addr}/64 dev eth0"));
        let state = || here.must(&format!("ip -6 address show dev eth0 to {addr}"));
        let decided = || !state().contains("tentative") || state().contains("dadfailed");
        wait::expect("the station to decide", wait::SOON, decided);
        assert_eq!(state().contains("dadfailed"), duplicate, "{}", state());
        let probe = Frame::duplicate_probe(here.mac, addr).bytes();
        let target = probe[62..78].to_vec();
        let probes = heard.frames().into_iter().filter(|frame| frame[62..78] == target).count();
        assert_eq!(probes, 1, "probes for {addr} at the other end");
    }
}

#[test]
fn unanswered_solicitations_are_dropped_where_that_was_asked_for() {
    let nodes = &[(Backend::Vxbpf, 2), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, vni: "arp-miss drop", ..Plan::default() });
    let node = &overlay.nodes[0];
    let (here, beside, there) = (overlay.pod(1, 1), overlay.pod(1, 2), overlay.pod(2, 1));
    let solicitation = Frame::solicitation(here.mac, here.addr6(), there.addr6()).bytes();
    here.send(&vec![solicitation.clone(); 4]);
    wait::expect("the drops", wait::SOON, || node.drops("arp_miss") == 4);
    node.ok(&format!("neigh add {} lladdr {} vni 42", there.addr6(), there.mac));
    let before = here.received();
    here.send(&[solicitation]);
    wait::expect("the answer", wait::SOON, || here.received() == before + 1);
    assert_eq!((beside.received(), there.received(), node.drops("arp_miss")), (0, 0, 4));
    // A probe for a duplicate is no question to the table.
    here.send(&[Frame::duplicate_probe(here.mac, there.addr6()).bytes()]);
    wait::expect("the probe", wait::SOON, || beside.received() == 1 && there.received() == 1);
    assert_eq!((here.received(), node.drops("arp_miss")), (before + 1, 4));
}

#[test]
fn questions_in_a_vlan_are_left_to_those_who_are_in_it() {
    let overlay = Overlay::create(&Plan { nodes: &[(Backend::Vxbpf, 2)], ..Plan::default() });
    let (node, here, beside) = (&overlay.nodes[0], overlay.pod(1, 1), overlay.pod(1, 2));
    let station = Mac::new([2, 0x42, 0, 0, 9, 9]);
    let (v4, v6) = (Ipv4Addr::new(12, 12, 12, 99), Ipv6Addr::new(0xfd12, 0, 0, 0, 0, 0, 0, 0x99));
    node.ok(&format!("neigh add {v4} lladdr {station} vni 42"));
    node.ok(&format!("neigh add {v6} lladdr {station} vni 42"));
    // The tag is in the data as it is sent, and beside it when the port has received it.
    let arp = Frame::new(here.mac, Mac::BROADCAST).arp_request(here.addr, v4);
    let nd = Frame::solicitation(here.mac, here.addr6(), v6);
    for (count, question) in (1..).zip([&arp, &nd]) {
        here.send(&[question.clone().vlan(5).bytes()]);
        wait::expect("the tagged question", wait::SOON, || beside.received() == count);
        assert_eq!(here.received(), count - 1, "a tagged question was answered");
        here.send(&[question.bytes()]);
        wait::expect("the answer", wait::SOON, || here.received() == count);
        assert_eq!(beside.received(), count, "an answered question was forwarded");
    }
}

#[test]
fn a_neighbour_is_shown_with_its_address_of_either_family() {
    let overlay = Overlay::create(&Plan { nodes: &[(Backend::Vxbpf, 0)], ..Plan::default() });
    let node = &overlay.nodes[0];
    let mac = "02:42:00:00:00:03";
    node.ok(&format!("neigh add fd12::3 lladdr {mac} router vni 42"));
    node.ok(&format!("neigh add 12.12.12.3 lladdr {mac} dev vxlan1"));
    node.ok(&format!("neigh add fe80::3 lladdr {mac} dev vxlan1 nud permanent"));
    let shown = node.json("neigh show vni 42");
    let rows: Vec<_> = shown.as_array().unwrap().iter().map(|n| (&n["addr"], &n["router"])).collect();
    assert_eq!(
        rows,
        [
            (&"12.12.12.3".into(), &false.into()),
            (&"fd12::3".into(), &true.into()),
            (&"fe80::3".into(), &false.into())
        ]
    );
    let refused = |line: &str, why: &str| {
        let said = node.vxbpf(&format!("neigh {line}"));
        assert!(said.code == Some(1) && said.stderr.contains(why), "{line}: {said:?}");
    };
    refused(&format!("add fd12::3 lladdr {mac} vni 42"), "exists");
    refused(&format!("add ff02::1 lladdr {mac} vni 42"), "is not a unicast address");
    refused(&format!("add :: lladdr {mac} vni 42"), "is not a unicast address");
    refused(&format!("add ::ffff:224.0.0.1 lladdr {mac} vni 42"), "is not a unicast address");
    node.ok("neigh del fd12::3 vni 42");
    refused("del fd12::3 vni 42", "neighbour fd12::3 in VNI 42");
    assert_eq!(node.json("neigh flush vni 42"), serde_json::json!({ "removed": 2 }));
}
