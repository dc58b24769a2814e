//! ND proxy. The same rows as for ARP, and those for what only neighbour discovery knows.

use std::net::Ipv6Addr;

use vxbpf::dataplane::Neighbour;
use vxbpf_common::DropReason;
use vxbpf_tests::packet::{
    A, B, C, Frame, Given, IP_A, IP6_A, IP6_B, ISOLATED, Outer, R1, Row, V, Xdp, group_mac, run_over_both,
    solicited_node,
};

/// Where the parts of a solicitation are.
const HOP_LIMIT: usize = 21;
const ICMP_TYPE: usize = 54;
const ICMP_CODE: usize = 55;
const CHECKSUM: usize = 56;
const FLAGS: usize = 58;
/// An option that says that nobody else may answer (RFC 7527).
const NONCE: u8 = 14;

/// A asks for B.
fn solicitation() -> Frame {
    Frame::solicitation(A, IP6_A, IP6_B)
}

/// What B would answer.
fn advertisement() -> Frame {
    Frame::new(B, A).advertisement(IP6_B, IP6_A)
}

/// The neighbour table has B, who is behind a remote.
fn known(name: &str) -> Row {
    Row::new(name).given(Given::neigh(IP6_B, B)).station_at(B, R1).flood_to(R1)
}

/// The same, and questions that it cannot answer are dropped. What is no question is not.
fn forwarded(name: &str, frame: &Frame) -> Row {
    forwarded_bytes(name, frame.bytes())
}

fn forwarded_bytes(name: &str, frame: Vec<u8>) -> Row {
    flooded(known(name).given(Given::arp_miss_drop()).from_port_bytes("p1", frame))
}

/// The frame goes to everybody.
fn flooded(row: Row) -> Row {
    row.flooded().copied_to("p2").copied_to("t1").replicated_to(R1, Outer::to(R1, V))
}

/// A solicitation with a byte changed, and the checksum with it if it is summed. All are in even places.
fn altered(at: usize, byte: u8, summed: bool) -> Vec<u8> {
    let mut bytes = solicitation().bytes();
    let (before, odd) = (bytes[at], at % 2 == 1);
    bytes[at] = byte;
    if summed {
        let check = u16::from_be_bytes([bytes[CHECKSUM], bytes[CHECKSUM + 1]]);
        let word = |byte: u8| u16::from(byte) << if odd { 0 } else { 8 };
        // RFC 1624 equation 3, with the carries brought round at the end.
        let sum = u32::from(!check) + u32::from(!word(before)) + u32::from(word(byte));
        let sum = (sum & 0xffff) + (sum >> 16);
        let [high, low] = u16::try_from((sum & 0xffff) + (sum >> 16)).expect("folded").to_be_bytes();
        (bytes[CHECKSUM], bytes[CHECKSUM + 1]) = (!high, !low);
    }
    bytes
}

fn answered() -> Vec<Row> {
    let other = Ipv6Addr::LOCALHOST;
    vec![
        known("a solicitation that the table can answer is answered")
            .from_port("p1", &solicitation())
            .answered(&advertisement())
            .learns(),
        known("a solicitation from a port of mode tc is answered")
            .from_port("t1", &solicitation())
            .xdp(Xdp::None)
            .answered(&advertisement()),
        known("a solicitation from a link-local address is answered")
            .from_port("p1", &Frame::solicitation(A, "fe80::a".parse().expect("an address"), IP6_B))
            .answered(&Frame::new(B, A).advertisement(IP6_B, "fe80::a".parse().expect("an address"))),
        known("the traffic class of a solicitation is that of the answer")
            .from_port("p1", &solicitation().tos(0xe0))
            .answered(&advertisement().tos(0xe0)),
        Row::new("a solicitation is answered though nobody knows where the station is")
            .given(Given::neigh(other, C))
            .flood_to(R1)
            .from_port("p1", &Frame::solicitation(A, IP6_A, other))
            .answered(&Frame::new(C, A).advertisement(other, IP6_A)),
        Row::new("a solicitation for a station behind another port is answered")
            .given(Given::neigh(IP6_B, B))
            .station_on(B, "p2")
            .from_port("p1", &solicitation())
            .answered(&advertisement()),
        Row::new("the answer for a router says so")
            .given(Given::neigh(IP6_B, Neighbour { lladdr: B, router: true }))
            .from_port("p1", &solicitation())
            .answered(&Frame::new(B, A).router_advertisement(IP6_B, IP6_A)),
        known("with arp-miss drop a solicitation that the table can answer is answered")
            .given(Given::arp_miss_drop())
            .from_port("p1", &solicitation())
            .answered(&advertisement()),
        Row::new("with arp-miss drop a solicitation that the table cannot answer is dropped")
            .given(Given::arp_miss_drop())
            .flood_to(R1)
            .from_port("p1", &solicitation())
            .dropped(DropReason::ArpMiss)
            .learns(),
        Row::new("an IPv4 neighbour does not answer a solicitation for its mapped address")
            .given(Given::arp_miss_drop())
            .given(Given::neigh(IP_A, B))
            .flood_to(R1)
            .from_port("p1", &Frame::solicitation(A, IP6_A, IP_A.to_ipv6_mapped()))
            .flooded()
            .copied_to("p2")
            .copied_to("t1")
            .replicated_to(R1, Outer::to(R1, V)),
    ]
}

