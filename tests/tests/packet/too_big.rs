//! Packets that do not fit where they are to go: the sender is told.

use std::net::{Ipv4Addr, Ipv6Addr};

use vxbpf::dataplane::Df;
use vxbpf_common::DropReason::TooBig;
use vxbpf_tests::packet::{
    A, B, BROADCAST, Event, Frame, Given, IP_A, IP_B, Outer, R1, Row, SILENT, SIZES, UNDERLAY_MTU, V, Xdp,
    fragmentation_needed, longest_frame, outer_len, packet_too_big, port_mtu, run_over_both,
};

/// The longest inner packet that fits the underlay.
fn mtu() -> u16 {
    UNDERLAY_MTU - u16::try_from(outer_len()).expect("short")
}

const V6_A: Ipv6Addr = Ipv6Addr::new(0xfd12, 0, 0, 0, 0, 0, 0, 0xa);
const V6_B: Ipv6Addr = Ipv6Addr::new(0xfd12, 0, 0, 0, 0, 0, 0, 0xb);

fn datagram() -> Frame {
    Frame::new(A, B).ipv4(IP_A, IP_B).udp(1000, 2000).df(true)
}

fn ipv6() -> Frame {
    Frame::new(A, B).ipv6(V6_A, V6_B).tcp(1000, 2000)
}

/// Towards a remote; [`longest_frame`] bytes fit.
fn out(name: impl Into<String>, frame: impl Into<Vec<u8>>) -> Row {
    Row::new(name).station_at(B, R1).from_port_bytes("p1", frame.into())
}

/// A frame that is dropped by TC after XDP passed it, and answered.
fn answered4(row: Row, frame: &[u8], mtu: u16) -> Row {
    row.xdp(Xdp::Passes).dropped(TooBig).told(fragmentation_needed(frame, mtu))
}

fn answered6(row: Row, frame: &[u8], mtu: u16) -> Row {
    row.xdp(Xdp::Passes).dropped(TooBig).told(packet_too_big(frame, mtu.into()))
}

fn to_remotes() -> Vec<Row> {
    let frames = [
        ("a datagram that may not be fragmented", datagram()),
        ("a datagram that may be fragmented", datagram().df(false)),
        ("a TCP segment", Frame::new(A, B).ipv4(IP_A, IP_B).tcp(1, 2)),
        ("a packet of a protocol that nobody knows", Frame::new(A, B).ipv4(IP_A, IP_B)),
        ("a packet with options", datagram().options()),
        ("the first fragment of a packet", datagram().df(false).first_fragment()),
        ("a packet that is near its end", datagram().ttl(1)),
        ("a packet of the highest class", datagram().tos(0xff)),
    ];
    let mut rows = Vec::new();
    for (what, frame) in frames {
        rows.push(
            out(
                format!("{what} that just fits the underlay is encapsulated"),
                frame.clone().padded_to(longest_frame()).bytes(),
            )
            .encapsulated(R1, Outer::to(R1, V).tos(frame_ecn(what))),
        );
        for len in [longest_frame() + 1, 2500, 3300] {
            let frame = frame.clone().padded_to(len).bytes();
            let name = format!("{what} in a frame of {len} bytes is dropped, and its sender told");
            rows.push(answered4(out(name, frame.clone()), &frame, mtu()).learns());
        }
    }
    for (what, frame) in
        [("a TCP segment", ipv6()), ("a datagram", Frame::new(A, B).ipv6(V6_A, V6_B).udp(1, 2))]
    {
        rows.push(
            out(
                format!("{what} over IPv6 that just fits is encapsulated"),
                frame.clone().padded_to(longest_frame()).bytes(),
            )
            .encapsulated(R1, Outer::to(R1, V)),
        );
        for len in [longest_frame() + 1, 3300] {
            let frame = frame.clone().padded_to(len).bytes();
            let name = format!("{what} over IPv6 in a frame of {len} bytes is dropped, and its sender told");
            rows.push(answered6(out(name, frame.clone()), &frame, mtu()).learns());
        }
    }
    let frame = datagram().padded_to(longest_frame() + 1).bytes();
    rows.push(answered4(
        out("a packet is too big though the outer packet may be fragmented", frame.clone())
            .given(Given::df(Df::Unset)),
        &frame,
        mtu(),
    ));
    rows.push(answered4(
        Row::new("of a next hop without a neighbour the interface's MTU counts")
            .station_at(B, SILENT)
            .from_port_bytes("p1", frame.clone()),
        &frame,
        mtu(),
    ));
    rows.push(
        answered4(out("user space is told of a packet that is too big", frame.clone()), &frame, mtu())
            .tells([Event::Learn(A), Event::Drop(A)]),
    );
    rows.push(
        answered4(
            Row::new("a port in mode tc is told").station_at(B, R1).from_port_bytes("t1", frame.clone()),
            &frame,
            mtu(),
        )
        .xdp(Xdp::None),
    );
    rows
}

