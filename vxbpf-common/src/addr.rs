//! An IP address of either family in 16 bytes, as maps key it.

use bytemuck::{Pod, Zeroable};

use crate::Mac;

/// IPv6, or IPv4 in its mapped form `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2): the sixteen bytes in
/// network order, as two words.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct Addr {
    high: u64,
    low: u64,
}

/// The bytes before a mapped IPv4 address, as far as they are in its word.
const V4_MAPPED: [u8; 4] = [0, 0, 0xff, 0xff];

impl Addr {
    /// `::`, which stands for "none".
    pub const NONE: Self = Self { high: 0, low: 0 };

    /// An IPv4 address.
    #[inline(always)]
    pub const fn v4(a: [u8; 4]) -> Self {
        let [m, n, o, p] = V4_MAPPED;
        Self { high: 0, low: u64::from_ne_bytes([m, n, o, p, a[0], a[1], a[2], a[3]]) }
    }

    /// An IPv6 address. A mapped one means the IPv4 address.
    #[inline(always)]
    pub const fn v6(addr: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = addr;
        Self {
            high: u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            low: u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
        }
    }

    /// Of two words, as [`Addr::words`] gives them.
    #[inline(always)]
    pub const fn of_words([high, low]: [u64; 2]) -> Self {
        Self { high, low }
    }

    /// The sixteen bytes.
    pub const fn octets(&self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.high.to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = self.low.to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// The sixteen bytes as four words in network order, as the kernel's structures have them.
    #[inline(always)]
    pub const fn quarters(&self) -> [u32; 4] {
        let [a, b, c, d, e, f, g, h] = self.high.to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = self.low.to_ne_bytes();
        [
            u32::from_ne_bytes([a, b, c, d]),
            u32::from_ne_bytes([e, f, g, h]),
            u32::from_ne_bytes([i, j, k, l]),
            u32::from_ne_bytes([m, n, o, p]),
        ]
    }

    /// The IPv4 address, when it is one.
    #[inline(always)]
    pub fn as_v4(&self) -> Option<[u8; 4]> {
        let [m, n, o, p, a, b, c, d] = self.low.to_ne_bytes();
        if self.high == 0 && [m, n, o, p] == V4_MAPPED { Some([a, b, c, d]) } else { None }
    }

    /// Whether packets can be sent to many by this address (RFC 5771, RFC 4291 section 2.7).
    #[inline(always)]
    pub fn is_multicast(&self) -> bool {
        match self.as_v4() {
            Some([a, ..]) => a & 0xf0 == 0xe0,
            None => self.high.to_ne_bytes()[0] == 0xff,
        }
    }

    /// Whether a host may have it: not none, not of the loopback, no group, no broadcast. The kernel takes packets from no
    /// other (`ip_route_input_slow`, where the rest of 0.0.0.0/8 is fine since Linux 5.3; `ipv6_rcv`).
    #[inline(always)]
    pub fn is_host(&self) -> bool {
        const LOOPBACK: Addr = Addr { high: 0, low: u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0, 1]) };
        match self.as_v4() {
            Some(addr) => !matches!(addr, [0, 0, 0, 0] | [127 | 224..=239, ..] | [255, 255, 255, 255]),
            None => !self.is_multicast() && *self != LOOPBACK && *self != Self::NONE,
        }
    }

    /// The Ethernet address of a multicast group (RFC 1112 section 6.4, RFC 2464 section 7).
    #[inline(always)]
    pub fn group_mac(&self) -> Mac {
        let [_, _, _, _, a, b, c, d] = self.low.to_ne_bytes();
        match self.as_v4() {
            Some(_) => Mac::new([0x01, 0x00, 0x5e, b & 0x7f, c, d]),
            None => Mac::new([0x33, 0x33, a, b, c, d]),
        }
    }

    /// The sixteen bytes as two words, for hashing and summing.
    #[inline(always)]
    pub const fn words(&self) -> [u64; 2] {
        [self.high, self.low]
    }

    /// The group that a station with this address listens to (RFC 4291 section 2.7.1).
    #[inline(always)]
    pub const fn solicited_node(&self) -> Self {
        const HIGH: u64 = u64::from_ne_bytes([0xff, 2, 0, 0, 0, 0, 0, 0]);
        const LOW: u64 = u64::from_ne_bytes([0, 0, 0, 1, 0xff, 0, 0, 0]);
        const STATION: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0, 0xff, 0xff, 0xff]);
        Self { high: HIGH, low: LOW | self.low & STATION }
    }

    /// Whether this is [`Addr::NONE`].
    #[inline(always)]
    pub const fn is_none(&self) -> bool {
        self.high == 0 && self.low == 0
    }
}

