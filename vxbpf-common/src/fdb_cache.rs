//! The FDB cache: where stations behind remotes are, each row in one cache line. A look-up in the FDB itself, a hash table
//! of the kernel's, waits for memory more than twice: for the bucket, and for each entry in it.
//!
//! What is cached holds while the generation stands still, as with decisions, and for half a minute at most, so that the FDB
//! gets to know which of its stations are sent to.

use bytemuck::{Pod, Zeroable};

use crate::{Mac, SECOND, counters::OTHER_SLOT, map_types};

/// The longest that the FDB is not asked. By so much `used` may be late, of a station that no decision is remembered of.
pub const LIFETIME: u64 = 30 * SECOND;

/// What is looked up: a station in a VNI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheKey(u64);

impl CacheKey {
    /// Of a station, and a VNI by its slot. `None` for a slot that does not fit.
    #[inline(always)]
    pub const fn new(vni_slot: u32, mac: Mac) -> Option<Self> {
        if vni_slot > u16::MAX as u32 {
            return None;
        }
        Some(Self(u64::from_le(mac.word()) | (vni_slot as u64) << 48))
    }

    /// The row among so many. The station's last bytes differ most, and so they go to the hash's first bits.
    #[inline(always)]
    pub const fn row(self, rows: u32) -> u32 {
        let hash = self.0.wrapping_mul(0xff51_afd7_ed55_8ccd);
        let hash = (hash ^ (hash >> 32)).wrapping_mul(0xc4ce_b9fe_1a85_ec53) >> 32;
        ((hash * rows as u64) >> 32) as u32
    }
}

/// How frames get to a remote: its slot, the VNI that it knows them by, and its port. One word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Towards(u64);

impl Towards {
    /// `None` for a remote that has no slot of its own to be known by, or one that does not fit.
    #[inline(always)]
    pub const fn new(slot: u32, dst_vni: u32, dstport: [u8; 2]) -> Option<Self> {
        if slot == OTHER_SLOT || slot >> 24 != 0 || dst_vni >> 24 != 0 {
            return None;
        }
        Some(Self((slot as u64) << 40 | (dst_vni as u64) << 16 | u16::from_ne_bytes(dstport) as u64))
    }

    /// All of it.
    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.0
    }
}

/// A unit of the cache's time, as a shift of nanoseconds: some 17 ms.
const UNIT: u32 = 24;

/// Value of `FDB_CACHE` (key: [`CacheKey::row`]): any three stations that belong there, in one cache line. Written by the
/// data path only: by several CPUs at once, and without a lock, for each entry is sealed.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct CacheRow {
    /// The stations, mixed with all that is said of them, and with the generation.
    seals: [u64; 3],
    /// Where they are.
    towards: [u64; 3],
    /// Until when that holds, in units of the time.
    expires: [u32; 3],
    /// Zero.
    reserved: u32,
}

impl From<[u64; 8]> for CacheRow {
    /// Of its words.
    #[inline(always)]
    fn from(words: [u64; 8]) -> Self {
        bytemuck::cast(words)
    }
}

impl CacheRow {
    /// Where a station is, if that is known, in this generation and now, and until when that holds.
    #[inline(always)]
    pub const fn find(&self, key: CacheKey, generation: u64, now: u64) -> Option<(Towards, u64)> {
        let mut way = 0;
        while way < self.seals.len() {
            let (towards, expires) = (Towards(self.towards[way]), self.expires[way]);
            let left = left(expires, now);
            if self.seals[way] == seal(key, generation, towards, expires) && left != 0 {
                return Some((towards, ((now >> UNIT) + left as u64) << UNIT));
            }
            way += 1;
        }
        None
    }

    /// Enters a station, not after `now + LIFETIME`, instead of the one that would have been over first.
    #[inline(always)]
    pub const fn keep(&mut self, key: CacheKey, generation: u64, now: u64, expires: u64, towards: Towards) {
        let [a, b, c] = [left(self.expires[0], now), left(self.expires[1], now), left(self.expires[2], now)];
        let way = if a <= b && a <= c {
            0
        } else if b <= c {
            1
        } else {
            2
        };
        let expires = unit(expires);
        self.seals[way] = seal(key, generation, towards, expires);
        self.towards[way] = towards.0;
        self.expires[way] = expires;
    }
}

/// How long something still holds, in units of the time; 0 of what is over, however long ago.
#[inline(always)]
const fn left(expires: u32, now: u64) -> u32 {
    let left = expires.wrapping_sub(unit(now));
    if left <= unit(LIFETIME) { left } else { 0 }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "times are compared by their difference")]
const fn unit(time: u64) -> u32 {
    (time >> UNIT) as u32
}

