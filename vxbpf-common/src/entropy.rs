//! Entropy: a hash of the inner flow as the UDP source port, so that routers and NICs can spread flows
//! (RFC 7348 section 5, RFC 8085 section 5.1.1). Both hooks must give a flow the same port, so it is
//! made from bytes of the frame alone.

/// First port of the range RFC 6335 leaves to be used freely.
pub const FIRST_PORT: u16 = 49152;

/// A running hash of 64-bit words.
#[derive(Clone, Copy)]
pub struct Hash(u64);

impl Hash {
    /// A hash that has seen nothing.
    #[inline]
    pub const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// Takes in a word: xor, multiply, fold, as in the finalisers of murmur3 and splitmix64.
    #[inline]
    pub const fn word(self, word: u64) -> Self {
        let h = (self.0 ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        Self(h ^ (h >> 32))
    }

    /// The source port, in 49152..=65535, network order.
    #[inline]
    pub const fn srcport(self) -> [u8; 2] {
        let h = self.0.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        (FIRST_PORT | (h >> 50) as u16).to_be_bytes()
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_flow_has_a_port_of_the_free_range_and_always_the_same(a: u64, b: u64) {
            let port = Hash::new().word(a).word(b).srcport();
            prop_assert!(u16::from_be_bytes(port) >= FIRST_PORT);
            prop_assert_eq!(port, Hash::new().word(a).word(b).srcport());
        }
    }

    #[test]
    fn a_thousand_neighbouring_flows_spread_over_the_range() {
        let mut ports: Vec<_> = (0..1000u64)
            .map(|i| Hash::new().word(0x0a00_0001_0a00_0002).word(i))
            .map(Hash::srcport)
            .collect();
        ports.sort_unstable();
        ports.dedup();
        // 1000 balls in 16384 bins hit 970 different ones on average.
        assert!(ports.len() > 930, "{} different ports", ports.len());
        let low = ports.iter().filter(|p| u16::from_be_bytes(**p) < FIRST_PORT + 8192).count();
        assert!((350..650).contains(&low), "{low} in the lower half");
    }
}
