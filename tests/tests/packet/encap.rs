//! From a port to a remote.

use vxbpf::dataplane::{Df, Tos, Ttl};
use vxbpf_common::{DropReason, instance::Errand};
use vxbpf_tests::packet::{
    A, B, Frame, Given, IP_A, IP_B, Outer, R1, R2, Row, SILENT, UNDERLAY, UNREACHABLE, V, Xdp, run_over_both,
};

/// A datagram from A to B.
fn datagram() -> Frame {
    Frame::new(A, B).ipv4(IP_A, IP_B).udp(1000, 2000)
}

fn ipv6() -> Frame {
    Frame::new(A, B).ipv6(IP_A.to_ipv6_mapped(), IP_B.to_ipv6_mapped()).tcp(1000, 2000)
}

fn ethertypes() -> Vec<Row> {
    let frames = [
        ("an IPv4 datagram", datagram()),
        ("an IPv4 packet of an unknown protocol", Frame::new(A, B).ipv4(IP_A, IP_B)),
        ("an IPv4 packet with options", datagram().options()),
        ("a TCP segment over IPv4", Frame::new(A, B).ipv4(IP_A, IP_B).tcp(1000, 2000)),
        ("the first fragment of an IPv4 packet", datagram().first_fragment()),
        ("the last fragment of an IPv4 packet", datagram().last_fragment()),
        ("a TCP segment over IPv6", ipv6()),
        (
            "an IPv6 packet of an unknown protocol",
            Frame::new(A, B).ipv6(IP_A.to_ipv6_mapped(), IP_B.to_ipv6_mapped()),
        ),
        ("an ARP reply", Frame::new(A, B).arp_reply(IP_A, IP_B)),
        ("a unicast ARP request", Frame::new(A, B).arp_request(IP_A, IP_B)),
        ("a frame of an unknown ethertype", Frame::new(A, B)),
        ("a frame without payload", Frame::new(A, B).payload([])),
        ("an IPv4 datagram in a VLAN", datagram().vlan(5)),
        ("an IPv6 packet in a VLAN", ipv6().vlan(5)),
        ("an IPv4 datagram in two VLANs", datagram().service_vlan(7).vlan(5)),
        ("a frame of an unknown ethertype in a VLAN", Frame::new(A, B).vlan(5)),
        ("a frame with an 802.3 length", Frame::new(A, B).payload([0; 46])),
    ];
    frames
        .into_iter()
        .map(|(what, frame)| {
            Row::new(format!("{what} for a station behind a remote is encapsulated"))
                .station_at(B, R1)
                .from_port("p1", &frame)
                .encapsulated(R1, Outer::to(R1, V))
                .learns()
        })
        .collect()
}

/// A frame that ends anywhere is still a frame.
fn truncated() -> Vec<Row> {
    let frames = [
        ("IPv4", datagram().options()),
        ("IPv6", ipv6()),
        ("double-tagged", datagram().service_vlan(7).vlan(5)),
    ];
    let cut = |(what, frame): (&'static str, Frame)| {
        let bytes = frame.bytes();
        // The least that TC's test run takes.
        let least = match what {
            "IPv4" => 34,
            "IPv6" => 54,
            _ => 14,
        };
        (14..bytes.len().min(80)).map(move |len| {
            let xdp = if len < least { Xdp::Only } else { Xdp::Same };
            Row::new(format!("an {what} frame cut to {len} bytes is encapsulated as it is"))
                .station_at(B, R1)
                .from_port_bytes("p1", bytes.iter().take(len).copied().collect())
                .xdp(xdp)
                .encapsulated(R1, Outer::to(R1, V))
        })
    };
    frames.into_iter().flat_map(cut).collect()
}

