//! The answers to a packet that does not fit: ICMP "fragmentation needed" (RFC 792, RFC 1191) and ICMPv6 "packet
//! too big" (RFC 4443 section 3.2). As the kernel's tunnels write them (net/ipv4/ip_tunnel_core.c,
//! `iptunnel_pmtud_build_icmp` and `iptunnel_pmtud_build_icmpv6`): in the name of the packet's destination, since
//! an overlay has no router of its own.

use network_types::{
    icmp::Icmpv4Hdr,
    ip::{Ipv4Hdr, Ipv6Hdr},
};

use crate::checksum;

/// Bytes of the packet that an answer over IPv4 quotes: as many as a packet of 576 bytes has room for
/// (RFC 1812 section 4.3.2.3).
pub const QUOTE4: usize = MIN_MTU4 as usize - size_of::<Ipv4Hdr>() - size_of::<Icmpv4Hdr>();
/// Bytes of the packet that an answer over IPv6 quotes: as many as the minimum MTU has room for
/// (RFC 4443 section 2.4).
pub const QUOTE6: usize = MIN_MTU6 as usize - size_of::<Ipv6Hdr>() - size_of::<Icmpv4Hdr>();

/// What every IPv4 host can receive (RFC 791 section 3.1); of less the kernel's tunnels do not tell.
pub const MIN_MTU4: u32 = 576;
/// What every IPv6 link carries (RFC 8200 section 5).
pub const MIN_MTU6: u32 = 1280;

/// IP protocol number of ICMP.
pub const IPPROTO_ICMP: u8 = 1;
/// IP protocol number of ICMPv6.
pub const IPPROTO_ICMPV6: u8 = 58;

/// Hops that an answer may take.
const TTL: u8 = 64;
/// Don't fragment.
const DF: [u8; 2] = [0x40, 0];

/// Whether the header is of a packet that may be answered with an error: the first or only fragment of a packet from
/// one host to another (RFC 1122 section 3.2.2, RFC 1812 section 4.3.2.7). What its payload is, is another
/// question: [`is_error4`]. The kernel's tunnels answer packets with DF only, and fragment the outer packet of
/// others. We never do that, and drop both.
#[inline(always)]
pub fn may_answer4(ip: &Ipv4Hdr) -> bool {
    ip.vihl >> 4 == 4
        && ip.vihl & 0x0f >= 5
        && ip.frags[0] & 0x1f == 0
        && ip.frags[1] == 0
        && is_host4(ip.src_addr)
        && is_host4(ip.dst_addr)
}

/// Neither of "this network" nor loopback, multicast, reserved or broadcast.
#[inline(always)]
fn is_host4(addr: [u8; 4]) -> bool {
    !matches!(addr[0], 0 | 127 | 224..)
}

/// Whether an ICMP message is about an error; such are never answered (as `icmp_is_err`).
#[inline(always)]
pub fn is_error4(kind: u8) -> bool {
    // Unreachable, source quench, redirect, time exceeded, parameter problem.
    matches!(kind, 3 | 4 | 5 | 11 | 12)
}

/// As [`may_answer4`] (RFC 4443 section 2.4); fragments are found behind the header.
#[inline(always)]
pub fn may_answer6(ip: &Ipv6Hdr) -> bool {
    ip.vcf[0] >> 4 == 6 && is_host6(ip.src_addr) && is_host6(ip.dst_addr)
}

/// Neither unspecified nor loopback nor multicast.
#[inline(always)]
fn is_host6(addr: [u8; 16]) -> bool {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = addr;
    let (high, low) =
        (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes([i, j, k, l, m, n, o, p]));
    a != 0xff && (high != 0 || low > 1)
}

/// Whether an ICMPv6 message is about an error, or a redirect.
#[inline(always)]
pub fn is_error6(kind: u8) -> bool {
    kind < 128 || kind == 137
}

/// The IP header of the answer to a packet.
#[inline(always)]
pub fn header4(to: &Ipv4Hdr) -> Ipv4Hdr {
    let mut ip = Ipv4Hdr {
        vihl: 0x45,
        tos: 0,
        tot_len: be16(MIN_MTU4),
        id: [0; 2],
        frags: DF,
        ttl: TTL,
        proto: IPPROTO_ICMP,
        check: [0; 2],
        src_addr: to.dst_addr,
        dst_addr: to.src_addr,
    };
    ip.check = checksum::ipv4(&ip);
    ip
}

/// The ICMP header of the answer, without checksum.
#[inline(always)]
pub fn too_big4(mtu: u32) -> Icmpv4Hdr {
    let [a, b] = be16(if mtu > 0xffff { 0xffff } else { mtu });
    Icmpv4Hdr { type_: 3, code: 4, check: [0; 2], data: [0, 0, a, b] }
}

/// The IP header of the answer to a packet.
#[inline(always)]
pub fn header6(to: &Ipv6Hdr) -> Ipv6Hdr {
    Ipv6Hdr {
        vcf: [0x60, 0, 0, 0],
        payload_len: be16(LEN6),
        next_hdr: IPPROTO_ICMPV6,
        hop_limit: TTL,
        src_addr: to.dst_addr,
        dst_addr: to.src_addr,
    }
}

/// The ICMPv6 header of the answer, without checksum.
#[inline(always)]
pub fn too_big6(mtu: u32) -> Icmpv4Hdr {
    Icmpv4Hdr { type_: 2, code: 0, check: [0; 2], data: mtu.to_be_bytes() }
}

/// Bytes of an ICMPv6 answer.
const LEN6: u32 = MIN_MTU6 - 40;

