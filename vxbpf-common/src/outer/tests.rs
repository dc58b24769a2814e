//! What one end writes, the other understands; over both versions of IP.

use bytemuck::Zeroable as _;
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
    assert!(vxlan_is_plain(outer.vxlan()));
    assert_eq!(Vni::from_wire(outer.vxlan().vni), vni);
}

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
        let mut outer: Outer4 = outer();
        outer.complete(outer.address_sum(), &FlowMarks { tos, ttl, df, id, ..MARKS }, 100);
        let mut ip = outer.ip;
        ip.check = [0; 2];
        prop_assert_eq!(checksum::ipv4(&ip), outer.ip.check);
    }

    #[test]
    fn an_ipv4_fragment_is_never_ours(offset in 1u16..0x4000) {
        let mut outer: Outer4 = outer();
        // More-fragments, or any offset: the 14 bits below DF.
        outer.ip.frags = offset.to_be_bytes();
        prop_assert!(!outer.is_udp_to(PORT));
    }

    #[test]
    fn an_ipv4_header_with_a_flipped_bit_is_never_ours(bit in 0usize..160) {
        let mut outer: Outer4 = outer();
        let mut bytes = [0; 20];
        bytes[bit / 8] = 0x80u8 >> (bit % 8);
        let [vihl, tos, t0, t1, i0, i1, f0, f1, ttl, proto, c0, c1, s @ .., d0, d1, d2, d3] = bytes;
        let ip = &mut outer.ip;
        ip.vihl ^= vihl;
        ip.tos ^= tos;
        ip.ttl ^= ttl;
        ip.proto ^= proto;
        flip(&mut ip.tot_len, [t0, t1]);
        flip(&mut ip.id, [i0, i1]);
        flip(&mut ip.frags, [f0, f1]);
        flip(&mut ip.check, [c0, c1]);
        flip(&mut ip.src_addr, s);
        flip(&mut ip.dst_addr, [d0, d1, d2, d3]);
        prop_assert!(!outer.is_udp_to(PORT));
    }

    #[test]
    fn each_bit_of_the_vxlan_header_but_the_vni_is_checked(bit in (0usize..32).prop_union(56..64)) {
        let mut outer: Outer6 = outer();
        let flip = 0x80u8 >> (bit % 8);
        match bit / 8 {
            0 => outer.vxlan.flags ^= flip,
            i @ 1..=3 => outer.vxlan._reserved1[i - 1] ^= flip,
            _ => outer.vxlan._reserved2 ^= flip,
        }
        prop_assert!(!vxlan_is_plain(outer.vxlan()));
    }
}

fn flip<const N: usize>(field: &mut [u8; N], by: [u8; N]) {
    field.iter_mut().zip(by).for_each(|(field, by)| *field ^= by);
}

#[test]
fn a_mapped_address_is_none_on_the_wire() {
    let mut six: Outer6 = outer();
    six.ip.src_addr = Addr::v4([192, 168, 104, 3]).octets();
    assert!(!six.is_udp_to(PORT));
}

#[test]
fn options_and_extension_headers_are_for_the_kernel() {
    let mut four: Outer4 = outer();
    four.ip.vihl = 0x46;
    assert!(!four.is_udp_to(PORT));
    let mut six: Outer6 = outer();
    six.ip.next_hdr = 44; // a fragment header
    assert!(!six.is_udp_to(PORT));
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
