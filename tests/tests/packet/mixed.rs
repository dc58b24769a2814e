//! IPv4 and IPv6 VTEPs in one VNI, and what only an IPv6 underlay has.

use std::net::IpAddr;

use vxbpf::netdev::IpVersion;
use vxbpf_common::{DropReason, instance::Errand};
use vxbpf_tests::packet::{
    A, B, BROADCAST, C, Counter, Event, FOREIGN, Frame, GROUP, Given, IP_A, IP_B, LOCKED, Outer, R1, R2, Row,
    SILENT, V, longest_frame, other_version, over, run_rows, vni,
};

fn r1() -> IpAddr {
    other_version(R1)
}

fn r2() -> IpAddr {
    other_version(R2)
}

fn broadcast() -> Frame {
    Frame::new(A, BROADCAST).ipv4(IP_A, IP_B).udp(67, 68)
}

/// Remotes of both versions. The wire brings the copies for IPv4 first: the others pass the helper device.
fn lists() -> Vec<Row> {
    let all = |what: &str, frame: &Frame| {
        Row::new(format!("{what} goes to the remotes of both versions once each"))
            .flood_to(r1())
            .flood_to(R1)
            .flood_to(r2())
            .flood_to(R2)
            .from_port("p1", frame)
            .flooded()
            .copied_to("p2")
            .copied_to("t1")
            .replicated_to(R1, Outer::to(R1, V))
            .replicated_to(R2, Outer::to(R2, V))
            .replicated_to(r1(), Outer::to(r1(), V))
            .replicated_to(r2(), Outer::to(r2(), V))
            .learns()
    };
    let fits6 = over(IpVersion::V6, longest_frame);
    let too_long = |name: &str, len: usize| {
        Row::new(name)
            .in_vni(LOCKED)
            .flood_to(R1)
            .flood_to(r2())
            .from_port("k1", &broadcast().padded_to(len))
            .flooded()
    };
    vec![
        all("a broadcast", &broadcast()),
        all("a tagged broadcast", &broadcast().vlan(5)),
        all("a broadcast with two tags", &broadcast().service_vlan(7).vlan(5)),
        all("a multicast", &Frame::new(A, GROUP).ipv6(IP_A.to_ipv6_mapped(), IP_B.to_ipv6_mapped())),
        all("a broadcast that is not IP", &Frame::new(A, BROADCAST)),
        all("a frame for an unknown station", &Frame::new(A, B).ipv4(IP_A, IP_B))
            .tells([Event::Learn(A), Event::Miss(B)]),
        too_long("a broadcast that just fits IPv6 goes to remotes of both versions", fits6)
            .replicated_to(R1, Outer::to(R1, LOCKED))
            .replicated_to(r2(), Outer::to(r2(), LOCKED)),
        too_long("a broadcast that is a byte too long for IPv6 goes to the IPv4 remotes", fits6 + 1)
            .replicated_to(R1, Outer::to(R1, LOCKED))
            .copy_dropped([Counter::Vni(LOCKED), Counter::Vtep(LOCKED, r2())], DropReason::TooBig),
        too_long("a broadcast that just fits IPv4 goes to the IPv4 remotes", longest_frame())
            .replicated_to(R1, Outer::to(R1, LOCKED))
            .copy_dropped([Counter::Vni(LOCKED), Counter::Vtep(LOCKED, r2())], DropReason::TooBig),
        Row::new("each remote of both versions has its own VNI and UDP port")
            .in_vni(LOCKED)
            .flood_in(r1(), 7, 8472)
            .flood_in(R1, 8, 8473)
            .from_port("k1", &broadcast())
            .flooded()
            .replicated_to(R1, Outer::to(R1, 8).dstport(8473))
            .replicated_to(r1(), Outer::to(r1(), 7).dstport(8472)),
        Row::new("an IPv6 remote without a neighbour yet keeps no IPv4 remote from its copy")
            .in_vni(LOCKED)
            .flood_to(other_version(SILENT))
            .flood_to(R1)
            .from_port("k1", &broadcast())
            .flooded()
            .xdp(vxbpf_tests::packet::Xdp::None)
            .replicated_to(R1, Outer::to(R1, LOCKED))
            .replicated_over_helper(other_version(SILENT))
            .asked_for(other_version(SILENT)),
        Row::new("a group's own list may have remotes of both versions")
            .in_vni(LOCKED)
            .flood_to(R1)
            .flood_to(r1())
            .group_to(GROUP, R2)
            .group_to(GROUP, r2())
            .from_port("k1", &Frame::new(A, GROUP).ipv4(IP_A, IP_B))
            .flooded()
            .replicated_to(R2, Outer::to(R2, LOCKED))
            .replicated_to(r2(), Outer::to(r2(), LOCKED)),
    ]
}

