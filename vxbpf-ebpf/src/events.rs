//! Events to user space. Rate-limited per CPU and kind, and never a reason to lose a frame.

use aya_ebpf::helpers::bpf_ktime_get_coarse_ns;
use vxbpf_common::{
    SECOND,
    event::{Event, KIND_MISS, PER_SECOND},
};

use crate::{account::Account, maps};

/// The time, CLOCK_MONOTONIC nanoseconds to the last tick of the timer.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: takes nothing.
    unsafe { bpf_ktime_get_coarse_ns() }
}

/// Reports what an account says as an event of that kind, unless this CPU has reported enough of its kind in
/// this second or nobody reads.
#[inline(never)]
pub(crate) fn report(kind: u8, account: &Account) {
    let Some(rate) = maps::event_rate(kind) else { return };
    if account.now.saturating_sub(rate.since) >= SECOND {
        rate.since = account.now;
        rate.count = 0;
    }
    if rate.count >= PER_SECOND {
        return;
    }
    rate.count += 1;
    let Some(mut room) = maps::event() else { return };
    room.write(Event {
        at: account.now,
        vni: account.vni,
        ifindex: account.from.ifindex,
        old_ifindex: account.before.ifindex,
        kind,
        reason: account.outcome.map_or_else(|reason| reason as u8, |_| 0),
        reserved: [0; 2],
        mac: if kind == KIND_MISS { account.dst } else { account.src },
        remote: account.from.remote,
        old_remote: account.before.remote,
    });
    room.submit(0);
}