/// What the outer header takes from options and from the inner packet.
fn options() -> Vec<Row> {
    let row = |name: &str, given: Given, frame: Frame, outer: Outer| {
        Row::new(name).given(given).station_at(B, R1).from_port("p1", &frame).encapsulated(R1, outer)
    };
    let outer = || Outer::to(R1, V);
    vec![
        row("a TTL option is the outer TTL", Given::ttl(Ttl::Fixed(3)), datagram(), outer().ttl(3)),
        row(
            "an inherited TTL is that of the inner IPv4 packet",
            Given::ttl(Ttl::Inherit),
            datagram().ttl(9),
            outer().ttl(9),
        ),
        row(
            "an inherited TTL is the inner IPv6 hop limit",
            Given::ttl(Ttl::Inherit),
            ipv6().ttl(8),
            outer().ttl(8),
        ),
        row(
            "an inherited TTL is found behind a VLAN tag",
            Given::ttl(Ttl::Inherit),
            datagram().ttl(9).vlan(5),
            outer().ttl(9),
        ),
        row(
            "an inherited TTL of a frame that is not IP is 64",
            Given::ttl(Ttl::Inherit),
            Frame::new(A, B),
            outer().ttl(64),
        ),
        row(
            "a TOS option is the outer DSCP",
            Given::tos(Tos::Fixed(0xb8)),
            datagram().tos(0x28),
            outer().tos(0xb8),
        ),
        row(
            "the ECN bits of a TOS option do not count",
            Given::tos(Tos::Fixed(0xbb)),
            datagram().tos(0),
            outer().tos(0xb8),
        ),
        row(
            "an inherited TOS is that of the inner IPv4 packet",
            Given::tos(Tos::Inherit),
            datagram().tos(0x28),
            outer().tos(0x28),
        ),
        row(
            "an inherited TOS is the inner IPv6 traffic class",
            Given::tos(Tos::Inherit),
            ipv6().tos(0x5c),
            outer().tos(0x5c),
        ),
        row(
            "an inherited TOS of a frame that is not IP is zero",
            Given::tos(Tos::Inherit),
            Frame::new(A, B),
            outer().tos(0),
        ),
        row(
            "DF is set though the inner packet has none",
            Given::df(Df::Set),
            datagram().df(false),
            outer().df(true),
        ),
        row("DF can be unset", Given::df(Df::Unset), datagram().df(true), outer().df(false)),
        row(
            "DF is inherited from an IPv4 packet that has it",
            Given::df(Df::Inherit),
            datagram().df(true),
            outer().df(true),
        ),
        row(
            "DF is inherited from an IPv4 packet that has none",
            Given::df(Df::Inherit),
            datagram().df(false),
            outer().df(false),
        ),
        row("DF is inherited as set from IPv6", Given::df(Df::Inherit), ipv6(), outer().df(true)),
        row(
            "DF is inherited as unset from a frame that is not IP",
            Given::df(Df::Inherit),
            Frame::new(A, B),
            outer().df(false),
        ),
        row("an inherited TTL of zero is 64", Given::ttl(Ttl::Inherit), datagram().ttl(0), outer().ttl(64)),
    ]
}

/// The same behind VLAN tags, all at once.
fn inherited_behind_tags() -> Vec<Row> {
    type Tagged = fn(Frame) -> Frame;
    let tags: [(&str, Tagged); 5] = [
        ("a tag", |frame| frame.vlan(5)),
        ("a service tag", |frame| frame.service_vlan(7)),
        ("two tags", |frame| frame.service_vlan(7).vlan(5)),
        ("two service tags", |frame| frame.service_vlan(7).service_vlan(5)),
        ("three tags", |frame| frame.service_vlan(7).vlan(5).vlan(6)),
    ];
    let frames = [
        ("IPv4 with DF", datagram().tos(0x29).ttl(9), (0x29, 9, true)),
        ("IPv4 without DF", datagram().tos(0x28).ttl(8).df(false), (0x28, 8, false)),
        ("IPv6", ipv6().tos(0x5e).ttl(7), (0x5e, 7, true)),
        ("anything else", Frame::new(A, B), (0, 64, false)),
    ];
    let row = |(number, tag): (&str, Tagged), (what, frame, (tos, ttl, df)): &(_, Frame, _)| {
        Row::new(format!("TOS, TTL and DF are inherited behind {number} from {what}"))
            .given(Given::tos(Tos::Inherit))
            .given(Given::ttl(Ttl::Inherit))
            .given(Given::df(Df::Inherit))
            .station_at(B, R1)
            .from_port("p1", &tag(frame.clone()))
            .encapsulated(R1, Outer::to(R1, V).tos(*tos).ttl(*ttl).df(*df))
    };
    tags.into_iter().flat_map(|tag| frames.iter().map(move |frame| row(tag, frame))).collect()
}