/// What the helper device makes of a frame that has IPv6 remotes.
fn errands() -> Vec<Row> {
    let mark = |number: u32| Errand::Flood6(vni(number)).mark();
    let frames =
        [("IPv4", broadcast()), ("tagged", broadcast().vlan(5)), ("unknown", Frame::new(A, BROADCAST))];
    let mut rows: Vec<_> = frames
        .into_iter()
        .map(|(what, frame)| {
            Row::new(format!("the helper device sends an {what} frame to the IPv6 remotes alone"))
                .flood_to(R1)
                .flood_to(r1())
                .flood_to(R2)
                .flood_to(r2())
                .from_helper(frame.bytes(), mark(V))
                .flooded()
                .xdp(vxbpf_tests::packet::Xdp::None)
                .replicated_to(r1(), Outer::to(r1(), V))
                .replicated_to(r2(), Outer::to(r2(), V))
        })
        .collect();
    let row =
        |name: &str, number: u32| Row::new(name).flood_to(R1).from_helper(broadcast().bytes(), mark(number));
    rows.push(
        row("the helper device sends nothing when the IPv6 remotes are gone meanwhile", V)
            .flooded()
            .xdp(vxbpf_tests::packet::Xdp::None),
    );
    rows.push(
        row("what another instance sends to the helper device passes, for that one", FOREIGN)
            .passes()
            .marked(mark(FOREIGN)),
    );
    rows
}

/// A VTEP is an address: the other version's is another VTEP.
fn vteps() -> Vec<Row> {
    let frame = Frame::new(A, B).ipv4(IP_A, IP_B).udp(1000, 2000);
    let row = |name: &str| Row::new(name).station_on(B, "p1");
    vec![
        row("an IPv6 VTEP that is known by its IPv4 address only is dropped")
            .given(Given::Allow(R1))
            .from_remote(r1(), &frame)
            .dropped(DropReason::VtepNotAllowed)
            .then_unknown(A),
        row("an IPv4 VTEP that is known by its IPv6 address only is dropped")
            .given(Given::Allow(r1()))
            .from_remote(R1, &frame)
            .dropped(DropReason::VtepNotAllowed),
        row("a VTEP that is denied by its IPv4 address is let in by its IPv6 address")
            .given(Given::Deny(R1))
            .given(Given::Allow(r1()))
            .from_remote(r1(), &frame)
            .delivered("p1")
            .learns(),
        row("a station moves from an IPv4 remote to an IPv6 remote")
            .given(Given::Allow(R1))
            .given(Given::Allow(r2()))
            .heard_from(R1, &frame)
            .from_remote(r2(), &frame)
            .delivered("p1")
            .then(A, r2())
            .tells([Event::Move(A)]),
        row("a station moves from an IPv6 remote to an IPv4 remote")
            .given(Given::Allow(R1))
            .given(Given::Allow(r2()))
            .heard_from(r2(), &frame)
            .from_remote(R1, &frame)
            .delivered("p1")
            .then(A, R1)
            .tells([Event::Move(A)]),
        row("what an IPv6 remote sends does not go on to an IPv4 remote")
            .station_at(C, R1)
            .given(Given::Allow(r2()))
            .from_remote(r2(), &Frame::new(A, C).ipv4(IP_A, IP_B))
            .dropped(DropReason::SplitHorizon),
        row("a broadcast from an IPv6 remote comes to the ports, and to no remote of either version")
            .flood_to(R1)
            .flood_to(r1())
            .flood_to(r2())
            .from_remote(r2(), &broadcast())
            .flooded()
            .copied_to("p1")
            .copied_to("p2")
            .copied_to("t1"),
    ]
}

pub(crate) fn rows() -> Vec<Row> {
    [lists(), errands(), vteps()].concat()
}

#[test]
fn mixed() {
    run_rows(&rows());
}
