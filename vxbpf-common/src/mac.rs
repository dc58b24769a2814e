//! A MAC address.

use bytemuck::{Pod, Zeroable};

/// An IEEE 802 MAC address: its six bytes in memory order, and two zero bytes. One word, because the path
/// compares and copies it at every step, and because the verifier wants the stack accessed in aligned words.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct Mac(u64);

impl Mac {
    /// All zeros: no station's address; as an FDB key it stands for the flood list.
    pub const ZERO: Self = Self::new([0; 6]);
    /// All ones.
    pub const BROADCAST: Self = Self::new([0xff; 6]);

    /// The address of those bytes.
    #[inline(always)]
    pub const fn new(m: [u8; 6]) -> Self {
        Self(u64::from_ne_bytes([m[0], m[1], m[2], m[3], m[4], m[5], 0, 0]))
    }

    /// The address that a word of memory begins with.
    #[inline(always)]
    pub const fn first_of(word: u64) -> Self {
        Self((u64::from_le(word) & 0xffff_ffff_ffff).to_le())
    }

    /// The six bytes.
    #[inline(always)]
    pub const fn octets(self) -> [u8; 6] {
        let [a, b, c, d, e, f, _, _] = self.0.to_ne_bytes();
        [a, b, c, d, e, f]
    }

    /// The bytes as one word, for hashing.
    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// Group bit set: multicast or broadcast, never a station (IEEE 802-2014 section 8.2.2).
    #[inline(always)]
    pub const fn is_group(self) -> bool {
        self.0.to_ne_bytes()[0] & 1 != 0
    }

    /// All zeros.
    #[inline(always)]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// May be the source of a frame: neither group nor zero (as the kernel's `is_valid_ether_addr`).
    #[inline(always)]
    pub const fn is_station(self) -> bool {
        !self.is_group() && !self.is_zero()
    }
}

crate::map_types!(Mac = 8);

#[cfg(feature = "user")]
mod text {
    use std::{cmp::Ordering, fmt, str::FromStr};

    use super::Mac;

    /// What is wrong with the text of a MAC address.
    #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
    #[error("{0:?} is not a MAC address: six bytes in hex, as in 02:42:c0:a8:00:02")]
    pub struct ParseMacError(String);

    impl FromStr for Mac {
        type Err = ParseMacError;

        fn from_str(s: &str) -> Result<Self, ParseMacError> {
            let err = || ParseMacError(s.to_owned());
            if let Some(mac) = usual(s) {
                return Ok(mac);
            }
            let separator = if s.contains('-') { '-' } else { ':' };
            let mut mac = [0; 6];
            let mut parts = s.split(separator);
            for byte in &mut mac {
                let part = parts.next().ok_or_else(err)?;
                if part.is_empty() || part.len() > 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(err());
                }
                *byte = u8::from_str_radix(part, 16).map_err(|_| err())?;
            }
            if parts.next().is_some() { Err(err()) } else { Ok(Self::new(mac)) }
        }
    }

    /// The address of a text in the usual form, as in 02:42:c0:a8:00:02. Files hold a million of them.
    fn usual(text: &str) -> Option<Mac> {
        let [a, b, b':', c, d, b':', e, f, b':', g, h, b':', i, j, b':', k, l] = *text.as_bytes() else {
            return None;
        };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let byte = |high, low| Some(digit(high)? << 4 | digit(low)?);
        Some(Mac::new([byte(a, b)?, byte(c, d)?, byte(e, f)?, byte(g, h)?, byte(i, j)?, byte(k, l)?]))
    }

    impl Ord for Mac {
        fn cmp(&self, other: &Self) -> Ordering {
            // As words whose first byte counts most.
            self.0.to_be().cmp(&other.0.to_be())
        }
    }

    impl PartialOrd for Mac {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl fmt::Display for Mac {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let [a, b, c, d, e, g] = self.octets();
            f.pad(&format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"))
        }
    }
}
#[cfg(feature = "user")]
pub use text::ParseMacError;

impl core::fmt::Debug for Mac {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:02x?}", self.octets())
    }
}
