//! Packets that do not fit. The sender is told, as by a router with a smaller link behind it (RFC 1191, RFC 8201):
//! without that its large packets would vanish, and TCP with them. The kernel's tunnels do the same
//! (net/ipv4/ip_tunnel_core.c, `skb_tunnel_check_pmtu`), and like them and its own ICMP code (`icmpv4_mask_allow`,
//! `icmpv6_mask_allow`) we do not limit the rate of these answers.

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_check_mtu;
use network_types::{
    eth::EthHdr,
    icmp::Icmpv4Hdr,
    ip::{Ipv4Hdr, Ipv6Hdr},
};
use vxbpf_common::{
    icmp::{self, IPPROTO_ICMP, IPPROTO_ICMPV6, MIN_MTU4, MIN_MTU6, QUOTE4, QUOTE6},
    outer::{ETH_IPV4, ETH_IPV6, bytes},
};

use crate::{
    account::{self, Account},
    flow::Flow,
    packet::Packet,
};

const ETH_LEN: usize = size_of::<EthHdr>();
/// IPv6's fragment header, the other headers that may come before the payload (RFC 8200 section 4), and how many of
/// them we look behind.
const FRAGMENT: u8 = 44;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const OPTIONS: u8 = 60;
const EXTENSIONS: usize = 4;

/// The beginning of a packet that is quoted.
pub(crate) type Begin = [u64; 16];

/// By how much a bridge lets a frame exceed the MTU, for the sake of VLAN tags (`is_skb_forwardable`).
const VLAN_LEN: u32 = 4;

/// Whether a frame of `len` bytes does not fit a port of that MTU. Unlike a bridge, which drops it, we tell; without the
/// check a veth would drop it uncounted, or `bpf_redirect_peer` force it on a pod.
#[inline(always)]
pub(crate) fn for_port<P: Packet>(pkt: &P, len: u32, from_port: bool, mtu: u32) -> bool {
    u64::from(longest(pkt, len, from_port)) > u64::from(mtu) + u64::from(bytes::<EthHdr>() + VLAN_LEN)
}

/// Bytes of the longest frame that it is in the end: of its segments, if a port sent a GSO frame. Those that the underlay
/// brought were merged from segments that had come that far.
#[inline(always)]
fn longest<P: Packet>(pkt: &P, len: u32, from_port: bool) -> u32 {
    match (pkt.gso_size(), from_port) {
        (0, _) => len,
        (_, false) => 0,
        (size, true) => {
            pkt.load::<EthHdr>(0).map_or(0, |eth| Flow::of(pkt, eth.ether_type).headers_len + size)
        }
    }
}

/// Asks the kernel for an interface's MTU. (A function of its own, for its stack.)
#[inline(never)]
pub(crate) fn mtu_of(ctx: *mut c_void, ifindex: u32) -> Option<u32> {
    // In: 0 for the length of the packet, whatever that is.
    let mut mtu = 0;
    // SAFETY: the context is the hook's own, the pointer to a local of that type. Linux 5.12.
    let ret = unsafe { bpf_check_mtu(ctx, ifindex, &raw mut mtu, 0, 0) };
    (ret >= 0 && mtu != 0).then_some(mtu)
}

/// Answers a frame from a port that was too big, if it may be answered: afterwards it is the answer. (A function of its
/// own, for its stack.)
#[inline(never)]
pub(crate) fn answer<P: Packet>(pkt: &mut P, account: &mut Account) {
    let Some(ether_type) = pkt.load::<EthHdr>(0).map(|eth| eth.ether_type) else { return };
    let answered = match ether_type {
        ETH_IPV4 if account.mtu >= MIN_MTU4 => answer4(pkt, account),
        ETH_IPV6 if account.mtu >= MIN_MTU6 => answer6(pkt, account),
        _ => None, // (Tags in the data are no business of ours.)
    };
    let Some(len) = answered else { return };
    let eth = EthHdr { dst_addr: account.src.octets(), src_addr: account.dst.octets(), ether_type };
    if pkt.store(0, eth).is_some() {
        account::copied(account.decision.port_slot, account::NO_SLOT, len, pkt.copy_to(account.from.ifindex));
    }
}

