//! Decisions that are remembered. Where a frame goes depends on six tables, and seldom changes: what a walk found out
//! holds for the next frame between the same two stations, until a table changes or a time is due to be written. A
//! station that sends to more others than can be remembered needs the FDB, or its cache (`vxbpf_common::fdb_cache`), and what
//! is known of itself and of the remote.
//!
//! A walk lowers the account's `until` with each thing it finds that will not be so for ever: the refresh of a station
//! that is heard, the expiry of one that is sent to, the next hop. So a decision ends before the full walk would have
//! done anything else, and what ages, moves or is counted does so as without it.

use aya_ebpf::helpers::bpf_jiffies64;
use vxbpf_common::decision::{Decision, DecisionKey, NOTHING, SHORTEST};

use crate::{account::Account, flow, maps};

/// The generation of the tables that a decision about frames of a VNI is made from: moved by every change of user space
/// and by every station of the VNI that moves. To be read before the tables are.
#[inline(always)]
pub(crate) fn generation(vni_slot: u32) -> u64 {
    // Both only grow, so the sum is another one when either moved.
    maps::generation().wrapping_add(maps::generation_of(vni_slot))
}

/// What is remembered under a key.
#[inline(always)]
pub(crate) fn find(key: &DecisionKey) -> Option<&'static mut Decision> {
    let known = maps::decision(key.place())?;
    (known.key == *key && stands(known)).then_some(known)
}

/// What is remembered at a place, under whatever key, if it stands.
#[inline(always)]
pub(crate) fn at(place: u32) -> Option<&'static mut Decision> {
    let known = maps::decision(place)?;
    stands(known).then_some(known)
}

/// Whether there was a decision for that key in its place, whether or not it stands.
#[inline(always)]
pub(crate) fn was_known(key: &DecisionKey) -> bool {
    maps::decision(key.place()).is_some_and(|known| known.key == *key)
}

#[inline(always)]
fn stands(known: &Decision) -> bool {
    tick() < known.expires && known.generation == generation(known.vni_slot)
}

/// Ticks of the timer: to read them is one load (`do_misc_fixups` of kernel/bpf/verifier.c), where the time is a call.
#[inline(always)]
fn tick() -> u64 {
    // SAFETY: takes nothing.
    unsafe { bpf_jiffies64() }
}

/// The tick at which a time has surely not come yet, however many there are in a second: at least a hundred.
#[inline(always)]
pub(crate) fn tick_before(until: u64, now: u64) -> u64 {
    tick() + until.saturating_sub(now) / SHORTEST
}

/// A place for what was found out about frames between two stations, unless it holds something that stands: or frames
/// to more destinations than there are places would do nothing but push out each other.
#[inline(always)]
pub(crate) fn free(key: &DecisionKey) -> Option<&'static mut Decision> {
    let known = maps::decision(key.place())?;
    (known.key == *key || !stands(known)).then_some(known)
}

/// Remembers the account's decision for frames between its two stations.
#[inline(always)]
pub(crate) fn keep(key: DecisionKey, account: &Account) {
    if let Some(place) = free(&key) {
        let expires = tick_before(account.until, account.now);
        *place = remembered(key, account, expires);
    }
}

/// Remembers what holds for all frames of a station, or for all to a remote, whatever else is in its place.
#[inline(always)]
pub(crate) fn keep_part(key: DecisionKey, account: &Account, verdict: u32, until: u64) {
    let Some(place) = maps::decision(key.place()) else { return };
    let expires = tick_before(until, account.now);
    *place = remembered(key, account, expires);
    place.verdict = verdict;
}

#[inline(always)]
fn remembered(key: DecisionKey, account: &Account, expires: u64) -> Decision {
    // The packet that walked has its number from the account.
    Decision { key, expires, generation: account.generation, id: flow::fresh_id(), ..account.decision }
}

/// What a remembered decision comes to.
#[derive(Clone, Copy)]
pub struct Next {
    /// One of `vxbpf_common::decision`, or `NOTHING`: nothing is remembered; the frame is as it was.
    pub verdict: u32,
    /// The interface.
    pub out: u32,
}

impl Next {
    /// Nothing is remembered.
    pub(crate) const UNKNOWN: Self = Self { verdict: NOTHING, out: 0 };

    #[inline(always)]
    pub(crate) fn new(verdict: u32, out: u32) -> Self {
        Self { verdict, out }
    }

    /// In one register, as a function of its own may return it.
    #[inline(always)]
    pub(crate) fn packed(self) -> u64 {
        u64::from(self.verdict) << 32 | u64::from(self.out)
    }

    /// Of what [`Next::packed`] gave.
    #[inline(always)]
    pub(crate) fn unpacked(packed: u64) -> Self {
        Self { verdict: (packed >> 32) as u32, out: packed as u32 }
    }
}
