//! Outer headers over IPv6.

use bytemuck::{Pod, Zeroable};
use network_types::ip::Ipv6Hdr;

use super::{
    DSTPORT, ETH_IPV6, ETH_LEN, FlowMarks, IPPROTO_UDP, Outer, Tunnel, UDP_VXLAN_LEN, be16, bytes, macs,
    vxlan,
    word::{agree, byte, of_byte, of_pair, pair},
};
use crate::{Addr, Mac};

/// 70 bytes, no extension headers: in words that end with the VXLAN header.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Outer6 {
    /// The destination's MAC address, and the first bytes of the source's.
    macs: u64,
    /// The other four.
    src_mac: [u8; 4],
    /// The ethertype.
    ether_type: u16,
    /// Version, traffic class, flow label, payload length, next header, hop limit.
    head: u64,
    /// The source's address.
    src: [u64; 2],
    /// The destination's.
    dst: [u64; 2],
    /// Source and destination port, length, checksum.
    udp: u64,
    /// The VXLAN header.
    vxlan: u64,
}

const _: () = assert!(size_of::<Outer6>() == 70);

const IP_END: u32 = ETH_LEN + bytes::<Ipv6Hdr>();
/// IPv6, and UDP in it.
const HEAD: u64 = u64::from_ne_bytes([0x60, 0, 0, 0, 0, 0, IPPROTO_UDP, 0]);
/// What says so.
const DATAGRAM: u64 = u64::from_ne_bytes([0xf0, 0, 0, 0, 0, 0, 0xff, 0]);

impl Outer6 {
    /// The words behind the ethertype.
    #[inline(always)]
    const fn words(&self) -> [u64; 7] {
        let ([a, b], [c, d]) = (self.src, self.dst);
        [self.head, a, b, c, d, self.udp, self.vxlan]
    }
}

impl Outer for Outer6 {
    const LEN: usize = size_of::<Self>();
    const IP_OVERHEAD: u32 = bytes::<Self>() - ETH_LEN;
    const IS_IPV6: bool = true;

    /// The UDP checksum is zero, which tunnels may do over IPv6 (RFC 6935, RFC 6936 section 4, RFC 7348 section 5),
    /// if the other end takes it: the kernel's driver with `udp6zerocsumrx`. The flow label is zero, as the
    /// driver's is.
    #[inline(always)]
    fn template(tunnel: &Tunnel, src_mac: Mac, dst_mac: Mac) -> Option<Self> {
        if tunnel.local.is_none() || tunnel.remote.as_v4().is_some() {
            return None;
        }
        let (macs, src_mac) = macs(dst_mac, src_mac);
        Some(Self {
            macs,
            src_mac,
            ether_type: ETH_IPV6,
            head: HEAD,
            src: tunnel.local.words(),
            dst: tunnel.remote.words(),
            udp: of_pair(tunnel.dstport, 2),
            vxlan: vxlan(tunnel.vni),
        })
    }

    /// There is no IP checksum.
    #[inline(always)]
    fn address_sum(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn complete(&mut self, _address_sum: u32, flow: &FlowMarks, inner_len: u32) {
        let udp_len = be16(inner_len + UDP_VXLAN_LEN);
        let class = of_byte(flow.tos >> 4, 0) | of_byte(flow.tos << 4, 1);
        self.head |= class | of_pair(udp_len, 4) | of_byte(flow.ttl, 7);
        self.udp |= of_pair(flow.srcport, 0) | of_pair(udp_len, 4);
    }

    #[inline(always)]
    fn is_udp_to(&self, dstport: [u8; 2]) -> bool {
        self.ether_type == ETH_IPV6
            && agree([self.head], [HEAD], [DATAGRAM])
            && pair(self.udp, 2) == dstport
            // No host has a mapped address (`ipv6_rcv`); with us it would be the IPv4 one. Nor has one none, which
            // stands for ours where we have no IPv6.
            && self.src().as_v4().is_none()
            && self.dst().as_v4().is_none()
            && !self.dst().is_none()
    }

    #[inline(always)]
    fn is_like(&self, other: &Self) -> bool {
        const ALL: u64 = u64::MAX;
        self.ether_type == other.ether_type
            && agree(self.words(), other.words(), [DATAGRAM, ALL, ALL, ALL, ALL, DSTPORT, ALL])
    }

    #[inline(always)]
    fn lengths_agree(&self, len: u32) -> bool {
        let udp_len = u32::from(u16::from_be_bytes(pair(self.udp, 4)));
        pair(self.head, 4) == pair(self.udp, 4) && udp_len + IP_END <= len && udp_len >= UDP_VXLAN_LEN
    }

    #[inline(always)]
    fn frame_len(&self) -> u32 {
        u32::from(u16::from_be_bytes(pair(self.head, 4))) + IP_END
    }

    #[inline(always)]
    fn src(&self) -> Addr {
        Addr::of_words(self.src)
    }

    #[inline(always)]
    fn dst(&self) -> Addr {
        Addr::of_words(self.dst)
    }

    #[inline(always)]
    fn tos(&self) -> u8 {
        byte(self.head, 0) << 4 | byte(self.head, 1) >> 4
    }

    #[inline(always)]
    fn vxlan(&self) -> u64 {
        self.vxlan
    }
}
