//! The programs of the benchmark.
//!
//! | program | attached to | does |
//! |---|---|---|
//! | `limit_tc_from_port`, `limit_tc_from_underlay` | TC ingress | sends on to the interface `TARGET`, or to its peer |
//! | `limit_xdp` | XDP | sends on to the only interface of `DEVS` |
//! | `generate` | nothing; run by `BPF_PROG_TEST_RUN` with live frames | numbers frames and sends them |
//! | `ask` | the same | sends questions of ARP |
//! | `count`, `count_outer` | TC ingress | count frames, or encapsulated ones, and end them |
//! | `count_xdp`, `count_outer_xdp` | XDP | the same |
//! | `count_answers` | TC ingress | counts answers of ARP, and ends them |
//! | `count_answers_xdp` | XDP | the same |
#![no_std]
#![no_main]
#![expect(
    clippy::cast_possible_truncation,
    reason = "registers have 64 bits, and the helpers take and return less of them than their C types say"
)]

use core::ptr;

use aya_ebpf::{
    bindings::{
        TC_ACT_OK, TC_ACT_SHOT,
        xdp_action::{XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX},
    },
    helpers::{bpf_ktime_get_ns, bpf_redirect, bpf_redirect_map, bpf_redirect_peer, bpf_skb_change_type},
    macros::{classifier, map, xdp},
    maps::{DevMap, PerCpuArray},
    programs::{TcContext, XdpContext},
};
use vxbpf_limit::{
    ARP_LEN, Arp, FIRST_PORT, HEADERS, MAGIC, MIN_LEN, OUTER, PLACES, SOURCE_PORT, STAMPED, Seen, Sent,
    Traffic, VNI, WRONG, nth_station, station, station_of,
};

/// Index of the interface that the limit programs at TC send to. User space sets it before loading.
#[unsafe(no_mangle)]
static TARGET: u32 = 0;

/// What is offered and expected. User space sets it before loading.
#[unsafe(no_mangle)]
static TRAFFIC: Traffic = Traffic { len: 0, flows: 1, stations: 0, source: [0; 6], destination: [0; 6] };

/// The question that is asked. User space sets it before loading.
#[unsafe(no_mangle)]
static QUESTION: Arp = Arp { words: [0; 10], last: 0, unused: 0 };

/// The answer that is expected. User space sets it before loading.
#[unsafe(no_mangle)]
static ANSWER: Arp = Arp { words: [0; 10], last: 0, unused: 0 };

/// What was generated; one entry, and one CPU that uses it.
#[map]
static SENT: PerCpuArray<Sent> = PerCpuArray::with_max_entries(1, 0);

/// Place -> frames that came.
#[map]
static ARRIVED: PerCpuArray<u64> = PerCpuArray::with_max_entries(PLACES, 0);

/// What came altogether; one entry.
#[map]
static SEEN: PerCpuArray<Seen> = PerCpuArray::with_max_entries(1, 0);

/// The interface that the limit program at XDP sends to; one entry.
#[map]
static DEVS: DevMap = DevMap::with_max_entries(1, 0);

/// Bytes of the header of Ethernet.
const ETHERNET: usize = 14;

/// `PACKET_HOST` of linux/if_packet.h: for us.
const PACKET_HOST: u32 = 0;

/// From a port to the underlay.
#[classifier]
fn limit_tc_from_port(_ctx: TcContext) -> i32 {
    // SAFETY: a helper that takes numbers.
    unsafe { bpf_redirect(target(), 0) as i32 }
}

/// From the underlay into the pod.
#[classifier]
fn limit_tc_from_underlay(ctx: TcContext) -> i32 {
    // The frame is for the pod's MAC address, not for the underlay interface's, and so would the pod's stack think.
    // SAFETY: the context is valid for the program's run.
    unsafe {
        bpf_skb_change_type(ctx.skb.skb, PACKET_HOST);
    }
    // SAFETY: a helper that takes numbers.
    unsafe { bpf_redirect_peer(target(), 0) as i32 }
}

