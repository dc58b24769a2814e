//! The FDB cache: where stations behind remotes are, each row in one cache line. A look-up in the FDB itself, a hash table
//! of the kernel's, waits for memory more than twice: for the bucket, and for each entry in it.
//!
//! The smaller it is, the more of it is near. So an entry has no room for the way to its remote: it says at which place that
//! is remembered ([`Towards::place`]), and a seal over all of it says whether what is found there is the one.
//!
//! What is cached holds while the generation stands still, as with decisions, and for half a minute at most, so that the FDB
//! gets to know which of its stations are sent to.

use bytemuck::{Pod, Zeroable};

use crate::{
    Mac, SECOND,
    counters::OTHER_SLOT,
    decision::{DECISIONS, DecisionKey},
    map_types,
};

/// The longest that the FDB is not asked. By so much `used` may be late, of a station that no decision is remembered of.
pub const LIFETIME: u64 = 30 * SECOND;

/// How many stations are in a row.
pub const WAYS: usize = 5;

/// How many rows there are for so many stations: with two and a half in each on average, three of a hundred find no room.
pub const fn rows(stations: u32) -> u32 {
    stations / 5 * 2 + 1
}

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

    /// The row among so many.
    #[inline(always)]
    pub const fn row(self, rows: u32) -> u32 {
        (((self.hash() >> 32) * rows as u64) >> 32) as u32
    }

    /// Bits in which it differs from most others of its row.
    #[inline(always)]
    const fn tag(self) -> u32 {
        (self.hash() << u32::BITS >> (u64::BITS - TAG_BITS)) as u32
    }

    /// The station's last bytes differ most, and so they go to the hash's first bits.
    #[inline(always)]
    const fn hash(self) -> u64 {
        let hash = self.0.wrapping_mul(0xff51_afd7_ed55_8ccd);
        (hash ^ (hash >> 32)).wrapping_mul(0xc4ce_b9fe_1a85_ec53)
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

    /// That of which this is the word.
    #[inline(always)]
    pub(crate) const fn from_word(word: u64) -> Self {
        Self(word)
    }

    /// The place of what is remembered of the remote, for TC.
    #[inline(always)]
    const fn place(self) -> u32 {
        DecisionKey::towards(false, self).place()
    }
}

/// A unit of the cache's time, as a shift of nanoseconds: some 270 ms.
const UNIT: u32 = 28;

const EXPIRES_BITS: u32 = 8;
const PLACE_BITS: u32 = DECISIONS.trailing_zeros();
const TAG_BITS: u32 = u32::BITS - PLACE_BITS - EXPIRES_BITS;

/// Value of `FDB_CACHE` (key: [`CacheKey::row`]): any stations that belong there, in one cache line. Written by the data path
/// only: by several CPUs at once, and without a lock, for each entry is sealed.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct CacheRow {
    /// The stations, mixed with all that is said of them, and with the generation.
    pub seals: [u64; WAYS],
    /// The tag of each, the place of the way to its remote, and the end of the time until which that holds, in units.
    pub hints: Hints,
}

/// The hints of a row, three words.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Hints {
    ways: [u32; WAYS],
    /// Zero.
    reserved: u32,
}

impl From<[u64; 3]> for Hints {
    /// Of its words.
    #[inline(always)]
    fn from(words: [u64; 3]) -> Self {
        bytemuck::cast(words)
    }
}

impl Hints {
    /// The only entry that may be a station's, if it has not expired: the first of its tag.
    #[inline(always)]
    pub const fn find(&self, key: CacheKey, now: u64) -> Option<Hint> {
        let mut way = 0;
        while way < WAYS {
            let word = self.ways[way];
            if tag(word) == key.tag() {
                let left = left(word, now);
                let hint = Hint { way, place: place(word), expires: unit(now).wrapping_add(left) };
                return if left == 0 { None } else { Some(hint) };
            }
            way += 1;
        }
        None
    }
}

/// What may be a station's entry. The way that is remembered at its place tells ([`Hint::seal`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Which of its row's entries it is about.
    pub way: usize,
    /// Where the way to the remote is remembered, for TC.
    pub place: u32,
    /// In units of the time.
    expires: u32,
}

impl Hint {
    /// The seal of its entry, if that is the station's, made in this generation, and that is the way to its remote.
    #[inline(always)]
    pub const fn seal(&self, key: CacheKey, generation: u64, towards: Towards) -> u64 {
        seal(key, generation, towards, self.expires)
    }