/// The bits of ECN that the outer header copies.
fn frame_ecn(what: &str) -> u8 {
    if what == "a packet of the highest class" { 3 } else { 0 }
}

/// These are dropped without a word.
fn silent() -> Vec<Row> {
    let v4 = |src: [u8; 4], dst: [u8; 4]| {
        Frame::new(A, B).ipv4(Ipv4Addr::from(src), Ipv4Addr::from(dst)).udp(1, 2)
    };
    let v6 = |src: &str, dst: &str| {
        let addr = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
        Frame::new(A, B).ipv6(addr(src), addr(dst)).udp(1, 2)
    };
    let (a, b) = (IP_A.octets(), IP_B.octets());
    let frames = [
        ("a later fragment", datagram().df(false).last_fragment()),
        ("a frame that is not IP", Frame::new(A, B)),
        ("a packet in a VLAN", datagram().vlan(5)),
        ("an IPv6 packet in a VLAN", ipv6().vlan(5)),
        ("a packet from nobody", v4([0; 4], b)),
        ("a packet from a loopback address", v4([127, 0, 0, 1], b)),
        ("a packet from a group", v4([224, 0, 0, 1], b)),
        ("a packet from everybody", v4([255; 4], b)),
        ("a packet to a group in a unicast frame", v4(a, [239, 1, 1, 1])),
        ("a packet to everybody in a unicast frame", v4(a, [255; 4])),
        ("an IPv6 packet from nobody", v6("::", "fd12::b")),
        ("an IPv6 packet from a loopback address", v6("::1", "fd12::b")),
        ("an IPv6 packet from a group", v6("ff02::1", "fd12::b")),
        ("an IPv6 packet to a group in a unicast frame", v6("fd12::a", "ff02::1")),
    ];
    let mut rows: Vec<_> = frames
        .into_iter()
        .map(|(what, frame)| {
            let frame = frame.padded_to(longest_frame() + 1).bytes();
            out(format!("{what} is dropped, and nobody is told"), frame).xdp(Xdp::Passes).dropped(TooBig)
        })
        .collect();
    for (kind, error) in
        [(3, true), (4, true), (5, true), (11, true), (12, true), (0, false), (8, false), (13, false)]
    {
        let frame = with(&Frame::new(A, B).ipv4(IP_A, IP_B), &[(23, 1), (34, kind)]);
        rows.push(icmp("ICMP", kind, error, frame, |row, frame| answered4(row, frame, mtu())));
    }
    for (kind, error) in
        [(1, true), (2, true), (3, true), (4, true), (137, true), (128, false), (129, false), (135, false)]
    {
        let plain = Frame::new(A, B).ipv6(V6_A, V6_B);
        let told = |row, frame: &[u8]| answered6(row, frame, mtu());
        rows.push(icmp("ICMPv6", kind, error, with(&plain, &[(20, 58), (54, kind)]), told));
        let behind = [(20, 0), (54, 60), (55, 0), (62, 58), (63, 1), (78, kind)];
        rows.push(icmp("ICMPv6 behind options", kind, error, with(&plain, &behind), told));
        let fragment = [(20, 44), (54, 58), (56, 0), (57, 1), (62, kind)];
        rows.push(icmp("ICMPv6 in a first fragment", kind, error, with(&plain, &fragment), told));
    }
    for at in [(56, 1), (57, 8)] {
        let frame = with(&Frame::new(A, B).ipv6(V6_A, V6_B), &[(20, 44), (54, 17), (56, 0), (57, 0), at]);
        rows.push(
            out(format!("a later IPv6 fragment, byte {} not 0, is dropped, and nobody is told", at.0), frame)
                .xdp(Xdp::Passes)
                .dropped(TooBig),
        );
    }
    rows
}

/// A frame that is a byte too long, with other bytes at some places.
fn with(frame: &Frame, bytes: &[(usize, u8)]) -> Vec<u8> {
    let mut frame = frame.clone().padded_to(longest_frame() + 1).bytes();
    for (at, byte) in bytes {
        frame[*at] = *byte;
    }
    frame
}

fn icmp(what: &str, kind: u8, error: bool, frame: Vec<u8>, told: impl Fn(Row, &[u8]) -> Row) -> Row {
    if error {
        let name = format!("{what} error {kind} is not answered by another");
        return out(name, frame).xdp(Xdp::Passes).dropped(TooBig);
    }
    told(out(format!("{what} of type {kind}, no error, is answered"), frame.clone()), &frame)
}

