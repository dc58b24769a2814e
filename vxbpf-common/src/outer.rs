//! The outer headers: Ethernet, IPv4, UDP and VXLAN, as they are written and as they are checked.

use network_types::{
    eth::{EthHdr, EtherType},
    ip::Ipv4Hdr,
    udp::UdpHdr,
    vxlan::VxlanHdr,
};

use crate::{Addr, Mac, Vni, checksum};

/// Ethertype of IPv4 as the field of an [`EthHdr`] holds it (network order, native integer).
pub const ETH_IPV4: u16 = EtherType::Ipv4 as u16;
/// IP protocol number of UDP.
pub const IPPROTO_UDP: u8 = 17;
/// The VXLAN flags byte with nothing but the I flag (RFC 7348 section 5).
pub const VXLAN_I: u8 = 0x08;
/// Don't fragment, in the first byte of `Ipv4Hdr::frags`.
pub const IPV4_DF: u8 = 0x40;

/// Outer headers over IPv4, from the first byte of the packet to the first of the inner frame.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Outer4 {
    /// Underlay Ethernet header.
    pub eth: EthHdr,
    /// Outer IPv4 header, no options.
    pub ip: Ipv4Hdr,
    /// Outer UDP header.
    pub udp: UdpHdr,
    /// VXLAN header.
    pub vxlan: VxlanHdr,
}

/// Length of [`Outer4`]: what encapsulation over IPv4 adds.
pub const OUTER4_LEN: usize = 50;
const _: () = assert!(size_of::<Outer4>() == OUTER4_LEN);

const ETH_LEN: u32 = bytes::<EthHdr>();
const IPV4_LEN: u32 = bytes::<Ipv4Hdr>();
const UDP_VXLAN_LEN: u32 = bytes::<UdpHdr>() + bytes::<VxlanHdr>();

/// The length of a header, as lengths of packets are counted.
#[expect(clippy::cast_possible_truncation, reason = "headers are short")]
pub const fn bytes<T>() -> u32 {
    size_of::<T>() as u32
}

/// What the outer headers say, but for the link layer and the lengths.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct Tunnel4 {
    /// Our VTEP address.
    pub local: [u8; 4],
    /// The remote VTEP's address.
    pub remote: [u8; 4],
    /// UDP source port, network order.
    pub srcport: [u8; 2],
    /// UDP destination port, network order.
    pub dstport: [u8; 2],
    /// VNI on the wire.
    pub vni: Vni,
    /// Identification; free to be zero when `df` is set (RFC 6864 section 4.1). On an even offset, for a copy
    /// of this on the stack of the data path.
    pub id: [u8; 2],
    /// Time to live.
    pub ttl: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// Don't fragment.
    pub df: bool,
}

impl Tunnel4 {
    /// The same towards another remote, or `None` when that is not an IPv4 address.
    #[inline(always)]
    pub fn to(self, remote: Addr, vni: Vni, dstport: [u8; 2]) -> Option<Self> {
        Some(Self { remote: remote.as_v4()?, vni, dstport, ..self })
    }

    /// The outer headers for an inner frame of `inner_len` bytes. The UDP checksum is zero (RFC 7348
    /// section 5), the IP checksum is right. The longest GSO frame the kernel makes leaves room in the
    /// 16-bit lengths for tunnel headers (`sk_gso_max_size` is less by MAX_TCP_HEADER).
    #[inline(always)]
    pub fn headers(&self, src_mac: Mac, dst_mac: Mac, inner_len: u32) -> Outer4 {
        let udp_len = inner_len + UDP_VXLAN_LEN;
        let mut ip = Ipv4Hdr {
            vihl: 0x45,
            tos: self.tos,
            tot_len: be16(udp_len + IPV4_LEN),
            id: self.id,
            frags: [if self.df { IPV4_DF } else { 0 }, 0],
            ttl: self.ttl,
            proto: IPPROTO_UDP,
            check: [0; 2],
            src_addr: self.local,
            dst_addr: self.remote,
        };
        ip.check = checksum::ipv4(&ip);
        Outer4 {
            eth: EthHdr { dst_addr: dst_mac.octets(), src_addr: src_mac.octets(), ether_type: ETH_IPV4 },
            ip,
            udp: UdpHdr { src: self.srcport, dst: self.dstport, len: be16(udp_len), check: [0; 2] },
            vxlan: VxlanHdr { flags: VXLAN_I, _reserved1: [0; 3], vni: self.vni.to_wire(), _reserved2: 0 },
        }
    }
}

