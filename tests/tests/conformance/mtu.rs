//! MTU: what does not fit is never fragmented outside, and whoever sent it is told.

use std::{net::IpAddr, slice};

use vxbpf_tests::{
    packet::{Frame, fragmentation_needed, packet_too_big},
    stage::{BROADCAST, Place::Pod, Plan, Stage, Underlay, VNI},
    traffic::try_transfer_to,
    wait,
};

use crate::behaviour::{Behaviour, Group, Hooks};

pub(crate) const GROUP: Group = Group { title: "MTU", behaviours: BEHAVIOURS };

/// The underlay's MTU, and once it has dropped.
const MTU: u16 = 1500;
const LESS: u16 = 1400;

/// Sent of each packet.
const COUNT: usize = 10;

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::new(
        "a packet that does not fit is answered with the MTU that is left, also when that of the underlay drops later",
        followed,
    )
    .fails_if("a next hop's `LIFETIME` is a minute"),
    Behaviour::new("the answer to a packet with a VLAN tag has the tag", tagged)
        .hooks(Hooks::Tc)
        .differs("the kernel does not look behind tags, and tells nobody")
        .fails_if("`encap.rs` does not count the tag"),
    Behaviour::new("no outer packet is a fragment, whether the inner one may be fragmented or not", fragmented)
        .plan(Plan::pods(&[2, 1]))
        .differs("a packet without DF is dropped and its sender told, or the copy for a remote dropped; the kernel fragments the outer packet over IPv4, and drops it over IPv6")
        .fails_if("`flood.rs` does not ask for the MTU"),
    Behaviour::new("a packet that does not fit another port of the node is answered with its MTU", port)
        .plan(Plan::pods(&[2, 1]))
        .differs("the kernel's bridge drops it and tells nobody")
        .fails_if("`too_big.rs` lets a port have a byte more"),
    Behaviour::new("TCP with segmentation offload adapts to an underlay whose MTU drops, over IPv4 and IPv6", tcp)
        .hooks(Hooks::Tc)
        .fails_if("`encap.rs` does not look at the segments of GSO frames"),
    Behaviour::new("who adds a port is told what of its MTU does not fit, and again when the underlay's drops", said)
        .plan(Plan::pods(&[1]))
        .hooks(Hooks::Tc)
        .differs("the kernel says nothing")
        .fails_if("`dataplane/port.rs` keeps it to itself"),
];

/// What of an MTU of the underlay is left to pods.
fn left(stage: &Stage, mtu: u16) -> u16 {
    mtu - u16::try_from(stage.underlay.overhead()).unwrap()
}

/// IP packets of that length from pod 1.1 to another, that may not be fragmented, and the answers which say this MTU.
fn packets(stage: &Stage, to: (usize, usize), len: u16, mtu: u16) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (from, to) = (stage.pod(1, 1), stage.pod(to.0, to.1));
    // The kernel answers with the TTL of the packet, we with 64.
    let v4 = || Frame::new(from.mac, to.mac).ipv4(from.addr, to.addr).df(true).ttl(64);
    let v6 = || Frame::new(from.mac, to.mac).ipv6(from.addr6(), to.addr6()).ttl(64);
    let padded = |frame: Frame| frame.padded_to(14 + usize::from(len)).bytes();
    let v4 = [v4().udp(9, 9), v4().tcp(9, 9), v4()].map(padded);
    let v6 = [v6().udp(9, 9), v6().tcp(9, 9), v6()].map(padded);
    let answers4 = v4.each_ref().map(|frame| fragmentation_needed(frame, mtu));
    let answers6 = v6.each_ref().map(|frame| packet_too_big(frame, mtu.into()));
    ([v4, v6].concat(), [answers4, answers6].concat())
}

/// All know where the pods are.
fn introduce(stage: &Stage) {
    for (number, node) in (1..).zip(&stage.nodes) {
        for pod in 1..=node.pods.len() {
            stage.send(number, pod, &stage.frame(stage.pod(number, pod).mac, BROADCAST), 1);
        }
    }
    stage.settle();
}

#[track_caller]
fn set_underlay(stage: &Stage, mtu: u16) {
    for node in &stage.nodes {
        node.must(&format!("ip link set eth1 mtu {mtu}"));
    }
}

/// Waits until a packet of this length to pod 2.1 is answered, or until it is not.
#[track_caller]
fn wait_until(stage: &Stage, answered: bool, len: u16, mtu: u16) {
    let (frames, answers) = packets(stage, (2, 1), len, mtu);
    wait::expect("the underlay's MTU to be followed", wait::SOON, || {
        let watch = stage.watch();
        stage.pod(1, 1).send(&frames[..1]);
        watch.at(Pod(1, 1)).contains(&answers[0]) == answered
    });
}

