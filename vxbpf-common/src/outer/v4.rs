//! Outer headers over IPv4.

use bytemuck::{Pod, Zeroable};
use network_types::ip::Ipv4Hdr;

use super::{
    DSTPORT, ETH_IPV4, ETH_LEN, FlowMarks, IPPROTO_UDP, Outer, Tunnel, UDP_VXLAN_LEN, be16, bytes, macs,
    vxlan,
    word::{agree, byte, of_byte, of_pair, pair, quad},
};
use crate::{Addr, Mac, checksum};

/// Don't fragment, in the first byte of `Ipv4Hdr::frags`.
pub const IPV4_DF: u8 = 0x40;

/// 50 bytes, no IP options: in words that end with the VXLAN header.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Outer4 {
    /// The destination's MAC address, and the first bytes of the source's.
    macs: u64,
    /// Two more of those.
    src_mac: [u8; 2],
    /// The last two, the ethertype, IP version and length of the header, TOS, total length.
    head: u64,
    /// Identification, flags and fragment offset, TTL, protocol, checksum.
    middle: u64,
    /// Source and destination.
    addresses: u64,
    /// Source and destination port, length, checksum.
    udp: u64,
    /// The VXLAN header.
    vxlan: u64,
}

const _: () = assert!(size_of::<Outer4>() == 50);

const IPV4_LEN: u32 = bytes::<Ipv4Hdr>();
/// Version 4, and a header of five words.
const VIHL: u8 = 0x45;
/// The ethertype and that.
const HEAD: u64 = of_pair(ETH_IPV4.to_ne_bytes(), 2) | of_byte(VIHL, 4);
/// UDP, whole.
const MIDDLE: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0, IPPROTO_UDP, 0, 0]);
/// What says in these two that it is a datagram, and whole. (There is a bit beside DF that means nothing.)
const DATAGRAM: [u64; 2] = [
    u64::from_ne_bytes([0, 0, 0xff, 0xff, 0xff, 0, 0, 0]),
    u64::from_ne_bytes([0, 0, 0x3f, 0xff, 0, 0xff, 0, 0]),
];

impl Outer4 {
    /// The words from the ethertype on.
    #[inline(always)]
    const fn words(&self) -> [u64; 5] {
        [self.head, self.middle, self.addresses, self.udp, self.vxlan]
    }

    /// The sum of the IP header.
    #[inline(always)]
    fn sum(&self) -> u64 {
        let head = u64::from(u32::from_ne_bytes(quad(self.head, 4)));
        head + checksum::word(self.middle) + checksum::word(self.addresses)
    }
}

impl Outer for Outer4 {
    const LEN: usize = size_of::<Self>();
    const IP_OVERHEAD: u32 = bytes::<Self>() - ETH_LEN;
    const IS_IPV6: bool = false;

    /// The UDP checksum is zero (RFC 7348 section 5).
    #[inline(always)]
    fn template(tunnel: &Tunnel, src_mac: Mac, dst_mac: Mac) -> Option<Self> {
        let [a, b, c, d] = tunnel.local.as_v4()?;
        let [e, f, g, h] = tunnel.remote.as_v4()?;
        let (macs, [s2, s3, s4, s5]) = macs(dst_mac, src_mac);
        Some(Self {
            macs,
            src_mac: [s2, s3],
            head: of_pair([s4, s5], 0) | HEAD,
            middle: MIDDLE,
            addresses: u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            udp: of_pair(tunnel.dstport, 2),
            vxlan: vxlan(tunnel.vni),
        })
    }

    #[inline(always)]
    fn address_sum(&self) -> u32 {
        checksum::partly_folded(checksum::word(self.addresses))
    }

    /// The IP checksum is right.
    #[inline(always)]
    fn complete(&mut self, address_sum: u32, flow: &FlowMarks, inner_len: u32) {
        let udp_len = inner_len + UDP_VXLAN_LEN;
        let (len, ttl) = (be16(udp_len + IPV4_LEN), [flow.ttl, IPPROTO_UDP]);
        let frags = [if flow.df { IPV4_DF } else { 0 }, 0];
        let term = |pair| u32::from(u16::from_ne_bytes(pair));
        let sum = term([VIHL, flow.tos]) + term(len) + term(flow.id) + term(frags) + term(ttl);
        let check = (!checksum::fold(sum + address_sum)).to_ne_bytes();
        self.head |= of_byte(flow.tos, 5) | of_pair(len, 6);
        self.middle = of_pair(flow.id, 0) | of_pair(frags, 2) | of_pair(ttl, 4) | of_pair(check, 6);
        self.udp |= of_pair(flow.srcport, 0) | of_pair(be16(udp_len), 4);
    }

    #[inline(always)]
    fn is_udp_to(&self, dstport: [u8; 2]) -> bool {
        agree([self.head, self.middle], [HEAD, MIDDLE], DATAGRAM)
            && pair(self.udp, 2) == dstport
            && checksum::is_right(self.sum())
    }

    #[inline(always)]
    fn is_like(&self, other: &Self) -> bool {
        let mask = [DATAGRAM[0], DATAGRAM[1], u64::MAX, DSTPORT, u64::MAX];
        agree(self.words(), other.words(), mask) && checksum::is_right(self.sum())
    }

    #[inline(always)]
    fn lengths_agree(&self, len: u32) -> bool {
        let ip_len = u32::from(u16::from_be_bytes(pair(self.head, 6)));
        let udp_len = u32::from(u16::from_be_bytes(pair(self.udp, 4)));
        udp_len + IPV4_LEN == ip_len && ip_len + ETH_LEN <= len && udp_len >= UDP_VXLAN_LEN
    }

    #[inline(always)]
    fn frame_len(&self) -> u32 {
        u32::from(u16::from_be_bytes(pair(self.head, 6))) + ETH_LEN
    }

    #[inline(always)]
    fn src(&self) -> Addr {
        Addr::v4(quad(self.addresses, 0))
    }

    #[inline(always)]
    fn dst(&self) -> Addr {
        Addr::v4(quad(self.addresses, 4))
    }

    #[inline(always)]
    fn tos(&self) -> u8 {
        byte(self.head, 5)
    }

    #[inline(always)]
    fn vxlan(&self) -> u64 {
        self.vxlan
    }
}