fn not_known() -> Vec<Row> {
    vec![
        flooded(
            Row::new("a solicitation that the table cannot answer is flooded")
                .flood_to(R1)
                .from_port("p1", &solicitation())
                .learns(),
        ),
        flooded(
            Row::new("a solicitation for a station behind the asker's own port is left to that station")
                .given(Given::neigh(IP6_B, B))
                .station_on(B, "p1")
                .flood_to(R1)
                .from_port("p1", &solicitation()),
        ),
        flooded(
            Row::new("a solicitation for the asker's own address is left to the asker")
                .given(Given::neigh(IP6_B, A))
                .flood_to(R1)
                .from_port("p1", &solicitation()),
        ),
        flooded(
            Row::new("a neighbour of another VNI answers no solicitation")
                .given(Given::NeighIn(ISOLATED, IP6_B.into(), B.into()))
                .flood_to(R1)
                .from_port("p1", &solicitation()),
        ),
        known("a solicitation from the underlay is not answered")
            .station_on(A, "p2")
            .from_remote(R1, &Frame::solicitation(C, IP6_A, IP6_B))
            .flooded()
            .copied_to("p1")
            .copied_to("p2")
            .copied_to("t1"),
    ]
}

fn no_question() -> Vec<Row> {
    let bytes = || solicitation().bytes();
    let all_routers = || "ff02::2".parse::<Ipv6Addr>().expect("an address");
    vec![
        forwarded("a probe for a duplicate is flooded", &Frame::duplicate_probe(A, IP6_B)),
        forwarded(
            "a probe with a nonce is flooded",
            &Frame::duplicate_probe(A, IP6_B).nd_option(NONCE, [7; 6]),
        ),
        forwarded("an announcement is flooded", &Frame::announcement(A, IP6_A)),
        forwarded(
            "an announcement of an address that the table has is flooded",
            &Frame::announcement(A, IP6_B),
        ),
        forwarded("a solicitation from its own target is flooded", &Frame::solicitation(A, IP6_B, IP6_B)),
        forwarded("a solicitation with a nonce is flooded", &solicitation().nd_option(NONCE, [7; 6])),
        forwarded(
            "an advertisement to a solicited-node group is flooded",
            &Frame::new(A, group_mac(solicited_node(IP6_B))).advertisement(IP6_A, solicited_node(IP6_B)),
        ),
        forwarded(
            "a solicitation to one station under a group's MAC address is flooded",
            &Frame::new(A, group_mac(solicited_node(IP6_B))).unicast_solicitation(IP6_A, IP6_B),
        ),
        forwarded(
            "a solicitation to another station's group is flooded",
            &Frame::new(A, group_mac(solicited_node(IP6_B)))
                .unicast_solicitation(IP6_A, IP6_B)
                .ipv6_to(solicited_node(IP6_A)),
        ),
        forwarded(
            "a solicitation to all routers is flooded",
            &Frame::new(A, group_mac(all_routers()))
                .unicast_solicitation(IP6_A, IP6_B)
                .ipv6_to(all_routers()),
        ),
        forwarded("a tagged solicitation is flooded", &solicitation().vlan(5)),
        forwarded(
            "a datagram to a solicited-node group is flooded",
            &Frame::new(A, group_mac(solicited_node(IP6_B))).ipv6(IP6_A, solicited_node(IP6_B)).udp(1, 2),
        ),
        forwarded(
            "a frame that is not IPv6 to a solicited-node group is flooded",
            &Frame::new(A, group_mac(solicited_node(IP6_B))),
        ),
        forwarded_bytes("a solicitation that a router forwarded is flooded", altered(HOP_LIMIT, 254, false)),
        forwarded_bytes("a solicitation of another code is flooded", altered(ICMP_CODE, 1, true)),
        forwarded_bytes("a solicitation of another type is flooded", altered(ICMP_TYPE, 133, true)),
        forwarded_bytes("a corrupt solicitation is flooded", altered(FLAGS, 1, false)),
        forwarded_bytes("a solicitation that is cut off is flooded", bytes()[..85].to_vec()),
        known("a solicitation with reserved bits set is answered as the standard says, which ignores them")
            .from_port_bytes("p1", altered(FLAGS, 0x80, true))
            .answered(&advertisement()),
        known("a solicitation with bytes behind the packet is answered, those and all")
            .from_port_bytes("p1", [bytes(), vec![0; 6]].concat())
            .answered_bytes([advertisement().bytes(), vec![0; 6]].concat()),
        known("a solicitation to its station alone is forwarded")
            .from_port("p1", &Frame::new(A, B).unicast_solicitation(IP6_A, IP6_B))
            .encapsulated(R1, Outer::to(R1, V)),
        known("an advertisement to its asker alone is forwarded")
            .from_port("p1", &Frame::new(A, B).advertisement(IP6_A, IP6_B))
            .encapsulated(R1, Outer::to(R1, V)),
        known("a solicitation to its station alone with a nonce is forwarded")
            .from_port("p1", &Frame::new(A, B).unicast_solicitation(IP6_A, IP6_B).nd_option(NONCE, [7; 6]))
            .encapsulated(R1, Outer::to(R1, V)),
    ]
}

pub(crate) fn rows() -> Vec<Row> {
    [answered(), not_known(), no_question()].concat()
}

#[test]
fn nd() {
    run_over_both(rows);
}
