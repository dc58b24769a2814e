//! Decisions that the data path remembers: where frames between two stations go, so that the next one needs no
//! look-up but this.

use bytemuck::{Pod, Zeroable};

use crate::{Addr, Mac, SECOND, Vni, fdb_cache::Towards, map_types, vni::Marks};

/// The longest that a decision is believed before the tables are asked again.
pub const LIFETIME: u64 = SECOND;

/// The shortest that a decision can be remembered: the longest tick that the kernel's timer may have. What is due sooner
/// is done at once, or every frame would take the whole walk until it is.
pub const SHORTEST: u64 = SECOND / 100;

/// How many decisions each CPU remembers, those that share a place one at a time.
pub const DECISIONS: u32 = 4096;

/// What a decision is about, and the hook, because one can do what the other cannot: all frames between two stations, all
/// from one, or all to a remote.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct DecisionKey {
    high: u64,
    low: u64,
}

/// From the underlay; the rest is the VNI.
const FROM_UNDERLAY: u32 = 1 << 31;
/// In the XDP hook.
const AT_XDP: u32 = 1 << 30;
/// To a remote; the rest is the VNI.
const TO_REMOTE: u32 = 1 << 29;

/// To a remote, known by its slot.
const BY_SLOT: u32 = 1 << 28;

impl DecisionKey {
    /// Of frames from a port, from one station to another. `None` for an interface that nobody has, of a number as large
    /// as the bits that mean something else.
    #[inline(always)]
    pub const fn from_port(ifindex: u32, at_xdp: bool, src: Mac, dst: Mac) -> Option<Self> {
        if ifindex < TO_REMOTE { Some(Self::new(ifindex, at_xdp, src, dst)) } else { None }
    }

    /// Of all frames from a station behind a port.
    #[inline(always)]
    pub const fn from_station(ifindex: u32, at_xdp: bool, src: Mac) -> Option<Self> {
        Self::from_port(ifindex, at_xdp, src, Mac::ZERO)
    }

    /// Of frames of a VNI from the underlay.
    #[inline(always)]
    pub const fn from_underlay(vni: Vni, at_xdp: bool, src: Mac, dst: Mac) -> Self {
        Self::new(vni.get() | FROM_UNDERLAY, at_xdp, src, dst)
    }

    /// Of all frames to a remote.
    #[inline(always)]
    pub const fn towards(at_xdp: bool, remote: Towards) -> Self {
        let to = TO_REMOTE | BY_SLOT | if at_xdp { AT_XDP } else { 0 };
        Self { high: remote.word(), low: (to as u64) << 32 }
    }

    /// How the frames get to a remote that is known by its slot, if that is what this is about, and the hook.
    #[inline(always)]
    pub const fn as_towards(&self, at_xdp: bool) -> Option<Towards> {
        let towards = Towards::from_word(self.high);
        if self.low == Self::towards(at_xdp, towards).low { Some(towards) } else { None }
    }

    /// Of all frames to a remote that has no slot of its own. The decision has the whole address.
    #[inline(always)]
    pub const fn to_remote(at_xdp: bool, remote: Addr, dst_vni: u32, dstport: [u8; 2]) -> Self {
        let [high, low] = remote.words();
        let to = dst_vni | TO_REMOTE | if at_xdp { AT_XDP } else { 0 };
        Self { high: high ^ low, low: u16::from_ne_bytes(dstport) as u64 | (to as u64) << 32 }
    }

    #[inline(always)]
    const fn new(from: u32, at_xdp: bool, src: Mac, dst: Mac) -> Self {
        let from = if at_xdp { from | AT_XDP } else { from };
        // A MAC is the first six bytes of its word, the rest is zero.
        let (src, dst) = (u64::from_le(src.word()), u64::from_le(dst.word()));
        Self { high: dst | src << 48, low: src >> 16 | (from as u64) << 32 }
    }

    /// Whether the frames are for a group: there are no decisions of those.
    #[inline(always)]
    pub const fn is_to_group(&self) -> bool {
        // The first bit of the destination (`Self::new`).
        self.high & 1 != 0
    }

    /// The place of its decision among `DECISIONS`.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "twelve bits are left")]
    pub const fn place(&self) -> u32 {
        // The two topmost bits go: the hook makes its difference below, and an interface and a VNI of one number may share a place.
        const { assert!(FROM_UNDERLAY | AT_XDP == 0b11 << 30) };
        let hash = self.high.wrapping_mul(0xff51_afd7_ed55_8ccd) ^ (self.low << 2);
        let place = (hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53) >> (64 - DECISIONS.trailing_zeros())) as u32;
        Self::place_at(self.low & (AT_XDP as u64) << 32 != 0, place)
    }

    /// The place in a hook of what has that place at TC.
    #[inline(always)]
    pub const fn place_at(at_xdp: bool, place: u32) -> u32 {
        place ^ at_xdp as u32
    }
}

