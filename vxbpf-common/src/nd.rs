//! Neighbour discovery (RFC 4861): solicitations for an address, and the advertisements that answer them.

use crate::{Addr, Mac, checksum};

/// IPv6's next header number of ICMPv6.
const ICMPV6: u8 = 58;
/// ICMPv6 types.
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Option types (RFC 4861 section 4.6.1).
const SOURCE_LINK_ADDR: u8 = 1;
const TARGET_LINK_ADDR: u8 = 2;
/// Flags of an advertisement (RFC 4861 section 4.4).
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
/// What no router has forwarded (RFC 4861 section 7.1.1).
const HOP_LIMIT: u8 = 255;

/// A solicitation or an advertisement with one option, the link-layer address: what hosts send for address
/// resolution. Both are equally long. The addresses are words, or the data path takes them apart byte by byte.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct NdPacket {
    /// IPv6 version, traffic class and flow label.
    pub vcf: [u8; 4],
    /// Bytes behind the IPv6 header.
    pub payload_len: [u8; 2],
    /// Next header.
    pub next_hdr: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// IPv6 source.
    pub source: Addr,
    /// IPv6 destination.
    pub destination: Addr,
    /// ICMPv6 type.
    pub kind: u8,
    /// ICMPv6 code.
    pub code: u8,
    /// ICMPv6 checksum.
    pub check: [u8; 2],
    /// Flags of an advertisement, and zeros.
    pub flags: [u8; 4],
    /// The address in question.
    pub target: Addr,
    /// Type of the option.
    pub option: u8,
    /// Its length, in units of eight bytes.
    pub option_len: u8,
    /// The link-layer address of the source or of the target.
    pub link_addr: [u8; 6],
}

const MESSAGE_LEN: u8 = 32;
const _: () = assert!(size_of::<NdPacket>() == 40 + MESSAGE_LEN as usize);

/// Whether frames to this MAC address go to a solicited-node multicast address (RFC 2464 section 7).
#[inline(always)]
pub const fn is_solicited_node(mac: Mac) -> bool {
    matches!(mac.octets(), [0x33, 0x33, 0xff, ..])
}

impl NdPacket {
    /// The address that this asks for, if it is a valid question (RFC 4861 section 7.1.1) to all who might have it.
    ///
    /// No question in this sense is a probe for a duplicate (source `::`), which every station is to hear; one to a
    /// unicast address, which asks whether that station is still there; one with other options or extension
    /// headers, a nonce (RFC 7527) or a signature (RFC 3971), which only the station can honour; and one whose
    /// checksum is wrong: it is corrupt, or a device is yet to complete it and would then spoil the answer.
    #[inline(always)]
    pub fn question(&self) -> Option<Addr> {
        let is_question = self.vcf[0] >> 4 == 6
            && self.payload_len == [0, MESSAGE_LEN]
            && self.next_hdr == ICMPV6
            && self.hop_limit == HOP_LIMIT
            && (self.kind, self.code) == (SOLICITATION, 0)
            && (self.option, self.option_len) == (SOURCE_LINK_ADDR, 1)
            && !self.source.is_none()
            && self.source != self.target
            && !self.source.is_multicast()
            && !self.target.is_multicast()
            && self.target.as_v4().is_none() // in the table that is IPv4
            && self.destination == self.target.solicited_node()
            && self.checksum() == self.check;
        is_question.then_some(self.target)
    }

    /// The advertisement that the station `mac`, which has the address in question, would have answered with: like
    /// the kernel's proxies (`vxlan_na_create`, `br_nd_send`), solicited and overriding.
    #[inline(always)]
    pub fn advertisement(&self, mac: Mac, router: bool) -> Self {
        let mut answer = Self {
            source: self.target,
            destination: self.source,
            kind: ADVERTISEMENT,
            flags: [SOLICITED | OVERRIDE | if router { ROUTER } else { 0 }, 0, 0, 0],
            option: TARGET_LINK_ADDR,
            link_addr: mac.octets(),
            ..*self
        };
        answer.check = answer.checksum();
        answer
    }

