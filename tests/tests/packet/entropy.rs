//! Entropy: which flows share a source port, and which do not.

use std::{collections::HashSet, net::Ipv4Addr};

use vxbpf::{dataplane::Df, netdev::IpVersion};
use vxbpf_tests::packet::{A, B, Bed, C, Frame, Given, Hook, IP_A, IP_B, R1, Row, V, outer_len, over};

fn udp(src: u16) -> Frame {
    Frame::new(A, B).ipv4(IP_A, IP_B).udp(src, 53)
}

fn ipv6(src: u16) -> Frame {
    Frame::new(A, B).ipv6(IP_A.to_ipv6_mapped(), IP_B.to_ipv6_mapped()).tcp(src, 80)
}

/// The outer packet of a frame from `p1` to B, who is behind a remote.
fn encapsulated(bed: &mut Bed, hook: Hook, frame: &Frame) -> Vec<u8> {
    bed.outcome(hook, &Row::new("entropy").station_at(B, R1).from_port("p1", frame))
        .expect("a test run")
        .frame
}

/// Behind the IP header, which UDP and VXLAN follow.
fn srcport(packet: &[u8]) -> u16 {
    let at = outer_len() - 16;
    let port = packet.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
    u16::from_be_bytes(port.expect("an outer packet"))
}

#[test]
fn a_flow_has_the_same_port_over_both_versions() {
    let frames = [udp(1), udp(2).vlan(5), ipv6(6), Frame::new(A, B), Frame::new(A, B).arp_reply(IP_A, IP_B)];
    Bed::with(|bed| {
        for (number, frame) in frames.iter().enumerate() {
            for hook in [Hook::Tc, Hook::Xdp] {
                let [v4, v6] = [IpVersion::V4, IpVersion::V6]
                    .map(|version| over(version, || srcport(&encapsulated(bed, hook, frame))));
                assert!(v4 >= 49152, "RFC 6335 section 6");
                assert_eq!(v4, v6, "frame {number} in {hook:?}");
            }
        }
    })
    .expect("a test bed");
}

#[test]
fn both_hooks_give_a_flow_the_same_port() {
    let frames = [
        udp(1),
        udp(1).options(),
        udp(2).vlan(5),
        udp(3).service_vlan(7).vlan(5),
        udp(4).first_fragment(),
        udp(4).last_fragment(),
        Frame::new(A, B).ipv4(IP_A, IP_B),
        Frame::new(A, B).ipv4(IP_A, IP_B).tcp(5, 80),
        ipv6(6),
        ipv6(6).vlan(5),
        ipv6(6).service_vlan(7).vlan(5),
        ipv6(6).service_vlan(7).service_vlan(5),
        udp(3).service_vlan(7).vlan(5).vlan(6),
        Frame::new(A, B),
        Frame::new(A, B).arp_reply(IP_A, IP_B),
    ];
    Bed::with(|bed| {
        for (number, frame) in frames.iter().enumerate() {
            let [tc, xdp] = [Hook::Tc, Hook::Xdp].map(|hook| encapsulated(bed, hook, frame));
            assert!(srcport(&tc) >= 49152, "RFC 6335 section 6");
            assert_eq!(tc, xdp, "frame {number}");
        }
    })
    .expect("a test bed");
}

#[test]
fn what_belongs_together_takes_the_same_way() {
    let together = [
        ("fragments of a packet", udp(4).first_fragment(), udp(4).last_fragment()),
        ("a packet with and without a tag", udp(5), udp(5).vlan(9)),
        ("a packet with one and with two tags", udp(5).vlan(9), udp(5).service_vlan(7).vlan(9)),
        ("packets of a flow with different TOS, TTL, length", udp(6), udp(6).tos(3).ttl(1).payload([1; 99])),
        ("an IPv6 packet with and without a tag", ipv6(7), ipv6(7).vlan(9)),
        ("frames of two stations that are not IP", Frame::new(A, B), Frame::new(A, B).payload([1; 99])),
    ];
    Bed::with(|bed| {
        for (what, one, other) in &together {
            let [one, other] = [one, other].map(|frame| srcport(&encapsulated(bed, Hook::Tc, frame)));
            assert_eq!(one, other, "{what}");
        }
    })
    .expect("a test bed");
}

#[test]
fn different_flows_take_different_ways() {
    let another = Ipv4Addr::new(10, 1, 0, 99);
    let frames = [
        udp(1),
        udp(2),
        Frame::new(A, B).ipv4(IP_A, IP_B).tcp(1, 53),
        Frame::new(A, B).ipv4(IP_B, IP_A).udp(1, 53),
        Frame::new(A, B).ipv4(another, IP_B).udp(1, 53),
        Frame::new(A, B).ipv4(IP_A, another).udp(1, 53),
        Frame::new(A, B).ipv4(IP_A, IP_B).udp(53, 1),
        ipv6(1),
        ipv6(2),
        Frame::new(A, B),
        Frame::new(C, B),
    ];
    Bed::with(|bed| {
        let ports: HashSet<_> =
            frames.iter().map(|frame| srcport(&encapsulated(bed, Hook::Tc, frame))).collect();
        assert_eq!(ports.len(), frames.len(), "of these no two collide, and the hash has no secret");
    })
    .expect("a test bed");
}

#[test]
fn packets_that_may_be_fragmented_have_identifications_of_their_own() {
    let row =
        Row::new("identification").given(Given::df(Df::Unset)).station_at(B, R1).from_port("p1", &udp(1));
    Bed::with(|bed| {
        for hook in [Hook::Tc, Hook::Xdp] {
            let id = |packet: &[u8]| packet.get(18..20).map(<[u8]>::to_vec).expect("an outer packet");
            let ids: HashSet<_> =
                (0..8).map(|_| id(&bed.outcome(hook, &row).expect("a test run").frame)).collect();
            // Eight random numbers of 16 bits hardly ever are fewer than seven.
            assert!(ids.len() >= 7, "{ids:?} in VNI {V}");
        }
    })
    .expect("a test bed");
}
