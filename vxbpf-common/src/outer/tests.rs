//! What one end writes, the other understands; over both versions of IP.

use bytemuck::Zeroable as _;
use network_types::ip::Ipv4Hdr;
use proptest::prelude::*;

use super::*;
use crate::{checksum, instance::Instance};

const A: Mac = Mac::new([2, 0, 0, 0, 0, 1]);
const B: Mac = Mac::new([2, 0, 0, 0, 0, 2]);
const PORT: [u8; 2] = 4789u16.to_be_bytes();

fn instance() -> Instance {
    Instance {
        local4: Addr::v4([192, 168, 104, 2]),
        local6: Addr::v6(*b"\xfd\x00\x01\x04\0\0\0\0\0\0\0\0\0\0\0\x02"),
        ..Instance::zeroed()
    }
}

fn remote<O: Outer>() -> Addr {
    if O::IS_IPV6 {
        Addr::v6(*b"\xfd\x00\x01\x04\0\0\0\0\0\0\0\0\0\0\0\x03")
    } else {
        Addr::v4([192, 168, 104, 3])
    }
}

fn tunnel<O: Outer>() -> Tunnel {
    let remote = remote::<O>();
    let local = instance().local_for(remote);
    Tunnel { local, remote, dstport: PORT, vni: Vni::from_wire([0, 0, 42]) }
}

const MARKS: FlowMarks = FlowMarks { srcport: [0xc0, 0x01], id: [0; 2], ttl: 64, tos: 0, df: true };

fn outer<O: Outer>() -> O {
    O::new(&tunnel::<O>(), A, B, &MARKS, 100).expect("addresses of its version")
}

/// Also the other way round: what does not agree is seen.
fn understood<O: Outer>(vni: Vni, marks: &FlowMarks, inner: u32) {
    let outer =
        O::new(&Tunnel { vni, ..tunnel::<O>() }, A, B, marks, inner).expect("addresses of its version");
    assert!(outer.is_udp_to(PORT));
    assert!(!outer.is_udp_to([0, 1]));
    assert_eq!((outer.src(), outer.dst()), (instance().local_for(remote::<O>()), remote::<O>()));
    assert_eq!(outer.tos(), marks.tos);
    let len = inner + bytes::<O>();
    assert!(outer.lengths_agree(len) && outer.lengths_agree(len + 4));
    assert_eq!(outer.frame_len(), len);
    assert!(!outer.lengths_agree(len - 1));
    assert!(outer.vxlan_is_plain());
    assert_eq!(outer.vni(), vni);
}

/// The headers with some bits of their byte `at` flipped.
fn flipped<O: Outer + bytemuck::Pod>(at: usize, bits: u8) -> O {
    let mut outer: O = outer();
    bytemuck::bytes_of_mut(&mut outer)[at] ^= bits;
    outer
}

/// Where the IP header begins.
const IP: usize = 14;

proptest! {
    #[test]
    fn what_one_end_writes_the_other_accepts(
        inner in 14u32..65_400, tos: u8, ttl: u8, df: bool, id: [u8; 2], srcport: [u8; 2], vni: [u8; 3],
    ) {
        let vni = Vni::from_wire(vni);
        let marks = FlowMarks { tos, ttl, df, id, srcport };
        understood::<Outer4>(vni, &marks, inner);
        understood::<Outer6>(vni, &marks, inner);
    }

    #[test]
    fn the_ipv4_header_has_its_checksum(tos: u8, ttl: u8, df: bool, id: [u8; 2]) {
        let marks = FlowMarks { tos, ttl, df, id, ..MARKS };
        let outer = Outer4::new(&tunnel::<Outer4>(), A, B, &marks, 100).expect("addresses of its version");
        let [vihl, tos, t0, t1, i0, i1, f0, f1, ttl, proto, c0, c1, s0, s1, s2, s3, d0, d1, d2, d3] =
            *bytemuck::bytes_of(&outer)[IP..].first_chunk().expect("20 bytes");
        let ip = Ipv4Hdr {
            vihl, tos, tot_len: [t0, t1], id: [i0, i1], frags: [f0, f1], ttl, proto, check: [0; 2],
            src_addr: [s0, s1, s2, s3], dst_addr: [d0, d1, d2, d3],
        };
        prop_assert_eq!((vihl, tos, ttl, proto), (0x45, marks.tos, marks.ttl, IPPROTO_UDP));
        prop_assert_eq!((ip.tot_len, ip.id, f0 != 0), ([0, 136], id, df));
        prop_assert_eq!((ip.src_addr, ip.dst_addr), ([192, 168, 104, 2], [192, 168, 104, 3]));
        prop_assert_eq!(checksum::ipv4(&ip), [c0, c1]);
    }

    #[test]
    fn an_ipv4_fragment_is_never_ours(offset in 1u16..0x4000) {
        // More-fragments, or any offset: the 14 bits below DF. With the checksum that it then has.
        for (at, bits) in (IP + 6..).zip(offset.to_be_bytes()).filter(|(_, bits)| *bits != 0) {
            prop_assert!(!flipped4(at, bits).is_udp_to(PORT));
            prop_assert!(!flipped4(at, bits).is_like(&outer()));
        }
    }

    #[test]
    fn an_ipv4_header_with_a_flipped_bit_is_never_ours(bit in 0usize..160) {
        let broken: Outer4 = flipped(IP + bit / 8, 0x80u8 >> (bit % 8));
        prop_assert!(!broken.is_udp_to(PORT));
        prop_assert!(!broken.is_like(&outer()));
    }

    #[test]
    fn each_bit_of_the_vxlan_header_but_the_vni_is_checked(bit in (0usize..32).prop_union(56..64)) {
        let flip = 0x80u8 >> (bit % 8);
        prop_assert!(!flipped::<Outer4>(Outer4::LEN - 8 + bit / 8, flip).vxlan_is_plain());
        prop_assert!(!flipped::<Outer6>(Outer6::LEN - 8 + bit / 8, flip).vxlan_is_plain());
    }

    #[test]
    fn what_differs_from_packet_to_packet_makes_no_difference(
        inner in 14u32..65_400, tos: u8, ttl: u8, df: bool, id: [u8; 2], srcport: [u8; 2],
    ) {
        like_others::<Outer4>(&FlowMarks { tos, ttl, df, id, srcport }, inner);
        like_others::<Outer6>(&FlowMarks { tos, ttl, df, id, srcport }, inner);
    }
}