/// Gives its length.
#[inline(always)]
fn answer4<P: Packet>(pkt: &mut P, account: &mut Account) -> Option<u32> {
    const ICMP: usize = ETH_LEN + size_of::<Ipv4Hdr>();
    const FIRST: usize = 512;
    const SUMMED: usize = size_of::<Icmpv4Hdr>() + QUOTE4;
    let ip = pkt.load::<Ipv4Hdr>(ETH_LEN)?;
    let payload = ETH_LEN + usize::from(ip.vihl & 0x0f) * 4;
    if !icmp::may_answer4(&ip) || (ip.proto == IPPROTO_ICMP && icmp::is_error4(pkt.load(payload)?)) {
        return None;
    }
    pkt.quote(&mut account.begin, QUOTE4 as u32, bytes::<Ipv4Hdr>() + bytes::<Icmpv4Hdr>())?;
    let mut too_big = icmp::too_big4(account.mtu);
    pkt.store(ICMP, too_big)?;
    let sum = pkt.sum::<FIRST>(ICMP, 0)?;
    too_big.check = icmp::check(pkt.sum::<{ SUMMED - FIRST }>(ICMP + FIRST, sum)?);
    pkt.store(ICMP, too_big)?;
    pkt.store(ETH_LEN, icmp::header4(&ip))?;
    Some((ICMP + SUMMED) as u32)
}

/// Gives its length.
#[inline(always)]
fn answer6<P: Packet>(pkt: &mut P, account: &mut Account) -> Option<u32> {
    const ICMP: usize = ETH_LEN + size_of::<Ipv6Hdr>();
    /// The addresses are part of the sum, and end where ICMPv6 begins.
    const ADDRESSES: usize = ICMP - 32;
    const FIRST: usize = 512;
    const SUMMED: usize = 32 + size_of::<Icmpv4Hdr>() + QUOTE6;
    let ip = pkt.load::<Ipv6Hdr>(ETH_LEN)?;
    if !icmp::may_answer6(&ip) || !may_answer_payload(pkt, ip.next_hdr)? {
        return None;
    }
    pkt.quote(&mut account.begin, QUOTE6 as u32, bytes::<Ipv6Hdr>() + bytes::<Icmpv4Hdr>())?;
    let mut too_big = icmp::too_big6(account.mtu);
    pkt.store(ETH_LEN, icmp::header6(&ip))?;
    pkt.store(ICMP, too_big)?;
    let sum = pkt.sum::<FIRST>(ADDRESSES, icmp::PSEUDO6)?;
    let sum = pkt.sum::<FIRST>(ADDRESSES + FIRST, sum)?;
    too_big.check = icmp::check(pkt.sum::<{ SUMMED - 2 * FIRST }>(ADDRESSES + 2 * FIRST, sum)?);
    pkt.store(ICMP, too_big)?;
    Some((ADDRESSES + SUMMED) as u32)
}

/// Whether what follows an IPv6 header is the begin of a payload that is no ICMPv6 error.
#[inline(always)]
fn may_answer_payload<P: Packet>(pkt: &P, next: u8) -> Option<bool> {
    let (mut at, mut next) = (ETH_LEN + size_of::<Ipv6Hdr>(), next);
    for _ in 0..EXTENSIONS {
        match next {
            HOP_BY_HOP | ROUTING | OPTIONS => {
                let [following, len] = pkt.load::<[u8; 2]>(at)?;
                next = following;
                at += (usize::from(len) + 1) * 8;
            }
            FRAGMENT => {
                let [following, _, high, low] = pkt.load::<[u8; 4]>(at)?;
                if high != 0 || low & 0xf8 != 0 {
                    return Some(false);
                }
                next = following;
                at += 8;
            }
            IPPROTO_ICMPV6 => return Some(!icmp::is_error6(pkt.load(at)?)),
            _ => return Some(true),
        }
    }
    None
}
