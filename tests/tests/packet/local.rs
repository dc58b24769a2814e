//! Between ports of a VNI.

use vxbpf_common::DropReason;
use vxbpf_tests::packet::{A, B, Frame, IP_A, IP_B, ISOLATED, Outer, R1, Row, V, Xdp, run_over_both};

pub(crate) fn rows() -> Vec<Row> {
    let frame = || Frame::new(A, B).ipv4(IP_A, IP_B).udp(1, 2);
    vec![
        Row::new("a frame for a station behind another port goes there")
            .station_on(B, "p2")
            .from_port("p1", &frame())
            .delivered("p2")
            .learns(),
        Row::new("an ARP reply for a station behind another port goes there")
            .station_on(B, "p2")
            .from_port("p1", &Frame::new(A, B).arp_reply(IP_A, IP_B))
            .delivered("p2"),
        Row::new("a tagged frame for a station behind another port keeps its tag")
            .station_on(B, "p2")
            .from_port("p1", &frame().vlan(5))
            .delivered("p2"),
        Row::new("XDP leaves a port in mode tc to TC")
            .station_on(B, "t1")
            .from_port("p1", &frame())
            .xdp(Xdp::Passes)
            .delivered("t1")
            .learns(),
        Row::new("a frame for a station behind its own port is dropped")
            .station_on(B, "p1")
            .from_port("p1", &frame())
            .dropped(DropReason::SamePort),
        Row::new("a frame to itself is dropped")
            .from_port("p1", &Frame::new(A, A).ipv4(IP_A, IP_A))
            .dropped(DropReason::SamePort),
        Row::new("a frame for a station that was heard on another port goes there")
            .heard_on("p2", &Frame::new(B, A).ipv4(IP_B, IP_A))
            .from_port("p1", &frame())
            .delivered("p2"),
        Row::new("an isolated port does not reach another isolated port")
            .in_vni(ISOLATED)
            .station_on(B, "i2")
            .from_port("i1", &frame())
            .dropped(DropReason::PortIsolated),
        Row::new("an isolated port reaches one that is not")
            .in_vni(ISOLATED)
            .station_on(B, "n1")
            .from_port("i1", &frame())
            .delivered("n1"),
        Row::new("a port that is not isolated reaches one that is")
            .in_vni(ISOLATED)
            .station_on(B, "i1")
            .from_port("n1", &frame())
            .delivered("i1"),
        Row::new("an isolated port reaches a remote")
            .in_vni(ISOLATED)
            .station_at(B, R1)
            .from_port("i1", &frame())
            .encapsulated(R1, Outer::to(R1, ISOLATED)),
        Row::new("a station of the same address in another VNI is another station")
            .in_vni(ISOLATED)
            .station_on(B, "n1")
            .heard_on("p2", &Frame::new(B, A).ipv4(IP_B, IP_A))
            .from_port("i1", &frame())
            .delivered("n1"),
        Row::new("an isolated port is reached from the underlay")
            .in_vni(ISOLATED)
            .station_at(A, R1)
            .station_on(B, "i1")
            .from_remote(R1, &frame())
            .delivered("i1"),
        Row::new("between ports of VNI 42 the wire sees nothing, even with a flood list")
            .flood_to(R1)
            .station_on(B, "p2")
            .from_port("p1", &frame())
            .delivered("p2")
            .then(B, "p2")
            .then(A, "p1"),
        Row::new("what one port sends for a remote's station does not reach another port")
            .station_at(B, R1)
            .heard_on("p2", &Frame::new(B, A).ipv4(IP_B, IP_A))
            .from_port("p1", &frame())
            .encapsulated(R1, Outer::to(R1, V))
            .then(B, R1),
    ]
}

#[test]
fn local() {
    run_over_both(rows);
}
