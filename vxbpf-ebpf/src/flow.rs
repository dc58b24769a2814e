//! What the outer headers inherit from the inner flow: entropy, TOS, TTL, DF.

use aya_ebpf::helpers::bpf_get_prandom_u32;
use network_types::{eth::EthHdr, ip::Ipv6Hdr, vlan::VlanHdr};
use vxbpf_common::{
    Mac,
    entropy::Hash,
    outer::{ETH_IPV4, ETH_IPV6, IPV4_DF},
};

use crate::packet::Packet;

pub(crate) const ETH_8021Q: u16 = 0x8100u16.to_be();
pub(crate) const ETH_8021AD: u16 = 0x88a8u16.to_be();
const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;
/// Most VLAN tags that are looked behind.
pub(crate) const MAX_TAGS: usize = 3;
/// Offset bits and More Fragments of `Ipv4Hdr::frags`.
const FRAGMENT: u16 = 0x3fff;

/// An IPv4 header as `Ipv4Hdr` has it, but with both addresses in one word.
#[repr(C, packed)]
#[derive(Clone, Copy)]
pub(crate) struct Ipv4Words {
    vihl: u8,
    tos: u8,
    _len: [u8; 2],
    _id: [u8; 2],
    frags: [u8; 2],
    ttl: u8,
    proto: u8,
    _check: [u8; 2],
    addresses: u64,
}

const _: () = assert!(size_of::<Ipv4Words>() == 20);

/// The inner flow.
#[derive(Clone, Copy)]
pub(crate) struct Flow {
    /// Hash of the addresses, protocol and ports, or of the MAC addresses when it is not IP. VLAN tags do
    /// not count: one hook sees them in the data, the other outside it.
    pub(crate) hash: Hash,
    /// Inner TOS or traffic class, 0 when not IP.
    pub(crate) tos: u8,
    /// Inner TTL or hop limit, 0 when not IP.
    pub(crate) ttl: u8,
    /// Inner DF; true for IPv6, whose routers never fragment, false when not IP, as with the kernel's driver.
    pub(crate) df: bool,
    /// Bytes of the Ethernet, IP and transport headers, as far as they are understood.
    pub(crate) headers_len: u32,
}

impl Flow {
    /// The flow of a frame of that type.
    #[inline(always)]
    pub(crate) fn of<P: Packet>(pkt: &P, ether_type: u16) -> Self {
        match ether_type {
            ETH_IPV4 => Self::ipv4(pkt, 14),
            ETH_IPV6 => Self::ipv6(pkt, 14),
            ETH_8021Q | ETH_8021AD => Self::tagged(pkt, ether_type),
            _ => Self::l2(pkt),
        }
    }

    /// Behind tags in the data.
    #[inline(always)]
    fn tagged<P: Packet>(pkt: &P, ether_type: u16) -> Self {
        match behind_tags(pkt, 0, ether_type) {
            (ETH_IPV4, at) => Self::ipv4(pkt, at),
            (ETH_IPV6, at) => Self::ipv6(pkt, at),
            _ => Self::l2(pkt),
        }
    }

    #[inline(always)]
    fn ipv4<P: Packet>(pkt: &P, at: usize) -> Self {
        let Some(ip) = pkt.load::<Ipv4Words>(at) else { return Self::l2(pkt) };
        let header = usize::from(ip.vihl & 0x0f) * 4;
        // All fragments of a packet must take the same way, and only the first has ports.
        let whole = u16::from_be_bytes(ip.frags) & FRAGMENT == 0;
        let (ports, l4) = if whole { transport(pkt, ip.proto, at + header) } else { (0, 0) };
        Self {
            hash: Hash::new().word(ip.addresses).word(u64::from(ports) << 8 | u64::from(ip.proto)),
            tos: ip.tos,
            ttl: ip.ttl,
            df: ip.frags[0] & IPV4_DF != 0,
            headers_len: (at + header) as u32 + l4,
        }
    }

    #[inline(always)]
    fn ipv6<P: Packet>(pkt: &P, at: usize) -> Self {
        let Some(ip) = pkt.load::<Ipv6Hdr>(at) else { return Self::l2(pkt) };
        let (ports, l4) = transport(pkt, ip.next_hdr, at + size_of::<Ipv6Hdr>());
        let [s0, s1] = words(ip.src_addr);
        let [d0, d1] = words(ip.dst_addr);
        Self {
            hash: Hash::new()
                .word(s0)
                .word(s1)
                .word(d0)
                .word(d1)
                .word(u64::from(ports) << 8 | u64::from(ip.next_hdr)),
            tos: ip.vcf[0] << 4 | ip.vcf[1] >> 4,
            ttl: ip.hop_limit,
            df: true,
            headers_len: (at + size_of::<Ipv6Hdr>()) as u32 + l4,
        }
    }

    #[inline(always)]
    fn l2<P: Packet>(pkt: &P) -> Self {
        let (src, dst) = match pkt.load::<EthHdr>(0) {
            Some(eth) => (Mac::new(eth.src_addr).word(), Mac::new(eth.dst_addr).word()),
            None => (0, 0),
        };
        Self { hash: Hash::new().word(src).word(dst), tos: 0, ttl: 0, df: false, headers_len: 14 }
    }
}

/// What is behind the VLAN tags of the frame that begins at `frame`: its ethertype and where it is. Whoever has
/// more tags than that is not looked at, in either hook.
#[inline(always)]
pub(crate) fn behind_tags<P: Packet>(pkt: &P, frame: usize, ether_type: u16) -> (u16, usize) {
    let mut behind = (ether_type, frame + size_of::<EthHdr>());
    for _ in 0..MAX_TAGS {
        if !matches!(behind.0, ETH_8021Q | ETH_8021AD) {
            break;
        }
        let Some(tag) = pkt.load::<VlanHdr>(behind.1) else { break };
        behind = (tag.ether_type, behind.1 + size_of::<VlanHdr>());
    }
    behind
}

/// The ports (0 when the protocol has none) and the length of the transport header.
#[inline(always)]
fn transport<P: Packet>(pkt: &P, proto: u8, at: usize) -> (u32, u32) {
    if !matches!(proto, TCP | UDP | SCTP) {
        return (0, 0);
    }
    let ports = pkt.load::<[u8; 4]>(at).map_or(0, u32::from_ne_bytes);
    let len = match proto {
        // Data offset, in words, in the upper half of byte 12 (RFC 9293 section 3.1).
        TCP if pkt.gso_size() != 0 => pkt.load::<u8>(at + 12).map_or(20, |b| u32::from(b >> 4) * 4),
        TCP => 20,
        UDP => 8,
        _ => 12,
    };
    (ports, len)
}

#[inline(always)]
fn words(addr: [u8; 16]) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = addr;
    [u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes([i, j, k, l, m, n, o, p])]
}

/// An IP identification to begin with.
#[inline(always)]
pub(crate) fn fresh_id() -> u16 {
    // SAFETY: takes nothing.
    unsafe { bpf_get_prandom_u32() as u16 }
}