/// From a port to the underlay and back.
#[xdp]
fn limit_xdp(_ctx: XdpContext) -> u32 {
    // SAFETY: a static map, and numbers.
    let action = unsafe { bpf_redirect_map((&raw const DEVS).cast_mut().cast(), 0, u64::from(XDP_DROP)) };
    action.cast_unsigned() as u32
}

/// Numbers a frame, gives it its flow and its station, and sends it from the interface it is said to have come in on.
#[xdp]
fn generate(ctx: XdpContext) -> u32 {
    let traffic = traffic();
    let (start, end) = (ctx.data(), ctx.data_end());
    if start + MIN_LEN > end {
        return XDP_ABORTED;
    }
    let Some(number) = next() else { return XDP_ABORTED };
    write(start + HEADERS + MAGIC.len(), number);
    if traffic.flows > 1 {
        let port = FIRST_PORT.wrapping_add((number % u64::from(traffic.flows)) as u16);
        write(start + SOURCE_PORT, port.to_be());
    }
    if traffic.stations != 0 {
        let [a, b, c, d, e, f] = station(nth_station(number as u32, traffic.stations));
        write(start, u16::from_ne_bytes([a, b]));
        write(start + 2, u32::from_ne_bytes([c, d, e, f]));
    }
    XDP_TX
}

/// Writes a question and sends it as above. It is not there any more where a frame was made its own answer, for frames
/// are used again.
#[xdp]
fn ask(ctx: XdpContext) -> u32 {
    let (start, end) = (ctx.data(), ctx.data_end());
    if start + ARP_LEN > end || next().is_none() {
        return XDP_ABORTED;
    }
    for (i, word) in QUESTION.words.iter().enumerate() {
        // SAFETY: a reference. Read as if it could be anything: user space has changed it.
        write(start + 4 * i, unsafe { ptr::read_volatile(word) });
    }
    // SAFETY: as above.
    write(start + ARP_LEN - 2, unsafe { ptr::read_volatile(&QUESTION.last) });
    XDP_TX
}

/// The number of the next frame.
#[inline(always)]
fn next() -> Option<u64> {
    // SAFETY: an entry of this CPU's array. User space writes it between rounds.
    let sent = unsafe { &mut *SENT.get_ptr_mut(0)? };
    let number = sent.frames;
    sent.frames = number.wrapping_add(1);
    if number == 0 {
        sent.begin = now();
    }
    Some(number)
}

/// Counts what a pod gets.
#[classifier]
fn count(ctx: TcContext) -> i32 {
    tc_action(place::<0>(ctx.data(), ctx.data_end(), ctx.len()))
}

/// Counts what an underlay interface gets.
#[classifier]
fn count_outer(ctx: TcContext) -> i32 {
    tc_action(place::<OUTER>(ctx.data(), ctx.data_end(), ctx.len()))
}

/// Counts what a pod gets.
#[xdp]
fn count_xdp(ctx: XdpContext) -> u32 {
    let (start, end) = (ctx.data(), ctx.data_end());
    xdp_action(place::<0>(start, end, (end - start) as u32))
}

/// Counts what an underlay interface gets.
#[xdp]
fn count_outer_xdp(ctx: XdpContext) -> u32 {
    let (start, end) = (ctx.data(), ctx.data_end());
    xdp_action(place::<OUTER>(start, end, (end - start) as u32))
}

/// Counts what answers a pod gets.
#[classifier]
fn count_answers(ctx: TcContext) -> i32 {
    tc_action(answer(ctx.data(), ctx.data_end()))
}

/// Counts what answers a pod gets.
#[xdp]
fn count_answers_xdp(ctx: XdpContext) -> u32 {
    xdp_action(answer(ctx.data(), ctx.data_end()))
}

/// Where a frame of ARP is counted: all are, and those behind it may be padded.
#[inline(always)]
fn answer(start: usize, end: usize) -> Option<u32> {
    const ARP: u16 = 0x0806;
    if start + ARP_LEN > end || u16::from_be(read(start + 12)) != ARP {
        return None;
    }
    let mut differs = 0;
    for (i, expected) in ANSWER.words.iter().enumerate() {
        // SAFETY: a reference. Read as if it could be anything: user space has changed it.
        differs |= read::<u32>(start + 4 * i) ^ unsafe { ptr::read_volatile(expected) };
    }
    // SAFETY: as above.
    differs |= u32::from(read::<u16>(start + ARP_LEN - 2) ^ unsafe { ptr::read_volatile(&ANSWER.last) });
    Some(if differs == 0 { 0 } else { WRONG })
}