/// Ten of each packet come to pod 2.1, and nobody is told anything.
#[track_caller]
fn fit(stage: &Stage, len: u16) {
    let watch = stage.watch();
    let (frames, _) = packets(stage, (2, 1), len, 0);
    send(stage, &frames);
    watch.assert_each(&frames, &[(Pod(2, 1), COUNT), (stage.wire(1, 2), COUNT)]);
}

/// Ten of each packet come nowhere, and pod 1.1 is told of each.
#[track_caller]
fn answered(stage: &Stage, to: (usize, usize), len: u16, mtu: u16) {
    let before = stage.node_at(1).drops("too_big");
    let watch = stage.watch();
    let (frames, answers) = packets(stage, to, len, mtu);
    send(stage, &frames);
    watch.assert_each(&answers, &[(Pod(1, 1), COUNT)]);
    watch.assert_each(&frames, &[]);
    let sent = (COUNT * frames.len()) as u64;
    assert_eq!(stage.node_at(1).drops("too_big"), before.map(|before| before + sent));
}

fn send(stage: &Stage, frames: &[Vec<u8>]) {
    for _ in 0..COUNT {
        stage.pod(1, 1).send(frames);
    }
}

fn followed(stage: &mut Stage) {
    introduce(stage);
    let [all, less] = [MTU, LESS].map(|mtu| left(stage, mtu));
    fit(stage, all);
    set_underlay(stage, LESS);
    wait_until(stage, true, all, less);
    fit(stage, less);
    answered(stage, (2, 1), less + 1, less);
    answered(stage, (2, 1), all, less);
    set_underlay(stage, MTU);
    wait_until(stage, false, all, less);
    fit(stage, all);
}

fn tagged(stage: &mut Stage) {
    introduce(stage);
    let [all, less] = [MTU, LESS].map(|mtu| left(stage, mtu));
    set_underlay(stage, LESS);
    wait_until(stage, true, all, less);
    let (frames, answers) = packets(stage, (2, 1), all, less - 4);
    let tagged = |frame: &Vec<u8>| [&frame[..12], &[0x81, 0, 0x60, 5], &frame[12..]].concat();
    let [frames, answers] = [frames, answers].map(|frames| frames.iter().map(tagged).collect::<Vec<_>>());
    let watch = stage.watch();
    send(stage, &frames);
    if stage.node_at(1).is_ours() {
        watch.assert_each(&answers, &[(Pod(1, 1), COUNT)]);
        watch.assert_each(&frames, &[]);
    } else {
        assert_eq!(watch.at(Pod(1, 1)), Vec::<Vec<u8>>::new());
    }
}

/// Packets that may be fragmented, one for a station and one for all, too long for the underlay.
fn fragmented(stage: &mut Stage) {
    introduce(stage);
    let [all, less] = [MTU, LESS].map(|mtu| left(stage, mtu));
    set_underlay(stage, LESS);
    wait_until(stage, true, all, less);
    let from = stage.pod(1, 1);
    let packet = |dst| Frame::new(from.mac, dst).ipv4(from.addr, [12, 12, 12, 255].into()).ttl(64).df(false);
    let packet = |dst| packet(dst).padded_to(14 + usize::from(all)).bytes();
    let [alone, everybody] = [packet(stage.pod(2, 1).mac), packet(BROADCAST)];
    let watch = stage.watch();
    send(stage, &[alone.clone(), everybody.clone()]);
    let fragments = || watch.sent_by(1).iter().filter(|packet| is_fragment(packet)).count();
    if stage.node_at(1).is_ours() {
        watch.assert_each(slice::from_ref(&alone), &[]);
        watch.assert_each(&[everybody], &[(Pod(1, 2), COUNT)]);
        watch.assert_each(&[fragmentation_needed(&alone, less)], &[(Pod(1, 1), COUNT)]);
        assert_eq!(fragments(), 0);
    } else {
        // Two of each, over IPv4; over IPv6 it drops them.
        let expected = if stage.underlay == Underlay::V4 { 4 * COUNT } else { 0 };
        assert_eq!(fragments(), expected);
    }
}

/// Whether an outer packet is a part of one.
fn is_fragment(packet: &[u8]) -> bool {
    const FRAGMENT: u8 = 44;
    match packet[12..] {
        [8, 0, ..] => u16::from_be_bytes([packet[20], packet[21]]) & 0x3fff != 0,
        [0x86, 0xdd, ..] => packet[20] == FRAGMENT,
        _ => false,
    }
}

