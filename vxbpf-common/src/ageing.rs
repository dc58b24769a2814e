//! When an FDB entry stops to count. Enforced at lookup, so it holds without the daemon.

use crate::{SECOND, decision::SHORTEST};

/// How stale a stored time may be before it is written again: times on the fast path are written at
/// most once a second or a hundredth sooner, so that a busy station does not bounce a cache line between CPUs.
pub const REFRESH: u64 = SECOND;

/// Whether an entry last refreshed at `updated` has expired by `now`, given the VNI's `ageing` (all in
/// nanoseconds; `ageing` 0 never expires). A clock that seems to run backwards, as it may between
/// CPUs, expires nothing.
#[inline]
pub const fn expired(updated: u64, now: u64, ageing: u64) -> bool {
    ageing != 0 && now.saturating_sub(updated) > ageing
}

/// Whether a stored time is due to be written again, before a decision that ends with it would be too short to remember.
#[inline]
pub const fn stale(updated: u64, now: u64) -> bool {
    now.saturating_sub(updated) >= REFRESH - SHORTEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_lives_exactly_its_ageing_time() {
        assert!(!expired(10, 310, 300));
        assert!(expired(10, 311, 300));
    }

    #[test]
    fn ageing_zero_and_a_clock_running_backwards_expire_nothing() {
        assert!(!expired(0, u64::MAX, 0));
        assert!(!expired(100, 50, 1));
        assert!(!stale(100, 50));
    }

    #[test]
    fn a_time_is_written_about_once_a_second() {
        assert!(!stale(0, SECOND - SHORTEST - 1));
        assert!(stale(0, SECOND - SHORTEST));
    }
}
