//! Internet checksums (RFC 1071), whole and by difference (RFC 1624).

use network_types::ip::Ipv4Hdr;

/// Folds a sum of 16-bit words to 16 bits. 32 bits hold the sum of 65 537 words.
#[inline]
pub const fn fold(mut sum: u32) -> u16 {
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    // Two folds leave at most 0xffff.
    (sum & 0xffff) as u16
}

/// The term of a word of the summed data in a sum for [`of_words`]. The word is as memory has it: the sum of a machine
/// of any endianness is right for it (RFC 1071 section 2, B).
#[inline(always)]
pub const fn word(word: u64) -> u64 {
    (word & 0xffff_ffff) + (word >> 32)
}

/// Checksum of what was summed by such terms. Network order.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the terms have 16 bits")]
pub const fn of_words(sum: u64) -> [u8; 2] {
    let terms = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32 & 0xffff) + (sum >> 48);
    (!fold(terms as u32)).to_ne_bytes()
}

/// Checksum of an IPv4 header without options, its `check` field taken as zero. Network order.
#[inline]
pub fn ipv4(ip: &Ipv4Hdr) -> [u8; 2] {
    ipv4_with(ip, addresses4(ip))
}

/// The same, when the sum of the addresses is known.
#[inline(always)]
pub fn ipv4_with(ip: &Ipv4Hdr, address_sum: u32) -> [u8; 2] {
    (!fold(rest(ip) + address_sum)).to_ne_bytes()
}

/// Whether a header without options carries its checksum: then its words sum up to all ones.
#[inline]
pub fn is_right(ip: &Ipv4Hdr) -> bool {
    fold(sum(ip) + u32::from(u16::from_ne_bytes(ip.check))) == 0xffff
}

/// Sum of the words of a header without options, but for `check`. In whichever order the bytes of the words are
/// taken, those of the sum come out the same (RFC 1071 section 2).
#[inline]
fn sum(ip: &Ipv4Hdr) -> u32 {
    rest(ip) + addresses4(ip)
}

/// That of its addresses.
#[inline(always)]
pub fn addresses4(ip: &Ipv4Hdr) -> u32 {
    let halves = |addr| {
        let addr = u32::from_ne_bytes(addr);
        (addr & 0xffff) + (addr >> 16)
    };
    halves(ip.src_addr) + halves(ip.dst_addr)
}

/// That of all but its addresses.
#[inline(always)]
fn rest(ip: &Ipv4Hdr) -> u32 {
    let w = |b: [u8; 2]| u32::from(u16::from_ne_bytes(b));
    w([ip.vihl, ip.tos]) + w(ip.tot_len) + w(ip.id) + w(ip.frags) + w([ip.ttl, ip.proto])
}

/// The checksum after one 16-bit word of the summed data changed (RFC 1624 equation 3). Network order.
#[inline]
pub const fn replace(check: [u8; 2], old: [u8; 2], new: [u8; 2]) -> [u8; 2] {
    let sum =
        !u16::from_be_bytes(check) as u32 + !u16::from_be_bytes(old) as u32 + u16::from_be_bytes(new) as u32;
    (!fold(sum)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_header_of_rfc_1071_style_examples_checks() {
        // 45 00 00 73 00 00 40 00 40 11 [b8 61] c0 a8 00 01 c0 a8 00 c7
        let ip = Ipv4Hdr {
            vihl: 0x45,
            tos: 0,
            tot_len: [0, 0x73],
            id: [0; 2],
            frags: [0x40, 0],
            ttl: 0x40,
            proto: 0x11,
            check: [0; 2],
            src_addr: [192, 168, 0, 1],
            dst_addr: [192, 168, 0, 199],
        };
        assert_eq!(ipv4(&ip), [0xb8, 0x61]);
        assert!(!is_right(&ip));
        assert!(is_right(&Ipv4Hdr { check: [0xb8, 0x61], ..ip }));
    }

    proptest! {
        #[test]
        fn a_checksum_replaced_by_difference_equals_one_made_anew(
            tos: u8, new_tos: u8, len: [u8; 2], id: [u8; 2], ttl: u8, src: [u8; 4], dst: [u8; 4],
        ) {
            let mut ip = Ipv4Hdr {
                vihl: 0x45, tos, tot_len: len, id, frags: [0; 2], ttl, proto: 17, check: [0; 2],
                src_addr: src, dst_addr: dst,
            };
            ip.check = ipv4(&ip);
            prop_assert!(is_right(&ip));
            ip.check = replace(ip.check, [ip.vihl, tos], [ip.vihl, new_tos]);
            ip.tos = new_tos;
            prop_assert!(is_right(&ip));
        }
    }
}
