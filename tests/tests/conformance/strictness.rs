//! Header strictness: which packets from the underlay are taken, and which are not.

use std::net::{Ipv4Addr, Ipv6Addr};

use vxbpf_common::Mac;
use vxbpf_tests::{
    packet::Frame,
    stage::{BROADCAST, Crafted, Place::Pod, Plan, Stage, Underlay, VNI, device},
};

use crate::behaviour::{Behaviour, Group};

pub(crate) const GROUP: Group = Group { title: "Header strictness", behaviours: BEHAVIOURS };

/// A station behind node 2.
const STATION: Mac = Mac::new([2, 0x42, 0, 0, 9, 9]);

/// Addresses that are nobody's, for inner packets.
const IPV4: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 51, 100, 1), Ipv4Addr::new(198, 51, 100, 2)];
const IPV6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2)];

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::new("a VXLAN header without its I flag, with any of the other 39 bits or with another VNI is dropped", bits)
        .differs("The same; a missing I flag is counted as an error of the VNI, which the kernel does not do.")
        .fails_if("`vxlan_is_plain` of `outer.rs` leaves the last byte out"),
    Behaviour::new("a packet that ends anywhere before its end, or around less than a frame, gives nothing", truncated)
        .fails_if("`least_len` of `decap.rs` asks for no whole IPv6 header"),
    Behaviour::new("a packet whose outer lengths are wrong gives nothing; what the link put behind a good one is taken off", lengths)
        .differs("Bytes between the ends of the UDP datagram and of its IP packet: dropped, and so is a UDP length of zero over IPv6; the kernel trims, and takes the zero for a jumbogram.")
        .fails_if("`lengths_agree` of `outer/v4.rs` or `v6.rs` lets a packet be 8 bytes longer than the frame"),
    Behaviour::new("a packet with outer IP options and one in fragments are taken, a lone fragment is not", options)
        .differs("Passed on to the host's kernel, which has nobody for the VNI; the kernel's driver accepts them.")
        .fails_if("`is_udp_to` of `outer/v4.rs` takes first fragments for whole datagrams"),
    Behaviour::new("a frame whose source is zero, a group or the node itself is dropped; a station's own that comes back moves it", sources)
        .plan(Plan::pods(&[2, 1]))
        .differs("Zero and groups are dropped like the kernel does; nodes have no MAC address of their own in a VNI, as the kernel's device has, whose own frames it drops. A station's own frame that comes back moves it, as with the kernel.")
        .fails_if("`learn.rs` takes group addresses for stations"),
];

/// A frame from behind node 2 for the first pod of node 1, which is known to be there.
fn frame(stage: &Stage) -> Frame {
    stage.frame(STATION, stage.pod(1, 1).mac)
}

fn ipv4(stage: &Stage) -> Frame {
    frame(stage).ipv4(IPV4[0], IPV4[1]).udp(1000, 2000)
}

/// Enters the first pod of node 1, so that what is for it is not flooded.
fn know(stage: &Stage) {
    stage.node_at(1).fdb_port(VNI, stage.pod(1, 1).mac, &stage.pod(1, 1).port);
}

/// A packet with nothing special.
fn good(stage: &Stage) -> Crafted {
    let frame = ipv4(stage).bytes();
    Crafted::new("a good packet", stage.outer(2, 1).around(&frame), Some(frame))
}

fn bits(stage: &mut Stage) {
    know(stage);
    let flipped = |bit: usize| {
        let packet = stage.outer(2, 1).flip(bit).around(&ipv4(stage).bytes());
        Crafted::new(format!("bit {bit}"), packet, None)
    };
    let mut all = vec![good(stage)];
    all.extend((0..64).map(flipped));
    all.push(good(stage));
    let node = stage.node_at(1);
    stage.assert_gives(&all);
    assert_eq!(node.rx_errors(VNI), if node.is_ours() { 40 } else { 39 });
    assert_eq!(node.drops("invalid_vxlan_header").unwrap_or(40), 40);
    assert_eq!(node.counters(VNI)[0], if node.is_ours() { 42 } else { 2 }, "received");
}

fn truncated(stage: &mut Stage) {
    know(stage);
    let outer = stage.outer(2, 1);
    let mut all = vec![good(stage)];
    for whole in [ipv4(stage).bytes(), frame(stage).vlan(5).bytes()] {
        let packet = outer.around(&whole);
        let cut = |len: usize| Crafted::new(format!("cut to {len}"), packet[..len].to_vec(), None);
        all.extend((14..packet.len()).map(cut));
    }
    let node = stage.node_at(1);
    let headers = outer.around(&[]).len();
    let cut =
        all.iter().filter(|crafted| crafted.gives.is_none() && crafted.packets[0].len() >= headers).count();
    // What the outer headers say is there. An inner IP header must be whole; other frames may end anywhere.
    let whole = [
        ("IPv4", frame(stage).ipv4(IPV4[0], IPV4[1]).payload([]).bytes()),
        ("IPv6", frame(stage).ipv6(IPV6[0], IPV6[1]).payload([]).bytes()),
        ("other", frame(stage).payload([]).bytes()),
    ];
    assert_eq!(whole.each_ref().map(|(_, bytes)| bytes.len()), [34, 54, 14]);
    for (what, whole) in &whole {
        let short = |len: usize| {
            let inner = whole[..len].to_vec();
            let gives = (len == whole.len()).then(|| inner.clone());
            Crafted::new(format!("around {len} bytes of {what}"), outer.around(&inner), gives)
        };
        all.extend((0..=whole.len()).map(short));
    }
    all.push(good(stage));
    stage.assert_gives(&all);
    assert_eq!(node.drops("invalid_outer_length").unwrap_or(cut as u64), cut as u64);
    assert_eq!(node.drops("inner_too_short").unwrap_or(34 + 54 + 14), 34 + 54 + 14);
}