fn like_others<O: Outer>(marks: &FlowMarks, inner: u32) {
    let one = O::new(&tunnel::<O>(), B, A, marks, inner).expect("addresses of its version");
    assert!(one.is_like(&outer()) && outer::<O>().is_like(&one));
}

#[test]
fn packets_of_another_sender_address_port_or_vni_are_not_like_these() {
    unlike_others::<Outer4>(Addr::v4([192, 168, 104, 77]));
    unlike_others::<Outer6>(Addr::v6(*b"\xfd\x00\x01\x04\0\0\0\0\0\0\0\0\0\0\0\x77"));
}

fn unlike_others<O: Outer>(elsewhere: Addr) {
    let ours = tunnel::<O>();
    let others = [
        Tunnel { local: elsewhere, ..ours },
        Tunnel { remote: elsewhere, ..ours },
        Tunnel { dstport: [0, 1], ..ours },
        Tunnel { vni: Vni::from_wire([0, 1, 42]), ..ours },
    ];
    for tunnel in others {
        let one = O::new(&tunnel, A, B, &MARKS, 100).expect("addresses of its version");
        assert!(!one.is_like(&outer()), "{tunnel:?}");
    }
}

#[test]
fn a_bit_of_the_headers_that_is_looked_at_is_looked_at_in_what_is_like_them() {
    // Ethertype, version, next header; destination port; VXLAN header.
    let at = [(12, 0xff), (13, 0xff), (IP, 0xf0), (IP + 6, 0xff), (56, 0xff), (57, 0xff)];
    for (at, bits) in at.into_iter().chain((62..70).map(|at| (at, 0xff))) {
        for bit in (0..8).map(|bit| 1 << bit).filter(|bit| bits & bit != 0) {
            assert!(!flipped::<Outer6>(at, bit).is_like(&outer()), "{bit:#x} of byte {at}");
        }
    }
    for at in (12..14).chain(36..38).chain(42..50) {
        for bit in (0..8).map(|bit| 1 << bit) {
            assert!(!flipped::<Outer4>(at, bit).is_like(&outer()), "{bit:#x} of byte {at}");
        }
    }
}

#[test]
fn a_mapped_address_is_none_on_the_wire() {
    let mut six: Outer6 = outer();
    let mapped = Addr::v4([192, 168, 104, 3]).octets();
    bytemuck::bytes_of_mut(&mut six)[IP + 8..IP + 24].copy_from_slice(&mapped);
    assert_eq!(six.src(), Addr::v4([192, 168, 104, 3]));
    assert!(!six.is_udp_to(PORT));
}

/// Bits flipped, and the checksum that the header then has.
fn flipped4(at: usize, bits: u8) -> Outer4 {
    let mut outer: Outer4 = outer();
    let bytes = bytemuck::bytes_of_mut(&mut outer);
    let pair = at & !1;
    let old = [bytes[pair], bytes[pair + 1]];
    bytes[at] ^= bits;
    let new = [bytes[pair], bytes[pair + 1]];
    let [c0, c1] = checksum::replace([bytes[IP + 10], bytes[IP + 11]], old, new);
    (bytes[IP + 10], bytes[IP + 11]) = (c0, c1);
    outer
}

#[test]
fn options_and_extension_headers_are_for_the_kernel() {
    // A header of six words, IPv6 in a packet of IPv4, and TCP.
    for (at, bits) in [(IP, 0x45 ^ 0x46), (IP, 0x20), (IP + 9, IPPROTO_UDP ^ 6)] {
        assert!(!flipped4(at, bits).is_udp_to(PORT), "{bits:#x} of byte {at}");
        assert!(!flipped4(at, bits).is_like(&outer()), "{bits:#x} of byte {at}");
    }
    assert!(flipped4(IP + 1, 4).is_udp_to(PORT));
    // A fragment header.
    assert!(!flipped::<Outer6>(IP + 6, IPPROTO_UDP ^ 44).is_udp_to(PORT));
}

#[test]
fn there_are_no_headers_without_an_address_of_ours_or_of_the_other_version() {
    let no_v6 = Instance { local6: Addr::NONE, ..instance() };
    let no_v4 = Instance { local4: Addr::NONE, ..instance() };
    let to = |instance: &Instance, remote| Tunnel {
        local: instance.local_for(remote),
        remote,
        ..tunnel::<Outer4>()
    };
    assert!(Outer6::template(&to(&no_v6, remote::<Outer6>()), A, B).is_none());
    assert!(Outer4::template(&to(&no_v4, remote::<Outer4>()), A, B).is_none());
    assert!(Outer6::template(&tunnel::<Outer4>(), A, B).is_none());
    assert!(Outer4::template(&tunnel::<Outer6>(), A, B).is_none());
}
