//! Explicit congestion notification across the tunnel, RFC 6040, as the kernel's `inet_ecn.h` does it.

/// Mask of the ECN field in a TOS or traffic class byte.
pub const MASK: u8 = 0b11;
/// Not ECN-capable.
pub const NOT_ECT: u8 = 0b00;
/// ECN-capable, codepoint 1.
pub const ECT_1: u8 = 0b01;
/// ECN-capable, codepoint 0.
pub const ECT_0: u8 = 0b10;
/// Congestion experienced.
pub const CE: u8 = 0b11;

/// The outer ECN for an inner one: a copy (RFC 6040 section 4.1, normal mode).
#[inline]
pub const fn encap(outer_tos: u8, inner_tos: u8) -> u8 {
    (outer_tos & !MASK) | (inner_tos & MASK)
}

/// The inner ECN that leaves the tunnel, or `None` when the packet must be dropped because congestion
/// was marked on a flow that cannot be told (RFC 6040 section 4.2, figure 4).
#[inline]
pub const fn decap(outer_tos: u8, inner_tos: u8) -> Option<u8> {
    let ecn = match (outer_tos & MASK, inner_tos & MASK) {
        (CE, NOT_ECT) => return None,
        (CE, _) => CE,
        (ECT_1, ECT_0) => ECT_1,
        (_, inner) => inner,
    };
    Some((inner_tos & !MASK) | ecn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decap_is_figure_4_of_rfc_6040() {
        // Rows: inner; columns: outer not-ECT, ECT(0), ECT(1), CE.
        let figure = [
            (NOT_ECT, [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None]),
            (ECT_0, [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)]),
            (ECT_1, [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)]),
            (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
        ];
        for (inner, row) in figure {
            for (outer, want) in [NOT_ECT, ECT_0, ECT_1, CE].into_iter().zip(row) {
                assert_eq!(decap(outer, inner), want, "outer {outer:02b}, inner {inner:02b}");
            }
        }
    }

    #[test]
    fn the_dscp_of_each_header_stays_its_own() {
        assert_eq!(encap(0xb8, 0x03), 0xbb);
        assert_eq!(decap(0xb8 | CE, 0x28 | ECT_0), Some(0x28 | CE));
    }
}