/// RFC 6040 section 4.1, normal mode.
fn ecn() -> Vec<Row> {
    let row = |family: &str, frame: Frame, ecn: u8| {
        Row::new(format!("the ECN field {ecn:02b} of an inner {family} packet is copied"))
            .station_at(B, R1)
            .from_port("p1", &frame.tos(0xb8 | ecn))
            .encapsulated(R1, Outer::to(R1, V).tos(ecn))
    };
    (0..4).flat_map(|ecn| [row("IPv4", datagram(), ecn), row("IPv6", ipv6(), ecn)]).collect()
}

fn ways() -> Vec<Row> {
    vec![
        Row::new("an FDB entry's VNI and UDP port are those on the wire, and we count in ours")
            .station_in(B, R1, 0x12_3456, 8472)
            .from_port("p1", &datagram())
            .encapsulated(R1, Outer::to(R1, 0x12_3456).dstport(8472)),
        Row::new("of two remotes the one of the FDB entry gets the frame")
            .station_at(B, R2)
            .flood_to(R1)
            .from_port("p1", &datagram())
            .encapsulated(R2, Outer::to(R2, V)),
        Row::new("a port in mode tc encapsulates")
            .station_at(B, R1)
            .from_port("t1", &datagram())
            .xdp(Xdp::None)
            .encapsulated(R1, Outer::to(R1, V)),
        Row::new("an IP packet whose next hop has no neighbour yet goes to the kernel's resolution")
            .station_at(B, SILENT)
            .from_port("p1", &datagram())
            .xdp(Xdp::Passes)
            .encapsulated(SILENT, Outer::to(SILENT, V).without_macs()),
        Row::new("a frame that is not IP waits for a neighbour at the helper device, marked as ours")
            .station_at(B, SILENT)
            .from_port("p1", &Frame::new(A, B).arp_reply(IP_A, IP_B))
            .xdp(Xdp::Passes)
            .encapsulated(SILENT, Outer::to(SILENT, V).without_macs())
            .marked(Errand::Resolve.mark()),
        Row::new("a tagged frame waits for a neighbour at the helper device, marked as ours")
            .station_at(B, SILENT)
            .from_port("p1", &datagram().vlan(5))
            .xdp(Xdp::Passes)
            .encapsulated(SILENT, Outer::to(SILENT, V).without_macs())
            .marked(Errand::Resolve.mark()),
        Row::new("a frame that is due to show the kernel that we use a neighbour is left to TC")
            .given(Given::Due(R1))
            .station_at(B, R1)
            .from_port("p1", &datagram())
            .xdp(Xdp::Passes)
            .encapsulated(R1, Outer::to(R1, V)),
        Row::new("after the frame that was due, frames go their short way again")
            .given(Given::Due(R1))
            .station_at(B, R1)
            .heard_on("p1", &datagram())
            .from_port("p1", &datagram())
            .encapsulated(R1, Outer::to(R1, V)),
        Row::new("a frame that is not IP leaves its turn to the next")
            .given(Given::Due(R1))
            .station_at(B, R1)
            .from_port("p1", &Frame::new(A, B))
            .xdp(Xdp::Passes)
            .encapsulated(R1, Outer::to(R1, V)),
        Row::new("a frame for a remote without a route is dropped, by TC")
            .station_at(B, UNREACHABLE)
            .from_port("p1", &datagram())
            .xdp(Xdp::Passes)
            .dropped(DropReason::NoRoute),
        Row::new("an IPv4 GSO frame that the kernel cannot encapsulate is dropped")
            .station_at(B, R1)
            .from_port("p1", &datagram())
            .gso(100)
            .dropped(DropReason::EncapFailed),
        Row::new("a GSO frame that is not IP is dropped")
            .station_at(B, R1)
            .from_port("p1", &Frame::new(A, B))
            .gso(100)
            .dropped(DropReason::EncapFailed),
        Row::new("a frame from an interface that is no port passes")
            .from_port(UNDERLAY, &datagram())
            .passes()
            .then_unknown(A),
    ]
}

pub(crate) fn rows() -> Vec<Row> {
    [ethertypes(), options(), inherited_behind_tags(), ecn(), ways(), truncated()].concat()
}

#[test]
fn encap() {
    run_over_both(rows);
}
