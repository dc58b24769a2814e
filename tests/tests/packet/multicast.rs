//! A multicast group of the underlay: where a VNI floods to, and what comes by it.

use std::net::Ipv4Addr;

use vxbpf_common::DropReason;
use vxbpf_tests::packet::{
    A, B, BROADCAST, EMPTY, Frame, Given, IP_A, IP_B, Outer, R1, R2, Row, V, run_over_both,
};

/// The VNI's, and that of somebody else.
const OURS: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
const THEIRS: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 2);

fn frame() -> Frame {
    Frame::new(A, BROADCAST).ipv4(IP_A, IP_B).udp(67, 68)
}

fn row(name: &str) -> Row {
    Row::new(name).given(Given::group(OURS))
}

/// From the first remote, to a group.
fn to_group(vni: u32, group: Ipv4Addr) -> Vec<u8> {
    Outer::from(R1, vni).to_address(group).around(&frame().bytes())
}

fn rows() -> Vec<Row> {
    vec![
        row("a broadcast goes to the group, in one packet")
            .from_port("p1", &frame())
            .flooded()
            .copied_to("p2")
            .copied_to("t1")
            .replicated_to(OURS, Outer::to(OURS, V))
            .learns(),
        row("a VNI with a group floods to the remotes of its list as well")
            .flood_to(R2)
            .from_port("p1", &frame())
            .flooded()
            .copied_to("p2")
            .copied_to("t1")
            .replicated_to(OURS, Outer::to(OURS, V))
            .replicated_to(R2, Outer::to(R2, V)),
        row("what comes by the group is delivered, and its sender learned")
            .from_underlay(R1, Outer::from(R1, V).to_address(OURS).around(&to_b().bytes()))
            .station_on(B, "p1")
            .delivered("p1")
            .learns(),
        row("what comes by the group from somebody unknown is dropped where only known VTEPs may send")
            .given(Given::known_vteps())
            .from_underlay(R1, to_group(V, OURS))
            .dropped(DropReason::VtepNotAllowed),
        row("what comes by another group passes")
            .from_underlay(R1, to_group(V, THEIRS))
            .passes()
            .then_unknown(A),
        row("what comes by the group of another VNI passes")
            .given(Given::AllowIn(EMPTY, R1))
            .from_underlay(R1, to_group(EMPTY, OURS))
            .passes(),
        Row::new("what comes by a group passes where the VNI has none")
            .given(Given::any_vtep())
            .from_underlay(R1, to_group(V, OURS))
            .passes()
            .then_unknown(A),
    ]
}

fn to_b() -> Frame {
    Frame::new(A, B).ipv4(IP_A, IP_B).udp(1, 2)
}

#[test]
fn multicast() {
    run_over_both(rows);
}