impl core::fmt::Debug for Addr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::net::Ipv6Addr::from(self.octets()).fmt(f)
    }
}

crate::map_types!(Addr = 16);

#[cfg(feature = "user")]
mod text {
    use std::{
        cmp::Ordering,
        fmt,
        net::{IpAddr, Ipv6Addr},
        str::FromStr,
    };

    use super::Addr;

    /// What is wrong with the text of an address.
    #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
    #[error("{0:?} is not an IP address")]
    pub struct ParseAddrError(String);

    impl From<IpAddr> for Addr {
        fn from(ip: IpAddr) -> Self {
            match ip {
                IpAddr::V4(ip) => Self::v4(ip.octets()),
                IpAddr::V6(ip) => Self::v6(ip.octets()),
            }
        }
    }

    impl From<Addr> for IpAddr {
        fn from(addr: Addr) -> Self {
            Ipv6Addr::from(addr.octets()).to_canonical()
        }
    }

    impl FromStr for Addr {
        type Err = ParseAddrError;

        fn from_str(s: &str) -> Result<Self, ParseAddrError> {
            s.parse::<IpAddr>().map(Self::from).map_err(|_| ParseAddrError(s.to_owned()))
        }
    }

    impl Ord for Addr {
        fn cmp(&self, other: &Self) -> Ordering {
            self.octets().cmp(&other.octets())
        }
    }

    impl PartialOrd for Addr {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl fmt::Display for Addr {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            IpAddr::from(*self).fmt(f)
        }
    }
}
#[cfg(feature = "user")]
pub use text::ParseAddrError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_no_address_that_stands_for_nobody_itself_or_many() {
        let last = |first, last| {
            let mut octets = [0; 16];
            (octets[0], octets[15]) = (first, last);
            Addr::v6(octets)
        };
        for v4 in
            [[192, 168, 104, 9], [0, 0, 0, 9], [126, 0, 0, 1], [128, 0, 0, 1], [223, 1, 1, 1], [240, 0, 0, 1]]
        {
            assert!(Addr::v4(v4).is_host(), "{v4:?}");
        }
        for v4 in [[0; 4], [127, 0, 0, 1], [224, 0, 0, 1], [239, 1, 1, 1], [255; 4]] {
            assert!(!Addr::v4(v4).is_host(), "{v4:?}");
        }
        assert!(last(0xfd, 1).is_host() && last(0xfe, 1).is_host() && last(0, 2).is_host());
        assert!(!last(0, 1).is_host() && !last(0xff, 1).is_host() && !Addr::NONE.is_host());
    }

    #[test]
    fn an_ipv4_address_comes_back_and_an_ipv6_one_is_none() {
        assert_eq!(Addr::v4([192, 0, 2, 1]).as_v4(), Some([192, 0, 2, 1]));
        assert_eq!(Addr::v6([0x20; 16]).as_v4(), None);
        assert_eq!(Addr::NONE.as_v4(), None);
    }

    #[test]
    fn groups_of_both_families_are_told_from_stations_and_have_their_ethernet_address() {
        let v6 = |first, last: [u8; 4]| {
            let mut octets = [0; 16];
            octets[0] = first;
            octets[12..].copy_from_slice(&last);
            Addr::v6(octets)
        };
        let rows = [
            (Addr::v4([224, 0, 0, 1]), Some([1, 0, 0x5e, 0, 0, 1])),
            (Addr::v4([239, 129, 2, 3]), Some([1, 0, 0x5e, 1, 2, 3])),
            (v6(0xff, [1, 2, 3, 4]), Some([0x33, 0x33, 1, 2, 3, 4])),
            (Addr::v4([223, 255, 255, 255]), None),
            (Addr::v4([240, 0, 0, 1]), None),
            (v6(0xfe, [0, 0, 0, 1]), None),
            (Addr::NONE, None),
        ];
        for (addr, mac) in rows {
            assert_eq!(addr.is_multicast(), mac.is_some(), "{addr:?}");
            assert!(mac.is_none_or(|mac| addr.group_mac() == Mac::new(mac)), "{addr:?}");
        }
    }
}