    /// Until when it holds.
    #[inline(always)]
    pub const fn until(&self) -> u64 {
        (self.expires as u64) << UNIT
    }
}

impl CacheRow {
    /// Enters a station, not after `now + LIFETIME`, instead of the one that would have been over first.
    #[inline(always)]
    pub const fn keep(&mut self, key: CacheKey, generation: u64, now: u64, expires: u64, towards: Towards) {
        let (mut way, mut first, mut shortest) = (0, 0, u32::MAX);
        while way < WAYS {
            let word = self.hints.ways[way];
            // Another of the same tag would not be found behind it.
            let left = if tag(word) == key.tag() { 0 } else { 1 + left(word, now) };
            if left < shortest {
                (first, shortest) = (way, left);
            }
            way += 1;
        }
        let expires = unit(expires);
        let said = key.tag() << (u32::BITS - TAG_BITS) | towards.place() << EXPIRES_BITS;
        self.seals[first] = seal(key, generation, towards, expires);
        self.hints.ways[first] = said | expires & ((1 << EXPIRES_BITS) - 1);
    }
}

#[inline(always)]
const fn tag(hint: u32) -> u32 {
    hint >> (u32::BITS - TAG_BITS)
}

#[inline(always)]
const fn place(hint: u32) -> u32 {
    hint << TAG_BITS >> (TAG_BITS + EXPIRES_BITS)
}

/// How long an entry still holds, in units of the time; 0 of one that is over. (Long after it was over it may seem to hold
/// again. Its seal knows better.)
#[inline(always)]
const fn left(hint: u32, now: u64) -> u32 {
    let left = hint.wrapping_sub(unit(now)) & ((1 << EXPIRES_BITS) - 1);
    // It may have been entered in a unit that had begun long before.
    if left <= unit(LIFETIME) + 1 { left } else { 0 }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "there are less than 2^32 units in 36 years")]
const fn unit(time: u64) -> u32 {
    (time >> UNIT) as u32
}