fn lengths(stage: &mut Stage) {
    know(stage);
    let (ours, outer) = (stage.node_at(1).is_ours(), stage.outer(2, 1));
    let mut all = vec![good(stage)];
    let udp_len = i16::try_from(16 + frame(stage).bytes().len()).unwrap();
    let mut wrong = |what: &str, [ip, udp]: [i16; 2], gives: fn(Vec<u8>, usize) -> Option<Vec<u8>>| {
        let inner = frame(stage).bytes();
        let packet = outer.clone().ip_len_off(ip).udp_len_off(udp).around(&inner);
        let less = usize::from(udp.min(0).unsigned_abs());
        all.push(Crafted::new(format!("{what}: IP {ip:+}, UDP {udp:+}"), packet, gives(inner, less)));
    };
    for by in [1, 8, 200] {
        wrong("IP packet longer than the frame", [by, 0], |_, _| None);
        wrong("both longer than the frame", [by, by], |_, _| None);
        wrong("datagram longer than its IP packet", [0, by], |_, _| None);
    }
    for by in [-1, -8] {
        wrong("datagram longer than its IP packet", [by, 0], |_, _| None);
        // As if the link had padded it.
        wrong("both shorter than the frame", [by, by], |inner, less| {
            Some(inner[..inner.len() - less].to_vec())
        });
        let trimmed: fn(Vec<u8>, usize) -> Option<Vec<u8>> =
            if ours { |_, _| None } else { |inner, less| Some(inner[..inner.len() - less].to_vec()) };
        wrong("datagram shorter than its IP packet", [0, by], trimmed);
    }
    for len in [1, 7, 8, 15] {
        wrong("datagram shorter than its headers", [0, len - udp_len], |_, _| None);
    }
    let jumbo = !ours && stage.underlay == Underlay::V6;
    wrong("no datagram", [0, -udp_len], if jumbo { |inner, _| Some(inner) } else { |_, _| None });
    all.push(good(stage));
    stage.assert_gives(&all);
    let dropped = all.iter().filter(|crafted| crafted.gives.is_none()).count() as u64;
    assert_eq!(stage.node_at(1).drops("invalid_outer_length").unwrap_or(dropped), dropped);
}

fn options(stage: &mut Stage) {
    know(stage);
    let (ours, outer) = (stage.node_at(1).is_ours(), stage.outer(2, 1));
    let inner = [(); 4].map(|()| ipv4(stage).bytes());
    let taken = |frame: &Vec<u8>| (!ours).then(|| frame.clone());
    let [options, whole, first, last] = &inner;
    let [one, two] = outer.in_two_around(whole, 1);
    let [lost_last, _] = outer.in_two_around(first, 2);
    let [_, lost_first] = outer.in_two_around(last, 3);
    stage.assert_gives(&[
        good(stage),
        Crafted::new("options", outer.clone().options().around(options), taken(options)),
        Crafted { what: "two fragments".into(), packets: vec![one, two], gives: taken(whole) },
        good(stage),
    ]);
    stage.assert_gives(&[Crafted::new("a first fragment alone", lost_last, None), good(stage)]);
    stage.assert_gives(&[Crafted::new("a last fragment alone", lost_first, None), good(stage)]);
    if ours {
        let stats = stage.node_at(1).json("stats drops");
        let drops = stats["drops"].as_object().unwrap();
        assert!(drops.values().all(|count| *count == 0), "they are not ours to drop: {stats}");
    }
}

fn sources(stage: &mut Stage) {
    know(stage);
    let (node, outer, pod) = (stage.node_at(1), stage.outer(2, 1), stage.pod(1, 1).mac);
    let from = |what: &str, src: Mac, taken: bool| {
        let inner = stage.frame(src, pod).bytes();
        Crafted::new(what, outer.around(&inner), taken.then_some(inner))
    };
    // Of ours no interface is in the VNI but ports. The underlay's is a station like any other.
    let own = if node.is_ours() { node.mac_of("eth1") } else { node.mac_of(&device(VNI)) };
    stage.assert_gives(&[
        good(stage),
        from("zero", Mac::ZERO, false),
        from("a group", Mac::new([1, 0, 0x5e, 0, 0, 1]), false),
        from("a group of nobody", Mac::new([3, 0x42, 0, 0, 9, 9]), false),
        from("everybody", BROADCAST, false),
        from("the node's own", own, node.is_ours()),
        good(stage),
    ]);
    assert_eq!(node.drops("invalid_source_mac").unwrap_or(4), 4);
    // A station's own frame comes back, and it is there until it speaks again.
    let other = stage.pod(1, 2).mac;
    stage.send(1, 2, &stage.frame(other, BROADCAST), 1);
    stage.settle();
    stage.assert_gives(&[from("a station's", other, true)]);
    stage.assert_comes((1, 1), &stage.frame(pod, other), 10, &[stage.wire(1, 2)]);
    stage.send(1, 2, &stage.frame(other, BROADCAST), 1);
    stage.settle();
    stage.assert_comes((1, 1), &stage.frame(pod, other), 10, &[Pod(1, 2)]);
}