#[inline(always)]
fn tc_action(place: Option<u32>) -> i32 {
    if arrived(place) { TC_ACT_SHOT } else { TC_ACT_OK }
}

#[inline(always)]
fn xdp_action(place: Option<u32>) -> u32 {
    if arrived(place) { XDP_DROP } else { XDP_PASS }
}

/// Where a frame is counted; nowhere if another station sent it, as a bridge does that joins a group. `AT`: where the
/// frame is, behind outer headers or not.
#[inline(always)]
fn place<const AT: usize>(start: usize, end: usize, len: u32) -> Option<u32> {
    let traffic = traffic();
    let frame = start + AT;
    if frame + ETHERNET > end {
        return None;
    }
    let [a, b, c, d, e, f] = traffic.source;
    if read::<u32>(frame + 6) != u32::from_ne_bytes([a, b, c, d])
        || read::<u16>(frame + 10) != u16::from_ne_bytes([e, f])
    {
        return None;
    }
    if frame + MIN_LEN > end || len != traffic.len + AT as u32 {
        return Some(WRONG);
    }
    let (first, last): (u16, u32) = (read(frame), read(frame + 2));
    let [a, b, c, d, e, f] = if traffic.stations == 0 { traffic.destination } else { station(0) };
    let for_them = first == u16::from_ne_bytes([a, b])
        && if traffic.stations == 0 {
            last == u32::from_ne_bytes([c, d, e, f])
        } else {
            station_of(last.to_ne_bytes()) < traffic.stations
        };
    let flow = u16::from_be(read(frame + SOURCE_PORT)).wrapping_sub(FIRST_PORT);
    let as_sent =
        read::<u64>(frame + HEADERS) == u64::from_ne_bytes(MAGIC) && u32::from(flow) < traffic.flows;
    if !for_them || !as_sent {
        return Some(WRONG);
    }
    if AT == 0 {
        return Some(0);
    }
    // Behind the headers of IPv4 without options, of UDP, of VXLAN.
    let (port, vni): (u16, u32) = (read(start + 36), read(start + 46));
    let encapsulated = u16::from_be(port) == 4789 && u32::from_be(vni) >> 8 == VNI;
    Some(if encapsulated { u32::from(read::<u8>(start + 33)) } else { WRONG })
}

/// Counts; false if there is nothing to count.
#[inline(always)]
fn arrived(place: Option<u32>) -> bool {
    let Some(place) = place else { return false };
    if let Some(count) = ARRIVED.get_ptr_mut(place) {
        // SAFETY: an entry of this CPU's array. Programs do not interrupt each other there: all run in softirq.
        unsafe { *count += 1 };
    }
    if let Some(seen) = SEEN.get_ptr_mut(0) {
        // SAFETY: the same.
        let seen = unsafe { &mut *seen };
        seen.frames = seen.frames.wrapping_add(1);
        if seen.frames % STAMPED == 0 {
            seen.last = now();
        }
    }
    true
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: a helper that takes nothing.
    unsafe { bpf_ktime_get_ns() }
}

/// Read as if it could be anything: user space has changed it.
#[inline(always)]
fn traffic() -> Traffic {
    // SAFETY: a static.
    unsafe { ptr::read_volatile(&raw const TRAFFIC) }
}

#[inline(always)]
fn target() -> u32 {
    // SAFETY: a static.
    unsafe { ptr::read_volatile(&raw const TARGET) }
}

/// What is at an address that the caller has checked.
#[inline(always)]
fn read<T: Copy>(at: usize) -> T {
    // SAFETY: checked by the caller, and by the verifier; integers take any bytes.
    unsafe { ptr::read_unaligned(at as *const T) }
}

#[inline(always)]
fn write<T: Copy>(at: usize, value: T) {
    // SAFETY: checked by the caller, and by the verifier.
    unsafe { ptr::write_unaligned(at as *mut T, value) };
}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