/// From port to port.
fn to_ports() -> Vec<Row> {
    let to = |name: String, port: &str, frame: Vec<u8>| {
        Row::new(name).in_vni(SIZES).station_on(B, port).from_port_bytes("m3000", frame)
    };
    let mut rows = Vec::new();
    for port in ["m2000", "m1000"] {
        let mtu = usize::from(port_mtu(port));
        // As a bridge has it: a VLAN tag more does not count.
        let fits = datagram().padded_to(14 + mtu + 4).bytes();
        rows.push(to(format!("a packet that fits {port} is delivered"), port, fits).delivered(port));
        for frame in [datagram(), datagram().df(false)] {
            let frame = frame.padded_to(14 + mtu + 5).bytes();
            let df = frame[20] >> 6;
            let name = format!("a packet that does not fit {port} is dropped, and its sender told, DF {df}");
            rows.push(answered4(to(name, port, frame.clone()), &frame, port_mtu(port)).learns());
        }
    }
    let frame = ipv6().padded_to(2100).bytes();
    rows.push(answered6(
        to(
            "an IPv6 packet that does not fit a port is dropped, and its sender told".into(),
            "m2000",
            frame.clone(),
        ),
        &frame,
        2000,
    ));
    let dropped = |name: &str, port, frame: Frame| {
        to(name.into(), port, frame.bytes()).xdp(Xdp::Passes).dropped(TooBig)
    };
    rows.push(dropped("of an MTU that IPv6 does not have nobody is told", "m1000", ipv6().padded_to(1400)));
    rows.push(dropped(
        "of an MTU that hardly anybody has nobody is told",
        "m570",
        datagram().padded_to(1400),
    ));
    rows.push(dropped(
        "a tagged frame that does not fit a port is dropped",
        "m2000",
        datagram().vlan(5).padded_to(2019),
    ));
    rows.push(
        to(
            "a tagged frame may be longer by its tag".into(),
            "m2000",
            datagram().vlan(5).padded_to(2018).bytes(),
        )
        .delivered("m2000"),
    );
    rows.push(
        to(
            "a frame that is too long for the underlay may go to another port".into(),
            "m2000",
            datagram().padded_to(1900).bytes(),
        )
        .delivered("m2000"),
    );
    rows.push(
        Row::new("a frame from the underlay that does not fit a port is dropped, and nobody is told")
            .in_vni(SIZES)
            .given(Given::Allow(R1))
            .station_on(B, "m1000")
            .from_remote(R1, &datagram().padded_to(14 + 1000 + 5))
            .xdp(Xdp::Passes)
            .dropped(TooBig),
    );
    rows.push(
        Row::new("a frame from the underlay that fits a port is delivered")
            .in_vni(SIZES)
            .given(Given::Allow(R1))
            .station_on(B, "m1000")
            .from_remote(R1, &datagram().padded_to(14 + 1000 + 4))
            .delivered("m1000"),
    );
    rows.push(
        Row::new("a GSO frame is as long as its segments")
            .in_vni(SIZES)
            .station_on(B, "m1000")
            .from_port("m3000", &Frame::new(A, B).ipv4(IP_A, IP_B).tcp(1, 2).padded_to(2500))
            .gso(960)
            .delivered("m1000"),
    );
    let frame = Frame::new(A, B).ipv4(IP_A, IP_B).tcp(1, 2).padded_to(2500).bytes();
    rows.push(
        answered4(
            to(
                "a GSO frame whose segments do not fit is dropped, and its sender told".into(),
                "m1000",
                frame.clone(),
            )
            .gso(970),
            &frame,
            1000,
        )
        .xdp(Xdp::None),
    );
    rows.push(
        Row::new("a broadcast that is too long for the underlay goes to the ports that it fits, unanswered")
            .flood_to(R1)
            .from_port(
                "p1",
                &Frame::new(A, BROADCAST).ipv4(IP_A, [255; 4].into()).padded_to(longest_frame() + 1),
            )
            .flooded()
            .copied_to("p2")
            .copied_to("t1")
            .copy_dropped(
                [vxbpf_tests::packet::Counter::Vni(V), vxbpf_tests::packet::Counter::Vtep(V, R1)],
                TooBig,
            ),
    );
    rows
}

pub(crate) fn rows() -> Vec<Row> {
    [to_remotes(), silent(), to_ports()].concat()
}

#[test]
fn too_big() {
    run_over_both(rows);
}
