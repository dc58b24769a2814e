//! From the underlay to a port.

use std::net::Ipv4Addr;

use vxbpf_common::DropReason;
use vxbpf_tests::packet::{
    A, B, BROADCAST, C, DSTPORT, EMPTY, FOREIGN, Frame, Given, IP_A, IP_B, ISOLATED, LOCAL, Outer, Program,
    R1, R2, Row, UNDERLAY, V, Xdp, outer_len, run_over_both, run_rows,
};

/// A datagram from A, behind a remote, to B, behind `p1`.
fn datagram() -> Frame {
    Frame::new(A, B).ipv4(IP_A, IP_B).udp(1000, 2000)
}

fn ipv6() -> Frame {
    Frame::new(A, B).ipv6(IP_A.to_ipv6_mapped(), IP_B.to_ipv6_mapped()).tcp(1000, 2000)
}

/// R1 may send, and B is behind `p1`.
fn known(name: impl Into<String>) -> Row {
    Row::new(name).given(Given::Allow(R1)).station_on(B, "p1")
}

fn ethertypes() -> Vec<Row> {
    let frames = [
        ("an IPv4 datagram", datagram()),
        ("an IPv4 packet of an unknown protocol", Frame::new(A, B).ipv4(IP_A, IP_B)),
        ("the last fragment of an inner IPv4 packet", datagram().last_fragment()),
        ("a TCP segment over IPv6", ipv6()),
        ("an ARP reply", Frame::new(A, B).arp_reply(IP_A, IP_B)),
        ("a unicast ARP request", Frame::new(A, B).arp_request(IP_A, IP_B)),
        ("a frame of an unknown ethertype", Frame::new(A, B)),
        ("a frame without payload", Frame::new(A, B).payload([])),
        ("a frame of 33 bytes", Frame::new(A, B).padded_to(33)),
        ("a frame of 34 bytes", Frame::new(A, B).padded_to(34)),
        ("an IPv4 datagram in a VLAN", datagram().vlan(5)),
        ("an IPv4 datagram in two VLANs", datagram().service_vlan(7).vlan(5)),
        ("a frame of 1400 bytes", datagram().padded_to(1400)),
    ];
    frames
        .into_iter()
        .map(|(what, frame)| {
            known(format!("{what} for a station behind a port is delivered as it was sent"))
                .from_remote(R1, &frame)
                .delivered("p1")
                .learns()
        })
        .collect()
}

