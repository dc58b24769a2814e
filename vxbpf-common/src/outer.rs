//! The outer headers: Ethernet, IP, UDP and VXLAN, as they are written and as they are checked. One type for each IP
//! version, which the path is generic over.

mod v4;
mod v6;
mod word;

use network_types::{
    eth::{EthHdr, EtherType},
    udp::UdpHdr,
    vxlan::VxlanHdr,
};
pub use v4::{IPV4_DF, Outer4};
pub use v6::Outer6;
use word::{agree, of_byte, of_pair, quad};

use crate::{Addr, Mac, Vni};

/// Ethertype of IPv4 as the field of an `EthHdr` holds it (network order, native integer).
pub const ETH_IPV4: u16 = EtherType::Ipv4 as u16;
/// Ethertype of IPv6, likewise.
pub const ETH_IPV6: u16 = EtherType::Ipv6 as u16;
/// IP protocol number of UDP.
pub const IPPROTO_UDP: u8 = 17;
/// The VXLAN flags byte with nothing but the I flag (RFC 7348 section 5).
pub const VXLAN_I: u8 = 0x08;

/// Outer headers over one version of IP, from the first byte of the packet to the first of the inner frame.
pub trait Outer: Copy {
    /// Their length: what encapsulation adds to a frame.
    const LEN: usize;

    /// What [`Outer::LEN`] is to an MTU, which does not count the outer Ethernet header.
    const IP_OVERHEAD: u32;

    /// Whether the IP version is 6.
    const IS_IPV6: bool;

    /// What the headers of all frames of a tunnel share: addresses, VNI and UDP port. `None` if the addresses are of the
    /// other version.
    fn template(tunnel: &Tunnel, src_mac: Mac, dst_mac: Mac) -> Option<Self>;

    /// The sum of its addresses, for [`Outer::complete`].
    fn address_sum(&self) -> u32;

    /// Makes a template the headers of an inner frame of `inner_len` bytes. The longest GSO frame the kernel makes leaves
    /// room in the 16-bit lengths for tunnel headers (`sk_gso_max_size` is less by MAX_TCP_HEADER).
    fn complete(&mut self, address_sum: u32, flow: &FlowMarks, inner_len: u32);

    /// The headers around an inner frame of `inner_len` bytes. `None` if the tunnel's addresses are of the other
    /// version.
    #[inline(always)]
    fn new(tunnel: &Tunnel, src_mac: Mac, dst_mac: Mac, flow: &FlowMarks, inner_len: u32) -> Option<Self> {
        let mut outer = Self::template(tunnel, src_mac, dst_mac)?;
        outer.complete(outer.address_sum(), flow, inner_len);
        Some(outer)
    }

    /// Whether this is a whole UDP datagram to a port, right behind the fixed IP header, which is intact (RFC 1122 section
    /// 3.2.1.2). Anything else on the wire, fragments included, is for the kernel, which drops what is broken.
    fn is_udp_to(&self, dstport: [u8; 2]) -> bool;

    /// Whether what [`Outer::is_udp_to`] said of others, their sender, whom they were to, and their VXLAN header holds for these.
    fn is_like(&self, other: &Self) -> bool;

    /// Whether the lengths agree: the datagram fills the IP packet, and the packet is within `len`, the bytes of the
    /// frame.
    fn lengths_agree(&self, len: u32) -> bool;

    /// Bytes of the frame without what the link put behind the IP packet, when the lengths agree.
    fn frame_len(&self) -> u32;

    /// Who sent it.
    fn src(&self) -> Addr;

    /// Whom to.
    fn dst(&self) -> Addr;

    /// TOS or traffic class.
    fn tos(&self) -> u8;

    /// The VXLAN header, as memory has it.
    fn vxlan(&self) -> u64;

    /// Which VNI it is in.
    #[inline(always)]
    fn vni(&self) -> Vni {
        let [a, b, c, _] = quad(self.vxlan(), 4);
        Vni::from_wire([a, b, c])
    }

    /// Whether the VXLAN header has its I flag and nothing in the bits we do not know.
    #[inline(always)]
    fn vxlan_is_plain(&self) -> bool {
        const ALL_BUT_VNI: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff]);
        agree([self.vxlan()], [of_byte(VXLAN_I, 0)], [ALL_BUT_VNI])
    }
}

/// Bytes of an Ethernet header.
const ETH_LEN: u32 = bytes::<EthHdr>();
/// The destination port in the word of a UDP header.
const DSTPORT: u64 = of_pair([0xff; 2], 2);
/// Bytes of the headers of UDP and VXLAN.
const UDP_VXLAN_LEN: u32 = bytes::<UdpHdr>() + bytes::<VxlanHdr>();

/// The VXLAN header of a VNI.
#[inline(always)]
const fn vxlan(vni: Vni) -> u64 {
    let [a, b, c] = vni.to_wire();
    u64::from_ne_bytes([VXLAN_I, 0, 0, 0, a, b, c, 0])
}

/// The addresses at the begin of an Ethernet header: its first word, and what follows.
#[inline(always)]
const fn macs(dst: Mac, src: Mac) -> (u64, [u8; 4]) {
    let ([a, b, c, d, e, f], [s0, s1, rest @ ..]) = (dst.octets(), src.octets());
    (u64::from_ne_bytes([a, b, c, d, e, f, s0, s1]), rest)
}

/// The length of a header, as lengths of packets are counted.
#[expect(clippy::cast_possible_truncation, reason = "headers are short")]
pub const fn bytes<T>() -> u32 {
    size_of::<T>() as u32
}

/// Between whom a tunnel is, and for which VNI.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel {
    /// Our VTEP address.
    pub local: Addr,
    /// The remote VTEP's address.
    pub remote: Addr,
    /// UDP destination port, network order.
    pub dstport: [u8; 2],
    /// VNI on the wire.
    pub vni: Vni,
}

/// What the outer headers say of the inner flow.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct FlowMarks {
    /// UDP source port, network order.
    pub srcport: [u8; 2],
    /// IPv4 identification; free to be zero when `df` is set (RFC 6864 section 4.1).
    pub id: [u8; 2],
    /// Time to live or hop limit.
    pub ttl: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// Don't fragment. (IPv6 is never fragmented on its way.)
    pub df: bool,
}

/// The low 16 bits in network order.
#[inline]
const fn be16(n: u32) -> [u8; 2] {
    let [_, _, a, b] = n.to_be_bytes();
    [a, b]
}

#[cfg(test)]
mod tests;