/// Value of `DECISIONS` (key: [`DecisionKey::place`], per CPU). Written by the data path only.
///
/// It stands while the tick is before `expires` and the generation is the one it was made in.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Decision {
    /// Which frames it is for.
    pub key: DecisionKey,
    /// The tick of the timer (jiffies) from which on it is not believed.
    pub expires: u64,
    /// The generation of the tables.
    pub generation: u64,
    /// The VTEP that the frames go to, or come from.
    pub remote: Addr,
    /// Our address that they come from, or go to.
    pub local: Addr,
    /// Of the VNI, for all frames of a station: how long others live.
    pub ageing: u64,
    /// The outer headers that the frames get, as far as all get the same (`outer::Outer::template`); from the underlay, those of
    /// the first of them (`outer::Outer::is_like`).
    pub outer: [u64; 9],
    /// `PASS`, `PORT`, `PEER`, `UNDERLAY` or `LOOK_UP`.
    pub verdict: u32,
    /// The interface they leave by.
    pub out: u32,
    /// The MTU of the way: of outer IP packets, or of the port.
    pub mtu: u32,
    /// The sum of the addresses of `outer`.
    pub address_sum: u32,
    /// Counters of the VNI.
    pub vni_slot: u32,
    /// Counters of the VTEP.
    pub vtep_slot: u32,
    /// Counters of the port they came from.
    pub port_slot: u32,
    /// Counters of the port they go to.
    pub out_slot: u32,
    /// What the outer headers say beside.
    pub marks: Marks,
    /// UDP destination port, network order.
    pub dstport: [u8; 2],
    /// Identification of the next outer IP packet.
    pub id: u16,
    /// The VNI.
    pub vni: u32,
}

/// Not remembered.
pub const NOTHING: u32 = 0;
/// Nothing that this hook can do: the next one gets it.
pub const PASS: u32 = 1;
/// To a local port.
pub const PORT: u32 = 2;
/// To a local port that is a veth, straight into the pod at its other end.
pub const PEER: u32 = 3;
/// To the underlay.
pub const UNDERLAY: u32 = 4;
/// Where the destination is.
pub const LOOK_UP: u32 = 5;
/// Nowhere: the kernel could not remove the outer headers. Never remembered.
pub const DROPPED: u32 = 6;

map_types!(DecisionKey = 16, Decision = 192);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_differ_in_anything_have_keys_that_differ() {
        let (a, b) = (Mac::new([2, 0, 0, 0, 0, 1]), Mac::new([2, 0, 0, 0, 0, 2]));
        let vni = |number| Vni::new(number).expect("fits");
        let port =
            |ifindex, at_xdp, src, dst| DecisionKey::from_port(ifindex, at_xdp, src, dst).expect("fits");
        let remote = Addr::v4([192, 168, 104, 2]);
        let keys = [
            port(7, false, a, b),
            port(7, false, b, a),
            port(8, false, a, b),
            port(7, true, a, b),
            DecisionKey::from_station(7, false, a).expect("fits"),
            DecisionKey::to_remote(false, remote, 7, [0; 2]),
            DecisionKey::to_remote(true, remote, 7, [0; 2]),
            DecisionKey::to_remote(false, remote, 8, [0; 2]),
            DecisionKey::to_remote(false, remote, 7, [0, 1]),
            DecisionKey::to_remote(false, Addr::v4([192, 168, 104, 3]), 7, [0; 2]),
            DecisionKey::towards(false, Towards::new(9, 7, [0; 2]).expect("fits")),
            DecisionKey::towards(true, Towards::new(9, 7, [0; 2]).expect("fits")),
            DecisionKey::towards(false, Towards::new(9, 8, [0; 2]).expect("fits")),
            DecisionKey::towards(false, Towards::new(9, 7, [0, 1]).expect("fits")),
            DecisionKey::towards(false, Towards::new(10, 7, [0; 2]).expect("fits")),
            DecisionKey::from_underlay(vni(7), false, a, b),
            DecisionKey::from_underlay(vni(7), true, a, b),
            DecisionKey::from_underlay(vni(Vni::MAX), false, a, b),
            port(7, false, Mac::new([3, 0, 0, 0, 0, 1]), b),
            port(7, false, a, Mac::new([2, 0, 0, 0, 0, 0xff])),
        ];
        assert!(DecisionKey::from_port(u32::MAX, false, a, b).is_none());
        assert!(!port(7, false, a, b).is_to_group());
        assert!(port(7, false, a, Mac::BROADCAST).is_to_group());
        assert!(port(7, false, a, Mac::new([0x33, 0x33, 0, 0, 0, 1])).is_to_group());
        for (i, key) in keys.iter().enumerate() {
            assert!(key.place() < DECISIONS);
            for other in &keys[i + 1..] {
                assert_ne!(key, other);
            }
        }
    }

    #[test]
    fn neighbouring_addresses_spread_over_the_places() {
        let places = |ifindex: u32| {
            let [_, _, a, b] = ifindex.to_be_bytes();
            let src = Mac::new([2, 0, 0, b, a, b]);
            let places: std::collections::HashSet<u32> = (0..1024u32)
                .map(|n| {
                    let [_, _, a, b] = n.to_be_bytes();
                    let key = DecisionKey::from_port(ifindex, false, src, Mac::new([2, 0x42, 0, 0, a, b]));
                    key.expect("fits").place()
                })
                .collect();
            places.len()
        };
        // As many as chance would have it: 4096 (1 - e^(-1/4)) = 906.
        let average = (1..=64).map(places).sum::<usize>() / 64;
        assert!(average > 880, "{average}");
    }
}