/// RFC 6040 section 4.2, figure 4: by inner and outer field, what the station gets.
fn ecn() -> Vec<Row> {
    const NOT: u8 = 0b00;
    const ECT0: u8 = 0b10;
    const ECT1: u8 = 0b01;
    const CE: u8 = 0b11;
    let figure = [
        (NOT, [(NOT, Some(NOT)), (ECT0, Some(NOT)), (ECT1, Some(NOT)), (CE, None)]),
        (ECT0, [(NOT, Some(ECT0)), (ECT0, Some(ECT0)), (ECT1, Some(ECT1)), (CE, Some(CE))]),
        (ECT1, [(NOT, Some(ECT1)), (ECT0, Some(ECT1)), (ECT1, Some(ECT1)), (CE, Some(CE))]),
        (CE, [(NOT, Some(CE)), (ECT0, Some(CE)), (ECT1, Some(CE)), (CE, Some(CE))]),
    ];
    let words = |ecn: Option<u8>| ecn.map_or_else(|| "a drop".to_owned(), |ecn| format!("{ecn:02b}"));
    let row = |family: &str, frame: Frame, inner: u8, outer: u8, out: Option<u8>| {
        let packet = Outer::from(R1, V).tos(0x28 | outer).around(&frame.clone().tos(0xb8 | inner).bytes());
        let row =
            known(format!("outer ECN {outer:02b} on inner {inner:02b} of {family} gives {}", words(out)));
        let row = row.from_underlay(R1, packet);
        match out {
            // The DSCP stays the inner packet's, its checksum is right.
            Some(ecn) => row.delivered("p1").leaving(frame.tos(0xb8 | ecn).bytes()),
            None => row.dropped(DropReason::EcnNotCapable).then_unknown(A),
        }
    };
    let mut rows = Vec::new();
    let frames = [
        ("IPv4", datagram()),
        ("IPv6", ipv6()),
        ("IPv4 in a VLAN", datagram().vlan(4)),
        ("IPv6 in a VLAN", ipv6().vlan(4)),
        ("IPv4 in two VLANs", datagram().service_vlan(4).vlan(8)),
        ("IPv6 in two VLANs", ipv6().service_vlan(4).vlan(8)),
        ("IPv4 in three VLANs", datagram().service_vlan(4).vlan(8).vlan(12)),
    ];
    for (inner, columns) in figure {
        for (outer, out) in columns {
            rows.extend(frames.iter().map(|(what, frame)| row(what, frame.clone(), inner, outer, out)));
        }
    }
    let broadcast = Frame::new(A, BROADCAST).ipv4(IP_A, IP_B).udp(67, 68);
    let marked = |frame: &Frame| Outer::from(R1, V).tos(CE).around(&frame.bytes());
    rows.push(
        known("congestion on the way of a frame that is not IP is not its loss")
            .from_underlay(R1, marked(&Frame::new(A, B).arp_reply(IP_A, IP_B)))
            .delivered("p1"),
    );
    rows.push(
        known("congestion on the way of a broadcast arrives with all its copies")
            .from_underlay(R1, marked(&broadcast.clone().tos(ECT0)))
            .flooded()
            .copied_as("p1", &broadcast.clone().tos(CE))
            .copied_as("p2", &broadcast.clone().tos(CE))
            .copied_as("t1", &broadcast.tos(CE)),
    );
    rows.push(
        known("congestion on the way of a tagged frame that is not IP is not its loss")
            .from_underlay(R1, marked(&Frame::new(A, B).vlan(5)))
            .delivered("p1"),
    );
    rows
}

/// RFC 7348 section 5: the I flag, and 39 reserved bits that are zero (the VNI has the other 24).
fn vxlan_bits() -> Vec<Row> {
    let bits = (0..32).chain(56..64);
    let row = |bit: usize| {
        let what =
            if bit == 4 { "without its I flag".to_owned() } else { format!("with reserved bit {bit} set") };
        known(format!("a VXLAN header {what} is dropped"))
            .from_underlay(R1, Outer::from(R1, V).flip(bit).around(&datagram().bytes()))
            .dropped(DropReason::InvalidVxlanHeader)
            .then_unknown(A)
    };
    bits.map(row).collect()
}

/// A packet that ends anywhere: it is nobody's, or it is dropped, and nothing is made of it.
fn truncated() -> Vec<Row> {
    let whole = Outer::from(R1, V).around(&datagram().bytes());
    // The least that TC's test run takes: up to the end of the IP header.
    let least = outer_len() - 16;
    let cut = |len: usize| {
        let bytes = whole.iter().take(len).copied().collect();
        let row = known(format!("a packet cut to {len} bytes is not delivered")).from_underlay(R1, bytes);
        let row = if len < least { row.xdp(Xdp::Only) } else { row };
        if len < outer_len() { row.passes() } else { row.dropped(DropReason::InvalidOuterLength) }
            .then_unknown(A)
    };
    let inner_too_short = |len: usize| {
        let inner = datagram().bytes().iter().take(len).copied().collect::<Vec<_>>();
        known(format!("a packet around {len} bytes, too few for a frame, is dropped"))
            .from_underlay(R1, Outer::from(R1, V).around(&inner))
            .dropped(DropReason::InnerTooShort)
    };
    (14..whole.len()).map(cut).chain((0..14).map(inner_too_short)).collect()
}

