//! Waiting for what will be, instead of sleeping for luck.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Long enough for anything that ought to happen at once, on a machine that is busy with other things.
pub const SOON: Duration = Duration::from_secs(10);

/// Waits until `condition` holds; false if it did not in time.
pub fn until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until `look` sees something; panics, saying what was waited for, if it does not in time.
#[track_caller]
pub fn for_some<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let mut seen = None;
    until(limit, || {
        seen = look();
        seen.is_some()
    });
    seen.unwrap_or_else(|| panic!("waited {limit:?} in vain for {what}"))
}

/// Waits until `condition` holds; panics, saying what was waited for, if it does not in time.
#[track_caller]
pub fn expect(what: &str, limit: Duration, condition: impl FnMut() -> bool) {
    assert!(until(limit, condition), "waited {limit:?} in vain for {what}");
}
