//! Events to user space. Those of frames are rate-limited per CPU and kind, and never a reason to lose a frame.

use aya_ebpf::helpers::bpf_ktime_get_coarse_ns;
use vxbpf_common::{
    SECOND,
    event::{ANNOUNCED, Event, KIND_LEARN, KIND_MISS, KIND_MOVE, PER_SECOND},
    fdb::{ORIGIN_LEARNED, STATE_DYNAMIC},
};

use crate::{account::Account, maps, packet::Packet};

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
    let learned = kind == KIND_LEARN || kind == KIND_MOVE;
    room.write(Event {
        at: account.now,
        vni: account.vni,
        ifindex: account.from.ifindex,
        old_ifindex: account.before.ifindex,
        kind,
        reason: account.outcome.map_or_else(|reason| reason as u8, |_| 0),
        // Only dynamic entries move.
        state: if learned { STATE_DYNAMIC } else { 0 },
        old_state: if kind == KIND_MOVE { STATE_DYNAMIC } else { 0 },
        mac: if kind == KIND_MISS { account.dst } else { account.src },
        remote: account.from.remote,
        old_remote: account.before.remote,
        dst_vni: if learned { account.vni } else { 0 },
        dstport: [0; 2],
        origin: if learned { ORIGIN_LEARNED } else { 0 },
        reserved: 0,
    });
    room.submit(0);
}

/// Passes on the events that user space brings as a packet: a ring buffer is written to by programs only.
#[inline(always)]
pub fn announce<P: Packet>(pkt: &P) {
    for number in 0..ANNOUNCED {
        let Some(event) = pkt.load::<Event>(number * size_of::<Event>()) else { return };
        let Some(mut room) = maps::event() else { return };
        room.write(event);
        room.submit(0);
    }
}