/// An inner frame that ends within its IP header. One of another type may end anywhere.
fn runts() -> Vec<Row> {
    let least = [("IPv4", datagram(), 34), ("IPv6", ipv6(), 54)];
    let cut = |(family, frame, least): (&'static str, Frame, usize)| {
        let whole = frame.bytes();
        (14..=least).map(move |len| {
            let inner = whole.iter().take(len).copied().collect::<Vec<_>>();
            let row = known(format!("an inner {family} frame that ends after {len} bytes"));
            let row = row.from_underlay(R1, Outer::from(R1, V).around(&inner));
            if len < least {
                row.dropped(DropReason::InnerTooShort).then_unknown(A)
            } else {
                row.delivered("p1").learns()
            }
        })
    };
    let tagged = datagram().vlan(5).bytes();
    let any = (14..40).map(|len| {
        let inner = tagged.iter().take(len).copied().collect::<Vec<_>>();
        known(format!("a tagged frame that ends after {len} bytes is delivered as it is"))
            .from_underlay(R1, Outer::from(R1, V).around(&inner))
            .delivered("p1")
    });
    least.into_iter().flat_map(cut).chain(any).collect()
}

fn lengths() -> Vec<Row> {
    let row = |name: &str, outer: Outer| {
        known(name)
            .from_underlay(R1, outer.around(&datagram().bytes()))
            .dropped(DropReason::InvalidOuterLength)
    };
    let outer = || Outer::from(R1, V);
    vec![
        row("a UDP length that is a byte too long is dropped", outer().udp_len_off(1)),
        row("a UDP length that is a byte too short is dropped", outer().udp_len_off(-1)),
        row("an IP length that is a byte too long is dropped", outer().ip_len_off(1)),
        row("an IP length that is a byte too short is dropped", outer().ip_len_off(-1)),
        row("lengths that agree but are beyond the frame are dropped", outer().ip_len_off(1).udp_len_off(1)),
        known("a UDP length of nothing is dropped")
            .from_underlay(R1, outer().udp_len_off(-16).ip_len_off(-16).around(&[]))
            .dropped(DropReason::InvalidOuterLength),
    ]
}

/// What is for the kernel, or for somebody else: it passes untouched, and no counter moves.
fn not_ours() -> Vec<Row> {
    let row = |name: &str, outer: Outer| {
        known(name)
            .given(Given::any_vtep())
            .from_underlay(R1, outer.around(&datagram().bytes()))
            .passes()
            .then_unknown(A)
    };
    let outer = || Outer::from(R1, V);
    vec![
        row("a packet of another VNI passes", Outer::from(R1, FOREIGN)),
        row("a packet of VNI 0 passes", Outer::from(R1, 0)),
        row("a packet of the last VNI passes", Outer::from(R1, 0xff_ffff)),
        row("a packet to another UDP port passes", outer().dstport(DSTPORT + 1)),
        row("a packet to another address passes", outer().to_address(R2)),
        row("a packet to the broadcast address passes", outer().to_address(Ipv4Addr::BROADCAST)),
        row("a packet of another protocol passes", outer().protocol(6)),
        row("a packet that says it comes from us passes", Outer::from(LOCAL, V)),
        row("a packet from nowhere passes", Outer::from(Ipv4Addr::UNSPECIFIED, V)),
        row("a packet from the loopback passes", Outer::from(Ipv4Addr::LOCALHOST, V)),
        row("a packet from a group passes", Outer::from(Ipv4Addr::new(239, 1, 1, 1), V)),
        row("a packet from the broadcast address passes", Outer::from(Ipv4Addr::BROADCAST, V)),
        row("an outer packet with IP options passes", outer().options()),
        row("the first fragment of an outer packet passes", outer().first_fragment()),
        row("the last fragment of an outer packet passes", outer().last_fragment()),
        Row::new("an ARP request on the underlay passes")
            .from_underlay(R1, Frame::new(A, B).arp_request(IP_A, IP_B).bytes())
            .passes(),
        Row::new("a TCP segment on the underlay passes")
            .from_underlay(R1, Frame::new(A, B).ipv4(IP_A, IP_B).tcp(50000, 22).bytes())
            .passes(),
        Row::new("an IPv6 packet on the underlay passes").from_underlay(R1, ipv6().bytes()).passes(),
        Row::new("a VXLAN packet in a VLAN of the underlay passes")
            .given(Given::Allow(R1))
            .from_underlay(R1, in_vlan(&outer().around(&datagram().bytes())))
            .passes(),
    ]
}

