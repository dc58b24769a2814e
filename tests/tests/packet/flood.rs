//! Broadcast, unknown unicast and multicast.

use std::net::IpAddr;

use vxbpf::dataplane::Df;
use vxbpf_common::DropReason;
use vxbpf_tests::packet::{
    A, B, BROADCAST, Counter, DOWN, Event, Frame, GROUP, Given, IP_A, IP_B, ISOLATED, LOCKED, Outer, R1, R2,
    Row, SILENT, UNREACHABLE, V, Xdp, longest_frame, run_over_both,
};

fn broadcast() -> Frame {
    Frame::new(A, BROADCAST).ipv4(IP_A, IP_B).udp(67, 68)
}

fn vtep(vni: u32, addr: IpAddr) -> Counter {
    Counter::Vtep(vni, addr)
}

fn from_port() -> Vec<Row> {
    let all = |name: &str, frame: &Frame| {
        Row::new(name)
            .flood_to(R1)
            .flood_to(R2)
            .from_port("p1", frame)
            .flooded()
            .copied_to("p2")
            .copied_to("t1")
            .replicated_to(R1, Outer::to(R1, V))
            .replicated_to(R2, Outer::to(R2, V))
            .learns()
    };
    let fits = longest_frame();
    vec![
        all("a broadcast goes to the other ports and to all remotes", &broadcast()),
        all("a multicast goes to the other ports and to all remotes", &Frame::new(A, GROUP).ipv4(IP_A, IP_B)),
        all("a tagged broadcast goes to the other ports and to all remotes", &broadcast().vlan(5))
            .tells([Event::Learn(A)]),
        all(
            "a frame for an unknown station goes to the other ports and to all remotes",
            &Frame::new(A, B).ipv4(IP_A, IP_B),
        )
        .tells([Event::Learn(A), Event::Miss(B)]),
        all(
            "a broadcast that is not IP goes to the other ports and to all remotes",
            &Frame::new(A, BROADCAST),
        ),
        all(
            "an IPv6 multicast goes to the other ports and to all remotes",
            &Frame::new(A, GROUP).ipv6(IP_A.to_ipv6_mapped(), IP_B.to_ipv6_mapped()),
        ),
        all("a broadcast that just fits the underlay goes to all", &broadcast().padded_to(fits)),
        Row::new("each remote of the flood list has its own VNI and UDP port")
            .flood_in(R1, 7, 8472)
            .flood_to(R2)
            .from_port("p1", &broadcast())
            .flooded()
            .copied_to("p2")
            .copied_to("t1")
            .replicated_to(R1, Outer::to(R1, 7).dstport(8472))
            .replicated_to(R2, Outer::to(R2, V)),
        Row::new("replicas take TOS, TTL and DF as unicast frames do")
            .given(Given::ttl(vxbpf::dataplane::Ttl::Inherit))
            .given(Given::tos(vxbpf::dataplane::Tos::Inherit))
            .given(Given::df(Df::Inherit))
            .flood_to(R1)
            .from_port("p1", &broadcast().ttl(3).tos(0x2b).df(true))
            .flooded()
            .copied_to("p2")
            .copied_to("t1")
            .replicated_to(R1, Outer::to(R1, V).ttl(3).tos(0x2b)),
        Row::new("without a flood list a broadcast goes to the other ports")
            .from_port("t1", &broadcast())
            .flooded()
            .xdp(Xdp::None)
            .copied_to("p1")
            .copied_to("p2"),
        Row::new("without other ports a broadcast goes to the remotes")
            .in_vni(LOCKED)
            .flood_to(R1)
            .from_port("k1", &broadcast())
            .flooded()
            .replicated_to(R1, Outer::to(R1, LOCKED)),
        Row::new("without other ports and remotes a broadcast has no destination")
            .in_vni(LOCKED)
            .from_port("k1", &broadcast())
            .xdp(Xdp::Passes)
            .dropped(DropReason::NoDestination)
            .learns(),
        Row::new("an isolated port's broadcast does not reach another isolated port")
            .in_vni(ISOLATED)
            .from_port("i1", &broadcast())
            .flooded()
            .copied_to("n1"),
        Row::new("the broadcast of a port that is not isolated reaches those that are")
            .in_vni(ISOLATED)
            .from_port("n1", &broadcast())
            .flooded()
            .copied_to("i1")
            .copied_to("i2"),
    ]
}

