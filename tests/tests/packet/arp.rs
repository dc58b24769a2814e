//! ARP proxy.

use std::net::Ipv4Addr;

use vxbpf_common::DropReason;
use vxbpf_tests::packet::{
    A, B, BROADCAST, C, Frame, GROUP, Given, IP_A, IP_B, ISOLATED, Outer, R1, Row, V, run_over_both,
};

/// A asks for B.
fn request() -> Frame {
    Frame::new(A, BROADCAST).arp_request(IP_A, IP_B)
}

/// The neighbour table has B, who is behind a remote.
fn known(name: &str) -> Row {
    Row::new(name).given(Given::neigh(IP_B, B)).station_at(B, R1).flood_to(R1)
}

/// The frame goes to everybody.
fn flooded(row: Row) -> Row {
    row.flooded().copied_to("p2").copied_to("t1").replicated_to(R1, Outer::to(R1, V))
}

pub(crate) fn rows() -> Vec<Row> {
    let reply = Frame::new(B, A).arp_reply(IP_B, IP_A);
    vec![
        known("a request that the table can answer is answered")
            .from_port("p1", &request())
            .answered(&reply)
            .learns(),
        known("a request is answered though nobody knows where the station is")
            .given(Given::neigh(Ipv4Addr::new(10, 1, 0, 9), C))
            .from_port("p1", &Frame::new(A, BROADCAST).arp_request(IP_A, Ipv4Addr::new(10, 1, 0, 9)))
            .answered(&Frame::new(C, A).arp_reply(Ipv4Addr::new(10, 1, 0, 9), IP_A)),
        known("a request with padding is answered, padding and all")
            .from_port("p1", &request().payload([0; 18]))
            .answered(&reply.clone().payload([0; 18])),
        Row::new("a request for a station behind another port is answered")
            .given(Given::neigh(IP_B, B))
            .station_on(B, "p2")
            .from_port("p1", &request())
            .answered(&reply),
        flooded(
            Row::new("a request for a station behind the asker's own port is left to that station")
                .given(Given::neigh(IP_B, B))
                .station_on(B, "p1")
                .flood_to(R1)
                .from_port("p1", &request()),
        ),
        flooded(
            Row::new("a request for the asker's own address is left to the asker")
                .given(Given::neigh(IP_B, A))
                .flood_to(R1)
                .from_port("p1", &request()),
        ),
        flooded(
            Row::new("a request for the asker's own address is left to the asker though nothing is learned")
                .given(Given::learning(false))
                .given(Given::neigh(IP_B, A))
                .flood_to(R1)
                .from_port("p1", &request()),
        ),
        flooded(
            Row::new("a request that the table cannot answer is flooded")
                .flood_to(R1)
                .from_port("p1", &request())
                .learns(),
        ),
        flooded(
            Row::new("a neighbour of another VNI is none")
                .given(Given::NeighIn(ISOLATED, IP_B.into(), B.into()))
                .flood_to(R1)
                .from_port("p1", &request()),
        ),
        known("with arp-miss drop a request that the table can answer is answered")
            .given(Given::arp_miss_drop())
            .from_port("p1", &request())
            .answered(&reply),
        Row::new("with arp-miss drop a request that the table cannot answer is dropped")
            .given(Given::arp_miss_drop())
            .flood_to(R1)
            .from_port("p1", &request())
            .dropped(DropReason::ArpMiss)
            .learns(),
        flooded(
            known("an announcement is flooded")
                .given(Given::arp_miss_drop())
                .from_port("p1", &Frame::new(A, BROADCAST).arp_request(IP_A, IP_A)),
        ),
        flooded(
            known("an announcement of an address that the table has is flooded")
                .from_port("p1", &Frame::new(A, BROADCAST).arp_request(IP_B, IP_B)),
        ),
        flooded(
            known("a probe is flooded")
                .given(Given::arp_miss_drop())
                .from_port("p1", &Frame::new(A, BROADCAST).arp_request(Ipv4Addr::UNSPECIFIED, IP_B)),
        ),
        flooded(
            known("a reply to all is flooded")
                .given(Given::arp_miss_drop())
                .from_port("p1", &Frame::new(A, BROADCAST).arp_reply(IP_A, IP_B)),
        ),
        flooded(
            known("a request to a group is flooded")
                .given(Given::arp_miss_drop())
                .from_port("p1", &Frame::new(A, GROUP).arp_request(IP_A, IP_B)),
        ),
        flooded(
            known("a request that is cut off is flooded")
                .given(Given::arp_miss_drop())
                .from_port_bytes("p1", request().bytes().into_iter().take(41).collect()),
        ),
        known("a request to its station alone is forwarded")
            .from_port("p1", &Frame::new(A, B).arp_request(IP_A, IP_B))
            .encapsulated(R1, Outer::to(R1, V)),
        known("a request from the underlay is not answered")
            .station_on(A, "p2")
            .from_remote(R1, &Frame::new(C, BROADCAST).arp_request(IP_A, IP_B))
            .flooded()
            .copied_to("p1")
            .copied_to("p2")
            .copied_to("t1"),
    ]
}

#[test]
fn arp() {
    run_over_both(rows);
}