/// What differs from packets whose way is remembered is looked at as if none had come before.
fn unlike_others() -> Vec<Row> {
    let outer = || Outer::from(R1, V);
    let heard =
        || Given::Heard(Program::FromUnderlay, UNDERLAY.to_owned(), outer().around(&datagram().bytes()));
    let after = |what: &str| known(format!("after a packet like it, {what}")).given(heard());
    let row = |what: &str, outer: Outer| after(what).from_underlay(R1, outer.around(&datagram().bytes()));
    let bits = (0..32).chain(56..64).map(|bit| {
        row(&format!("one with bit {bit} of the VXLAN header flipped is dropped"), outer().flip(bit))
            .dropped(DropReason::InvalidVxlanHeader)
    });
    let others = [
        row("one to another UDP port passes", outer().dstport(DSTPORT + 1)).passes(),
        row("one to another address passes", outer().to_address(R2)).passes(),
        row("one of another protocol passes", outer().protocol(6)).passes(),
        row("the first fragment of one passes", outer().first_fragment()).passes(),
        row("the last fragment of one passes", outer().last_fragment()).passes(),
        row("one whose lengths do not agree is dropped", outer().udp_len_off(1))
            .dropped(DropReason::InvalidOuterLength),
        after("one from a VTEP that may not send is dropped")
            .from_remote(R2, &datagram())
            .dropped(DropReason::VtepNotAllowed),
        row(
            "one with other marks and another source port is delivered",
            outer().tos(0xb8).ttl(3).id(7).srcport(9),
        )
        .delivered("p1"),
    ];
    bits.chain(others).collect()
}

/// A header of IPv4 whose checksum is wrong; IPv6 has none.
fn miscounted() -> Vec<Row> {
    let mut packet = Outer::from(R1, V).around(&datagram().bytes());
    let heard = Given::Heard(Program::FromUnderlay, UNDERLAY.to_owned(), packet.clone());
    packet[24] ^= 1;
    let row = known("an outer packet with a wrong IP checksum passes").given(Given::any_vtep());
    let after = known("after a packet like it, one with a wrong IP checksum passes");
    vec![
        row.from_underlay(R1, packet.clone()).passes().then_unknown(A),
        after.given(heard).from_underlay(R1, packet).passes(),
    ]
}

/// An Ethernet packet with a VLAN tag.
fn in_vlan(packet: &[u8]) -> Vec<u8> {
    let (addresses, rest) = packet.split_at(12);
    [addresses, &[0x81, 0, 0, 5], rest].concat()
}

/// The shortest frame that the kernel has to make longer for a while.
fn short() -> Frame {
    Frame::new(A, B).payload([])
}

/// Fields that senders may fill in as they like.
fn liberal() -> Vec<Row> {
    let padded = |name: &str, frame: Frame, by: usize| {
        let packet = Outer::from(R1, V).around(&frame.bytes());
        // Neither delivered nor counted: first the row without them.
        known(name)
            .from_underlay(R1, packet.clone())
            .delivered("p1")
            .from_underlay(R1, [packet, vec![0x5a; by]].concat())
            .learns()
    };
    let row = |name: &str, outer: Outer| {
        known(name).from_underlay(R1, outer.around(&datagram().bytes())).delivered("p1").learns()
    };
    let outer = || Outer::from(R1, V);
    vec![
        row("any source port will do", outer().srcport(1)),
        row("an outer packet that may be fragmented is delivered", outer().df(false).id(77)),
        row("an outer packet with a UDP checksum is delivered", outer().udp_checksum(0x1234)),
        row("an outer packet at the end of its life is delivered", outer().ttl(1)),
        row("the outer DSCP does not come in", outer().tos(0xb8)),
        padded("bytes behind the outer packet are taken off", datagram(), 4),
        padded("a single byte behind the outer packet is taken off", ipv6(), 1),
        padded("bytes behind a frame that is not IP are taken off", Frame::new(A, B), 46),
        padded("bytes behind a frame of little more than a header are taken off", short(), 46),
    ]
}