/// Some of the copies do not make it; the others do.
fn losses() -> Vec<Row> {
    let fits = longest_frame();
    let others = |name: &str, bad: IpAddr| {
        Row::new(name)
            .flood_to(bad)
            .flood_to(R2)
            .from_port("p1", &broadcast())
            .flooded()
            .copied_to("p2")
            .copied_to("t1")
            .replicated_to(R2, Outer::to(R2, V))
    };
    vec![
        others("a remote without a route keeps no other from its copy", UNREACHABLE)
            .copy_dropped([Counter::Vni(V), vtep(V, UNREACHABLE)], DropReason::NoRoute),
        Row::new("a broadcast that is too long for the underlay goes to the other ports only")
            .flood_to(R1)
            .from_port("p1", &broadcast().padded_to(fits + 1))
            .flooded()
            .copied_to("p2")
            .copied_to("t1")
            .copy_dropped([Counter::Vni(V), vtep(V, R1)], DropReason::TooBig),
        Row::new("a port that is down does not get its copy, and the remotes do")
            .in_vni(DOWN)
            .flood_to(R1)
            .from_port("d1", &broadcast())
            .flooded()
            .copy_dropped([Counter::Port("d2".to_owned())], DropReason::CloneFailed)
            .replicated_to(R1, Outer::to(R1, DOWN)),
        Row::new("a remote without a neighbour yet gets its copy over the helper device, which asks for the neighbour")
            .in_vni(LOCKED)
            .flood_to(SILENT)
            .from_port("k1", &broadcast())
            .flooded()
            // The kernel asks once, and TC has been asked already.
            .xdp(Xdp::None)
            .replicated_over_helper(SILENT)
            .asked_for(SILENT),
        Row::new("a GSO broadcast that cannot be encapsulated is dropped")
            .in_vni(LOCKED)
            .flood_to(R1)
            .from_port("k1", &Frame::new(A, BROADCAST))
            .gso(100)
            .dropped(DropReason::EncapFailed),
    ]
}

fn from_underlay() -> Vec<Row> {
    let all = |name: &str, frame: &Frame| {
        Row::new(name)
            .flood_to(R1)
            .flood_to(R2)
            .from_remote(R1, frame)
            .flooded()
            .copied_to("p1")
            .copied_to("p2")
            .copied_to("t1")
            .learns()
    };
    vec![
        all("a broadcast from the underlay goes to all ports and to no remote", &broadcast()),
        all(
            "a multicast from the underlay goes to all ports and to no remote",
            &Frame::new(A, GROUP).ipv4(IP_A, IP_B),
        ),
        all("a broadcast from the underlay that is not IP goes to all ports", &Frame::new(A, BROADCAST)),
        all("a tagged broadcast from the underlay goes to all ports", &broadcast().vlan(5)),
        all(
            "a frame from the underlay for an unknown station goes to all ports",
            &Frame::new(A, B).ipv4(IP_A, IP_B),
        )
        .tells([Event::Learn(A), Event::Miss(B)]),
        Row::new("a broadcast from the underlay reaches isolated ports")
            .in_vni(ISOLATED)
            .given(Given::Allow(R1))
            .from_remote(R1, &broadcast())
            .flooded()
            .copied_to("i1")
            .copied_to("i2")
            .copied_to("n1"),
        Row::new("a broadcast from the underlay does not reach a port that is down")
            .in_vni(DOWN)
            .given(Given::Allow(R1))
            .from_remote(R1, &broadcast())
            .flooded()
            .copied_to("d1")
            .copy_dropped([Counter::Port("d2".to_owned())], DropReason::CloneFailed),
    ]
}

pub(crate) fn rows() -> Vec<Row> {
    [from_port(), losses(), from_underlay()].concat()
}

#[test]
fn flood() {
    run_over_both(rows);
}