/// What the pseudo-header has beside the addresses: length and protocol (RFC 8200 section 8.1), as a sum to begin
/// with.
pub const PSEUDO6: u32 = u16::from_ne_bytes(be16(LEN6 + IPPROTO_ICMPV6 as u32)) as u32;

/// The checksum field, from the sum over everything with that field as zero. Both as they are in memory: such sums do
/// not depend on the order of bytes (RFC 1071 section 2 B).
#[inline(always)]
pub fn check(sum: u32) -> [u8; 2] {
    (!checksum::fold(sum)).to_ne_bytes()
}

/// The low 16 bits in network order.
#[inline(always)]
const fn be16(n: u32) -> [u8; 2] {
    let [_, _, a, b] = n.to_be_bytes();
    [a, b]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4() -> Ipv4Hdr {
        Ipv4Hdr {
            vihl: 0x45,
            tos: 0,
            tot_len: [6, 0],
            id: [0; 2],
            frags: DF,
            ttl: 9,
            proto: 17,
            check: [0; 2],
            src_addr: [10, 0, 0, 1],
            dst_addr: [10, 0, 0, 2],
        }
    }

    fn v6() -> Ipv6Hdr {
        let addr = |last| [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
        Ipv6Hdr {
            vcf: [0x60, 0, 0, 0],
            payload_len: [6, 0],
            next_hdr: 17,
            hop_limit: 9,
            src_addr: addr(1),
            dst_addr: addr(2),
        }
    }

    #[test]
    fn a_quote_fills_the_smallest_packet_that_everybody_takes() {
        assert_eq!((QUOTE4, QUOTE6), (548, 1232));
        assert_eq!(header4(&v4()).tot_len, 576u16.to_be_bytes());
        assert_eq!(header6(&v6()).payload_len, 1240u16.to_be_bytes());
    }

    #[test]
    fn the_answer_comes_from_the_destination() {
        let answer = header4(&v4());
        assert_eq!((answer.src_addr, answer.dst_addr), ([10, 0, 0, 2], [10, 0, 0, 1]));
        assert_eq!((answer.proto, answer.ttl, answer.frags), (1, 64, DF));
        let answer = header6(&v6());
        assert_eq!((answer.src_addr, answer.dst_addr), (v6().dst_addr, v6().src_addr));
        assert_eq!((answer.next_hdr, answer.hop_limit), (58, 64));
    }

    #[test]
    fn the_mtu_is_where_the_standards_have_it() {
        let icmp = too_big4(1450);
        assert_eq!((icmp.type_, icmp.code, icmp.data), (3, 4, [0, 0, 5, 0xaa]));
        assert_eq!(too_big4(70_000).data, [0, 0, 0xff, 0xff]);
        let icmp = too_big6(70_000);
        assert_eq!((icmp.type_, icmp.code, icmp.data), (2, 0, [0, 1, 0x11, 0x70]));
    }

    #[test]
    fn fragments_but_the_first_are_not_answered() {
        assert!(may_answer4(&v4()));
        assert!(may_answer4(&Ipv4Hdr { frags: [0, 0], ..v4() }), "may be fragmented, but not by us");
        assert!(may_answer4(&Ipv4Hdr { frags: [0x20, 0], ..v4() }), "first");
        assert!(!may_answer4(&Ipv4Hdr { frags: [0, 1], ..v4() }));
        assert!(!may_answer4(&Ipv4Hdr { frags: [0x30, 0], ..v4() }));
        assert!(!may_answer4(&Ipv4Hdr { vihl: 0x65, ..v4() }), "not IPv4");
        assert!(!may_answer4(&Ipv4Hdr { vihl: 0x44, ..v4() }), "a short header");
    }

    #[test]
    fn only_hosts_are_answered_and_only_in_the_name_of_hosts() {
        for addr in [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 1], [255; 4]] {
            assert!(!may_answer4(&Ipv4Hdr { src_addr: addr, ..v4() }), "{addr:?}");
            assert!(!may_answer4(&Ipv4Hdr { dst_addr: addr, ..v4() }), "{addr:?}");
        }
        let of = |text: &str| text.parse::<std::net::Ipv6Addr>().expect("an address").octets();
        for addr in ["::", "::1", "ff02::1"] {
            assert!(!may_answer6(&Ipv6Hdr { src_addr: of(addr), ..v6() }), "{addr}");
            assert!(!may_answer6(&Ipv6Hdr { dst_addr: of(addr), ..v6() }), "{addr}");
        }
        for addr in ["::2", "fe80::", "fe80::1", "100::", "2001:db8::1"] {
            assert!(may_answer6(&Ipv6Hdr { src_addr: of(addr), ..v6() }), "{addr}");
        }
    }

    #[test]
    fn errors_are_told_from_questions() {
        assert!([3, 4, 5, 11, 12].into_iter().all(is_error4));
        assert!(![0, 8, 9, 10, 13, 14].into_iter().any(is_error4));
        assert!([1, 2, 3, 4, 127, 137].into_iter().all(is_error6));
        assert!(![128, 129, 133, 135, 136].into_iter().any(is_error6));
    }

    #[test]
    fn a_sum_in_memory_order_is_the_checksum() {
        // RFC 1071 section 3: 0001 f203 f4f5 f6f7 sums up to ddf2.
        let words = [[0x00u8, 0x01], [0xf2, 0x03], [0xf4, 0xf5], [0xf6, 0xf7]];
        let sum = words.iter().map(|word| u32::from(u16::from_ne_bytes(*word))).sum();
        assert_eq!(check(sum), [0x22, 0x0d]);
    }
}