/// What an entry begins with. Of one that two CPUs wrote at once it is another.
///
/// Each that is said is spread over all bits, so that no two differences make up for each other: those of remotes of a VNI are
/// in 24 bits, and those of times whose hints are alike in as many.
#[inline(always)]
const fn seal(key: CacheKey, generation: u64, towards: Towards, expires: u32) -> u64 {
    let said = generation ^ seal_of_time(expires) ^ seal_of_towards(towards.0);
    key.0 ^ (said ^ (said >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[inline(always)]
const fn seal_of_time(expires: u32) -> u64 {
    (expires as u64).wrapping_mul(0x9fb2_1c65_1e98_df25)
}

#[inline(always)]
const fn seal_of_towards(word: u64) -> u64 {
    word.wrapping_mul(0xd6e8_feb8_6659_fd93)
}

map_types!(Hints = 24, CacheRow = 64);

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

    fn seals(row: &CacheRow, hint: &Hint, key: CacheKey, generation: u64, towards: Towards) -> bool {
        row.seals[hint.way] == hint.seal(key, generation, towards)
    }

    /// Of which of the remotes the way is that leads to a station.
    fn slot(row: &CacheRow, key: CacheKey, generation: u64, now: u64) -> Option<u32> {
        let hint = row.hints.find(key, now)?;
        (1..64).find(|slot| {
            let towards = towards(*slot);
            towards.place() == hint.place && seals(row, &hint, key, generation, towards)
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
        let until = row.hints.find(key(1), 95 * SECOND).expect("is there").until();
        assert!(until <= 100 * SECOND && until > 99 * SECOND);
        // Also when the units of the time have begun anew.
        let anew = 1 << (UNIT + EXPIRES_BITS);
        for later in [100 * SECOND, 99 * SECOND + anew, 99 * SECOND + 2 * anew] {
            assert_eq!(slot(&row, key(1), GENERATION, later), None, "{later}");
        }
    }

    #[test]
    fn a_station_is_found_from_the_moment_it_was_entered() {
        for now in (0..100).map(|n| 90 * SECOND + n * SECOND / 100) {
            let mut row = CacheRow::zeroed();
            row.keep(key(1), GENERATION, now, now + LIFETIME, towards(5));
            assert_eq!(slot(&row, key(1), GENERATION, now), Some(5), "{now}");
            assert_eq!(slot(&row, key(1), GENERATION, now + LIFETIME), None, "{now}");
        }
    }

    #[test]
    fn an_entry_says_at_which_place_the_way_to_its_remote_is_remembered() {
        for at_xdp in [false, true] {
            let mut row = CacheRow::zeroed();
            row.keep(key(1), GENERATION, 0, 20 * SECOND, towards(5));
            let remembered = DecisionKey::towards(at_xdp, towards(5));
            let hint = row.hints.find(key(1), SECOND).expect("is there");
            assert_eq!(DecisionKey::place_at(at_xdp, hint.place), remembered.place());
            let found = remembered.as_towards(at_xdp).expect("is the way to a remote");
            assert!(seals(&row, &hint, key(1), GENERATION, found));
            assert_eq!(remembered.as_towards(!at_xdp), None);
        }
    }

    #[test]
    fn a_row_is_full_of_stations_and_gives_up_the_one_that_is_over_first() {
        let mut row = CacheRow::zeroed();
        for (last, until) in [(1, 19), (2, 18), (3, 20), (4, 21), (5, 25), (6, 22)] {
            row.keep(key(last), GENERATION, 0, until * SECOND, towards(u32::from(last)));
        }
        let found = [1, 2, 3, 4, 5, 6].map(|last| slot(&row, key(last), GENERATION, SECOND));
        assert_eq!(found, [Some(1), None, Some(3), Some(4), Some(5), Some(6)]);
        // One that is over goes before others.
        row.keep(key(7), GENERATION, 20 * SECOND, 23 * SECOND, towards(7));
        let found = [1, 3, 4, 5, 6, 7].map(|last| slot(&row, key(last), GENERATION, 18 * SECOND));
        assert_eq!(found, [None, Some(3), Some(4), Some(5), Some(6), Some(7)]);
    }

    #[test]
    fn a_station_is_in_its_row_once() {
        let mut row = CacheRow::zeroed();
        for last in 1..=5 {
            row.keep(key(last), GENERATION, 0, 20 * SECOND, towards(u32::from(last)));
        }
        for generation in GENERATION + 1..GENERATION + 4 {
            row.keep(key(3), generation, 0, 25 * SECOND, towards(6));
            assert_eq!(slot(&row, key(3), generation, SECOND), Some(6));
        }
        let others = [1, 2, 4, 5].map(|last| slot(&row, key(last), GENERATION, SECOND));
        assert_eq!(others, [Some(1), Some(2), Some(4), Some(5)]);
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
            let torn = CacheRow { seals: other.seals, ..*one };
            let found = slot(&torn, key(1), GENERATION, SECOND);
            assert!(found.is_none() || rows.contains(&torn), "{torn:?}");
        }
    }

    #[test]
    fn a_dead_entry_is_not_sealed_for_another_remote_when_its_hint_seems_alive_again() {
        let dead = |units: u32, slot| seal(key(1), GENERATION, towards(slot), units);
        let seals: std::collections::HashSet<u64> = (0..64u32)
            .flat_map(|round| (1..=1024).map(move |slot| (round, slot)))
            .map(|(round, slot)| dead(7 + (round << EXPIRES_BITS), slot))
            .collect();
        assert_eq!(seals.len(), 64 * 1024);
        // Of all differences that may come together in 36 years, those of the times have bits that no slot's has.
        let (time, slot) = (seal_of_time(1 << EXPIRES_BITS), seal_of_towards(1 << 40));
        assert!(time.trailing_zeros() < 32 && slot.trailing_zeros() >= 40);
    }

    #[test]
    fn there_are_rows_for_any_number_of_stations() {
        for (stations, rows_of) in [(0, 1), (4, 1), (5, 3), (65_536, 26_215), (u32::MAX, 1_717_986_919)] {
            assert_eq!(rows(stations), rows_of, "{stations}");
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

    #[test]
    fn neighbouring_addresses_of_a_row_have_tags_that_differ() {
        let mut tags = std::collections::HashMap::<u32, Vec<u32>>::new();
        for n in 0..1u32 << 16 {
            let [_, _, a, b] = n.to_be_bytes();
            let key = CacheKey::new(1, Mac::new([2, 0x42, 0, 0, a, b])).expect("fits");
            tags.entry(key.row(rows(1 << 16))).or_default().push(key.tag());
        }
        let same = |tags: &Vec<u32>| {
            let different: std::collections::HashSet<_> = tags.iter().collect();
            tags.len() - different.len()
        };
        // Of pairs within a row, 65536 * 2.5 / 2 of them, one in 4096 by chance.
        let same: usize = tags.values().map(same).sum();
        assert!(same < 60, "{same}");
    }
}
