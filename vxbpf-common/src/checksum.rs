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
pub const fn of_words(sum: u64) -> [u8; 2] {
    (!fold(partly_folded(sum))).to_ne_bytes()
}

/// The same sum in fewer bits.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the terms have 16 bits")]
pub const fn partly_folded(sum: u64) -> u32 {
    ((sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32 & 0xffff) + (sum >> 48)) as u32
}

/// Whether words carry their checksum, which is among them: then they sum up to all ones.
#[inline(always)]
pub const fn is_right(sum: u64) -> bool {
    fold(partly_folded(sum)) == 0xffff
}

/// Checksum of an IPv4 header without options, its `check` field taken as zero. Network order. In whichever order the bytes of
/// the words are taken, those of the sum come out the same (RFC 1071 section 2).
#[inline]
pub fn ipv4(ip: &Ipv4Hdr) -> [u8; 2] {
    let w = |b: [u8; 2]| u32::from(u16::from_ne_bytes(b));
    let halves = |addr| {
        let addr = u32::from_ne_bytes(addr);
        (addr & 0xffff) + (addr >> 16)
    };
    let rest = w([ip.vihl, ip.tos]) + w(ip.tot_len) + w(ip.id) + w(ip.frags) + w([ip.ttl, ip.proto]);
    (!fold(rest + halves(ip.src_addr) + halves(ip.dst_addr))).to_ne_bytes()
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
            let replaced = replace(ip.check, [ip.vihl, tos], [ip.vihl, new_tos]);
            ip.tos = new_tos;
            // (All zeros and all ones are the same number, and a header is never all zeros.)
            prop_assert_eq!(replaced, ipv4(&ip));
        }

        #[test]
        fn words_with_the_checksum_of_the_others_are_right(a: u64, b: u64, c: u32) {
            let sum = word(a) + word(b) + word(u64::from(c));
            let check = u64::from(u16::from_ne_bytes(of_words(sum)));
            prop_assert!(is_right(sum + check));
            prop_assert!(!is_right(sum + (check ^ 1)));
            prop_assert_eq!(of_words(u64::from(partly_folded(sum))), of_words(sum));
        }
    }
}