    /// The checksum that it ought to have (RFC 8200 section 8.1). Network order.
    #[inline(always)]
    fn checksum(&self) -> [u8; 2] {
        // In a sum of 16-bit words it does not matter which of them is where.
        let words = |addr: Addr| checksum::word(addr.words()[0]) + checksum::word(addr.words()[1]);
        let pair = |bytes: [u8; 2]| u64::from(u16::from_ne_bytes(bytes));
        let sum = words(self.source)
            + words(self.destination)
            + words(self.target)
            + checksum::word(Mac::new(self.link_addr).word())
            + u64::from(u32::from_ne_bytes(self.flags))
            + pair([0, MESSAGE_LEN])
            + pair([0, ICMPV6])
            + pair([self.kind, self.code])
            + pair([self.option, self.option_len]);
        checksum::of_words(sum)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ASKER: Addr = Addr::v6([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x42, 0, 0xff, 0xfe, 0, 0, 1]);
    const TARGET: Addr = Addr::v6([0xfd, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd, 0xef, 0x03]);
    const GROUP: Addr = Addr::v6([0xff; 16]);
    const MAC: Mac = Mac::new([2, 0x42, 0, 0, 0, 3]);

    /// The sum that a receiver makes, straight from RFC 1071: byte pairs of the pseudo-header and the message. It is
    /// all ones when the checksum is right.
    fn received_sum(packet: &NdPacket) -> u16 {
        let mut bytes = packet.source.octets().to_vec();
        bytes.extend(packet.destination.octets());
        bytes.extend([0, 0, 0, 32, 0, 0, 0, 58]);
        bytes.extend([packet.kind, packet.code]);
        bytes.extend(packet.check);
        bytes.extend(packet.flags);
        bytes.extend(packet.target.octets());
        bytes.extend([packet.option, packet.option_len]);
        bytes.extend(packet.link_addr);
        bytes.chunks(2).fold(0, |sum, pair| {
            let (sum, carry) = u16::overflowing_add(sum, u16::from_be_bytes([pair[0], pair[1]]));
            sum + u16::from(carry)
        })
    }

    /// With the checksum that makes the receiver's sum right.
    fn summed(mut packet: NdPacket) -> NdPacket {
        packet.check = [0; 2];
        packet.check = (!received_sum(&packet)).to_be_bytes();
        packet
    }

    fn solicitation(source: Addr, target: Addr) -> NdPacket {
        summed(NdPacket {
            vcf: [0x60, 0, 0, 0],
            payload_len: [0, 32],
            next_hdr: 58,
            hop_limit: 255,
            source,
            destination: target.solicited_node(),
            kind: 135,
            code: 0,
            check: [0; 2],
            flags: [0; 4],
            target,
            option: 1,
            option_len: 1,
            link_addr: [2, 0x42, 0, 0, 0, 1],
        })
    }

    fn question() -> NdPacket {
        solicitation(ASKER, TARGET)
    }

    #[test]
    fn a_solicitation_to_the_targets_group_asks_for_the_target() {
        let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xcd, 0xef, 0x03];
        assert_eq!(question().destination.octets(), group);
        assert_eq!(question().question(), Some(TARGET));
    }

    #[test]
    fn nothing_else_is_a_question() {
        let no = |packet: NdPacket, why: &str| assert_eq!(summed(packet).question(), None, "{why}");
        no(solicitation(Addr::NONE, TARGET), "a probe for a duplicate");
        no(solicitation(TARGET, TARGET), "from the target itself");
        no(solicitation(GROUP, TARGET), "from a group");
        no(solicitation(ASKER, GROUP), "for a group");
        no(solicitation(ASKER, Addr::v4([10, 0, 0, 1])), "for an IPv4 address");
        no(NdPacket { destination: TARGET, ..question() }, "to a station alone");
        no(NdPacket { destination: ASKER.solicited_node(), ..question() }, "to another group");
        no(NdPacket { hop_limit: 254, ..question() }, "by way of a router");
        no(NdPacket { next_hdr: 0, ..question() }, "behind an extension header");
        no(NdPacket { payload_len: [0, 40], ..question() }, "with another option");
        no(NdPacket { vcf: [0x40, 0, 0, 0], ..question() }, "not IPv6");
        no(NdPacket { kind: 136, ..question() }, "an advertisement");
        no(NdPacket { code: 1, ..question() }, "of a code that is not defined");
        no(NdPacket { option: 14, ..question() }, "with a nonce in the place of the address");
        no(NdPacket { option_len: 2, ..question() }, "with an option that is longer");
        let check = question().check;
        assert_eq!(NdPacket { check: [check[0], check[1] ^ 1], ..question() }.question(), None, "corrupt");
    }

    #[test]
    fn the_answer_speaks_for_the_target() {
        let answer = question().advertisement(MAC, false);
        assert_eq!((answer.source, answer.destination), (TARGET, ASKER));
        assert_eq!((answer.payload_len, answer.next_hdr, answer.hop_limit), ([0, 32], 58, 255));
        assert_eq!((answer.kind, answer.code, answer.flags), (136, 0, [0x60, 0, 0, 0]));
        assert_eq!((answer.target, answer.option, answer.option_len), (TARGET, 2, 1));
        assert_eq!(answer.link_addr, MAC.octets());
        assert_eq!(question().advertisement(MAC, true).flags, [0xe0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn checksums_are_right_on_both_ways(
            source: [u8; 16], target: [u8; 16], link_addr: [u8; 6], mac: [u8; 6], router: bool,
        ) {
            let question = summed(NdPacket { link_addr, ..solicitation(Addr::v6(source), Addr::v6(target)) });
            prop_assert_eq!(question.checksum(), question.check);
            prop_assert_eq!(received_sum(&question.advertisement(Mac::new(mac), router)), 0xffff);
        }
    }
}