/// What an entry begins with. Of one that two CPUs wrote at once it is another.
#[inline(always)]
const fn seal(key: CacheKey, generation: u64, towards: Towards, expires: u32) -> u64 {
    let said = generation ^ (expires as u64).rotate_left(31) ^ towards.0.wrapping_mul(0xd6e8_feb8_6659_fd93);
    key.0 ^ said.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

map_types!(CacheRow = 64);

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATION: u64 = 7;

    fn key(last: u8) -> CacheKey {
        CacheKey::new(3, Mac::new([2, 0, 0, 0, 0, last])).expect("fits")
    }

    fn towards(slot: u32) -> Towards {
        Towards::new(slot, 42, [0x12, 0xb5]).expect("fits")
    }

    fn slot(row: &CacheRow, key: CacheKey, generation: u64, now: u64) -> Option<u32> {
        row.find(key, generation, now).map(|(found, _)| {
            let slot = u32::try_from(found.word() >> 40).expect("24 bits");
            assert_eq!(found, towards(slot));
            slot
        })
    }

    #[test]
    fn a_station_is_found_in_its_generation_and_until_it_is_over() {
        let mut row = CacheRow::zeroed();
        row.keep(key(1), GENERATION, 90 * SECOND, 100 * SECOND, towards(5));
        assert_eq!(slot(&row, key(1), GENERATION, 99 * SECOND), Some(5));
        assert_eq!(slot(&row, key(2), GENERATION, 99 * SECOND), None);
        assert_eq!(slot(&row, key(1), GENERATION + 1, 99 * SECOND), None);
        let elsewhere = CacheKey::new(4, Mac::new([2, 0, 0, 0, 0, 1])).expect("fits");
        assert_eq!(slot(&row, elsewhere, GENERATION, 99 * SECOND), None);
        let until = row.find(key(1), GENERATION, 95 * SECOND).map(|(_, until)| until).expect("is there");
        assert!(until <= 100 * SECOND && until > 99 * SECOND);
        // Also when the units of the time have begun anew.
        for later in [100 * SECOND, (1 << 32) << UNIT] {
            assert_eq!(slot(&row, key(1), GENERATION, later), None);
        }
    }

    #[test]
    fn a_row_has_three_stations_and_gives_up_the_one_that_is_over_first() {
        let mut row = CacheRow::zeroed();
        for (last, until) in [(1, 19), (2, 18), (3, 20), (4, 21)] {
            row.keep(key(last), GENERATION, 0, until * SECOND, towards(u32::from(last)));
        }
        let found = [1, 2, 3, 4].map(|last| slot(&row, key(last), GENERATION, SECOND));
        assert_eq!(found, [Some(1), None, Some(3), Some(4)]);
        // One that is over goes before others.
        row.keep(key(5), GENERATION, 20 * SECOND, 22 * SECOND, towards(5));
        let found = [3, 4, 5].map(|last| slot(&row, key(last), GENERATION, 19 * SECOND));
        assert_eq!(found, [Some(3), Some(4), Some(5)]);
    }

    #[test]
    fn what_two_cpus_wrote_at_once_is_nothing() {
        let row = |slot, until| {
            let mut row = CacheRow::zeroed();
            row.keep(key(1), GENERATION, 0, until * SECOND, towards(slot));
            row
        };
        let rows = [row(5, 20), row(6, 20), row(5, 21), row(6, 21)];
        for (one, other) in rows.iter().flat_map(|one| rows.iter().map(move |other| (one, other))) {
            let torn = [
                CacheRow { seals: other.seals, ..*one },
                CacheRow { towards: other.towards, ..*one },
                CacheRow { expires: other.expires, ..*one },
            ];
            for torn in torn.iter().filter(|torn| *torn != one && *torn != other) {
                let found = slot(torn, key(1), GENERATION, SECOND);
                assert!(found.is_none() || rows.contains(torn), "{torn:?}");
            }
        }
    }

    #[test]
    fn nothing_is_known_by_a_slot_that_others_share() {
        assert_eq!(Towards::new(OTHER_SLOT, 42, [0; 2]), None);
        assert_eq!(Towards::new(1 << 24, 42, [0; 2]), None);
        assert_eq!(CacheKey::new(1 << 16, Mac::ZERO), None);
    }

    #[test]
    fn neighbouring_addresses_spread_over_the_rows() {
        let rows: std::collections::HashSet<u32> = (0..1024u32)
            .map(|n| {
                let [_, _, a, b] = n.to_be_bytes();
                CacheKey::new(1, Mac::new([2, 0x42, 0, 0, a, b])).expect("fits").row(3000)
            })
            .collect();
        assert!(rows.iter().all(|row| *row < 3000));
        // As many as chance would have it: 3000 (1 - e^(-1024/3000)) = 868.
        assert!(rows.len() > 820, "{}", rows.len());
    }
}