/// The low 16 bits in network order.
#[inline]
const fn be16(n: u32) -> [u8; 2] {
    let [_, _, a, b] = n.to_be_bytes();
    [a, b]
}

impl Outer4 {
    /// Whether this is a whole UDP datagram over IPv4 without options to `local`:`dstport`. Anything
    /// else on the wire, fragments included, is for the kernel.
    #[inline(always)]
    pub fn is_to(&self, local: [u8; 4], dstport: [u8; 2]) -> bool {
        self.eth.ether_type == ETH_IPV4
            && self.ip.vihl == 0x45
            && self.ip.proto == IPPROTO_UDP
            && self.ip.dst_addr == local
            && self.udp.dst == dstport
            && self.ip.frags[0] & !(IPV4_DF | 0x80) == 0
            && self.ip.frags[1] == 0
    }

    /// Whether the lengths agree: the datagram fills the IP packet, and the packet is within `len`, the
    /// bytes of the frame.
    #[inline(always)]
    pub fn lengths_agree(&self, len: u32) -> bool {
        let ip_len = u16::from_be_bytes(self.ip.tot_len) as u32;
        let udp_len = u16::from_be_bytes(self.udp.len) as u32;
        udp_len + IPV4_LEN == ip_len && ip_len + ETH_LEN <= len && udp_len >= UDP_VXLAN_LEN
    }

    /// Whether the VXLAN header has its I flag and nothing in the bits we do not know.
    #[inline(always)]
    pub fn vxlan_is_plain(&self) -> bool {
        self.vxlan.flags == VXLAN_I && self.vxlan._reserved1 == [0; 3] && self.vxlan._reserved2 == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tunnel() -> Tunnel4 {
        Tunnel4 {
            local: [192, 168, 104, 2],
            remote: [192, 168, 104, 3],
            srcport: [0xc0, 0x01],
            dstport: 4789u16.to_be_bytes(),
            vni: Vni::from_wire([0, 0, 42]),
            ttl: 64,
            tos: 0,
            df: true,
            id: [0; 2],
        }
    }

    const A: Mac = Mac::new([2, 0, 0, 0, 0, 1]);
    const B: Mac = Mac::new([2, 0, 0, 0, 0, 2]);

    proptest! {
        #[test]
        fn what_one_end_writes_the_other_accepts(
            inner in 14u32..65_400, tos: u8, ttl: u8, df: bool, id: [u8; 2], srcport: [u8; 2], vni: [u8; 3],
        ) {
            let t = Tunnel4 { tos, ttl, df, id, srcport, vni: Vni::from_wire(vni), ..tunnel() };
            let outer = t.headers(A, B, inner);
            prop_assert!(outer.is_to(t.remote, t.dstport));
            prop_assert!(!outer.is_to(t.local, t.dstport));
            prop_assert!(!outer.is_to(t.remote, [0, 1]));
            prop_assert!(outer.lengths_agree(inner + bytes::<Outer4>()));
            prop_assert!(!outer.lengths_agree(inner + bytes::<Outer4>() - 1));
            prop_assert!(outer.vxlan_is_plain());
            prop_assert_eq!(Vni::from_wire(outer.vxlan.vni), t.vni);
            let mut ip = outer.ip;
            ip.check = [0; 2];
            prop_assert_eq!(checksum::ipv4(&ip), outer.ip.check);
        }

        #[test]
        fn a_fragment_is_never_ours(offset in 1u16..0x4000) {
            let mut outer = tunnel().headers(A, B, 100);
            // More-fragments, or any offset: the 14 bits below DF.
            outer.ip.frags = offset.to_be_bytes();
            prop_assert!(!outer.is_to(tunnel().remote, tunnel().dstport));
        }

        #[test]
        fn each_bit_of_the_vxlan_header_but_the_vni_is_checked(bit in (0usize..32).prop_union(56..64)) {
            let mut outer = tunnel().headers(A, B, 100);
            let flip = 0x80u8 >> (bit % 8);
            match bit / 8 {
                0 => outer.vxlan.flags ^= flip,
                i @ 1..=3 => outer.vxlan._reserved1[i - 1] ^= flip,
                _ => outer.vxlan._reserved2 ^= flip,
            }
            prop_assert!(!outer.vxlan_is_plain());
        }
    }
}