/// Packets for another port of the node whose MTU is smaller, and from a remote to it.
fn port(stage: &mut Stage) {
    const SMALL: u16 = 1300;
    /// We let a VLAN tag more pass, which need not be there, as does a bridge without br_netfilter.
    const MOST: u16 = SMALL + 4;
    introduce(stage);
    let node = stage.node_at(1);
    node.must(&format!("ip link set veth2 mtu {SMALL}"));
    stage.pod(1, 2).must(&format!("ip link set eth0 mtu {}", SMALL + 4));
    let (fits, _) = packets(stage, (1, 2), SMALL, 0);
    let watch = stage.watch();
    send(stage, &fits);
    watch.assert_each(&fits, &[(Pod(1, 2), COUNT)]);
    if node.is_ours() {
        answered(stage, (1, 2), MOST + 1, SMALL);
    } else {
        let watch = stage.watch();
        let (frames, answers) = packets(stage, (1, 2), MOST + 1, SMALL);
        send(stage, &frames);
        watch.assert_each(&[frames, answers].concat(), &[]);
    }
    // Of what a remote sent nobody is told.
    let far = stage.pod(2, 1);
    let frame =
        Frame::new(far.mac, stage.pod(1, 2).mac).ipv4(far.addr, stage.pod(1, 2).addr).ttl(64).df(true);
    let frame = frame.padded_to(14 + usize::from(MOST) + 1).bytes();
    let watch = stage.watch();
    far.send(&vec![frame.clone(); COUNT]);
    watch.assert_each(slice::from_ref(&frame), &[(stage.wire(2, 1), COUNT)]);
    watch.assert_each(&[fragmentation_needed(&frame, SMALL)], &[]);
}

/// TCP with segments that the pods' kernels leave to others, in both families and ways.
fn tcp(stage: &mut Stage) {
    let stations = [stage.pod(1, 1), stage.pod(2, 1)];
    let [near, far] = stations;
    for station in stations {
        station.enable_ipv6();
    }
    for (from, to) in [(near, far), (far, near)] {
        for addr in [IpAddr::from(to.addr), to.addr6().into()] {
            try_transfer_to(&from.netns, &to.netns, addr, 1 << 20).unwrap();
        }
    }
    let before = stage.node_at(1).drops("too_big");
    set_underlay(stage, LESS);
    wait_until(stage, true, left(stage, MTU), left(stage, LESS));
    let watch = stage.watch();
    for (from, to) in [(near, far), (far, near)] {
        for addr in [IpAddr::from(to.addr), to.addr6().into()] {
            try_transfer_to(&from.netns, &to.netns, addr, 4 << 20).unwrap();
        }
    }
    // They ran into it before they adapted.
    let told = watch.at(Pod(1, 1)).iter().filter(|frame| is_answer(frame)).count();
    assert!(told >= 2);
    let dropped = stage.node_at(1).drops("too_big");
    assert!(dropped.zip(before).is_none_or(|(after, before)| after - before >= told as u64));
    assert_eq!(watch.sent_by(1).iter().filter(|packet| is_fragment(packet)).count(), 0);
}

/// Whether a frame says that a packet was too big.
fn is_answer(frame: &[u8]) -> bool {
    matches!(frame, [_, _, _, _, _, _, _, _, _, _, _, _, 8, 0, rest @ ..] if rest[9] == 1 && rest[20..22] == [3, 4])
        || matches!(frame, [_, _, _, _, _, _, _, _, _, _, _, _, 0x86, 0xdd, rest @ ..] if rest[6] == 58 && rest[40] == 2)
}

/// What is said of ports whose MTU does not fit.
fn said(stage: &mut Stage) {
    let [all, less] = [MTU, LESS].map(|mtu| left(stage, mtu));
    let node = stage.node_at(1);
    let add = |port: u16, pod: u16| {
        node.del_port("veth1");
        node.must(&format!("ip link set veth1 mtu {port}"));
        stage.pod(1, 1).must(&format!("ip link set eth0 mtu {pod}"));
        let said = node.try_add_port("veth1", VNI);
        assert!(said.is_ok(), "{said:?}");
        said.stderr
    };
    if !node.is_ours() {
        assert_eq!(add(MTU, MTU), "");
        return;
    }
    for (port, pod) in [(MTU, MTU), (MTU, all), (all, MTU)] {
        let said = add(port, pod);
        assert!(said.starts_with(&format!("warning: veth1 has MTU {port}, but ")), "{said}");
        let advice =
            format!("ip link set dev veth1 mtu {all}, and at its other end: ip link set dev eth0 mtu {all}");
        assert!(said.contains(&advice), "{said}");
    }
    for fits in [(all, all), (less, less - 100)] {
        assert_eq!(add(fits.0, fits.1), "");
    }
    add(all, all);
    node.must(&format!("ip link set eth1 mtu {LESS}"));
    let daemon = stage.nodes[0].host().daemon();
    daemon.wait_log(&format!("the MTU of the underlay interface eth1 is {LESS} now, was {MTU}"));
    daemon.wait_log(&format!("veth1 has MTU {all}, but no more than {less} fits the underlay's {LESS}"));
}