/// Who may send.
fn vteps() -> Vec<Row> {
    let frame = datagram();
    let row = |name: &str| Row::new(name).station_on(B, "p1");
    vec![
        row("a VTEP that nothing names is dropped")
            .from_remote(R1, &frame)
            .dropped(DropReason::VtepNotAllowed)
            .then_unknown(A),
        row("another VTEP's permission does not help")
            .given(Given::Allow(R2))
            .from_remote(R1, &frame)
            .dropped(DropReason::VtepNotAllowed),
        row("a VTEP that is known by another VNI only is dropped")
            .given(Given::AllowIn(ISOLATED, R1))
            .from_remote(R1, &frame)
            .dropped(DropReason::VtepNotAllowed),
        row("a VTEP that the FDB names is let in")
            .station_at(C, R1)
            .from_remote(R1, &frame)
            .delivered("p1")
            .learns(),
        row("a VTEP that the flood list names is let in")
            .flood_to(R1)
            .from_remote(R1, &frame)
            .delivered("p1")
            .learns(),
        row("a VTEP that is allowed is let in")
            .given(Given::Allow(R1))
            .from_remote(R1, &frame)
            .delivered("p1")
            .learns(),
        row("a VTEP that is denied is dropped though the FDB names it")
            .station_at(C, R1)
            .given(Given::Deny(R1))
            .from_remote(R1, &frame)
            .dropped(DropReason::VtepNotAllowed),
        row("with vtep-filter any a VTEP that nothing names is let in, and counted with the others")
            .given(Given::any_vtep())
            .from_remote(R1, &frame)
            .delivered("p1")
            .learns(),
        row("with vtep-filter any a VTEP that is denied is dropped")
            .given(Given::any_vtep())
            .given(Given::Deny(R1))
            .from_remote(R1, &frame)
            .dropped(DropReason::VtepNotAllowed),
    ]
}

fn destinations() -> Vec<Row> {
    vec![
        known("a port in mode tc is delivered to by TC")
            .station_on(C, "t1")
            .from_remote(R1, &Frame::new(A, C).ipv4(IP_A, IP_B))
            .xdp(Xdp::Passes)
            .delivered("t1")
            .learns(),
        Row::new("a station behind another remote is not reached over us")
            .given(Given::Allow(R1))
            .station_at(B, R2)
            .from_remote(R1, &datagram())
            .dropped(DropReason::SplitHorizon),
        Row::new("a station behind the same remote is not reached over us")
            .station_at(B, R1)
            .from_remote(R1, &datagram())
            .dropped(DropReason::SplitHorizon),
        Row::new("in a VNI without ports there is no destination")
            .in_vni(EMPTY)
            .given(Given::Allow(R1))
            .from_remote(R1, &datagram())
            .xdp(Xdp::Passes)
            .dropped(DropReason::NoDestination),
        known("a GSO packet that the kernel cannot decapsulate is dropped")
            .from_remote(R1, &datagram())
            .gso(100)
            .dropped(DropReason::DecapFailed),
    ]
}

pub(crate) fn rows() -> Vec<Row> {
    let tables = [
        ethertypes(),
        ecn(),
        vxlan_bits(),
        truncated(),
        runts(),
        lengths(),
        not_ours(),
        unlike_others(),
        liberal(),
        vteps(),
        destinations(),
    ];
    tables.concat()
}

#[test]
fn decap() {
    run_over_both(rows);
    run_rows(&miscounted());
}
