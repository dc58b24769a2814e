//! The programs of the benchmark.
//!
//! | program | attached to | does |
//! |---|---|---|
//! | `limit_tc_from_port`, `limit_tc_from_underlay` | TC ingress | sends on to the interface `TARGET`, or to its peer |
//! | `limit_xdp` | XDP | sends on to the only interface of `DEVS` |
//! | `generate` | nothing; run by `BPF_PROG_TEST_RUN` with live frames | numbers frames and sends them |
//! | `count`, `count_outer` | TC ingress | count frames, or encapsulated ones, and end them |
//! | `count_xdp`, `count_outer_xdp` | XDP | the same |
#![no_std]
#![no_main]

use core::ptr;

use aya_ebpf::{
    bindings::{
        TC_ACT_SHOT,
        xdp_action::{XDP_ABORTED, XDP_DROP, XDP_TX},
    },
    helpers::{bpf_redirect, bpf_redirect_peer, bpf_skb_change_type},
    macros::{classifier, map, xdp},
    maps::{DevMap, PerCpuArray},
    programs::{TcContext, XdpContext},
};
use vxbpf_limit::{
    FIRST_PORT, HEADERS, MAGIC, MIN_LEN, OUTER, PLACES, SOURCE_PORT, Traffic, VNI, WRONG, nth_station,
    station, station_of,
};

/// Index of the interface that the limit programs at TC send to. User space sets it before loading.
#[unsafe(no_mangle)]
static TARGET: u32 = 0;

/// What is offered and expected. User space sets it before loading.
#[unsafe(no_mangle)]
static TRAFFIC: Traffic = Traffic { len: 0, flows: 1, stations: 0, source: [0; 6], destination: [0; 6] };

/// Frames generated so far; one entry, and one CPU that uses it.
#[map]
static SENT: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Place -> frames that came.
#[map]
static ARRIVED: PerCpuArray<u64> = PerCpuArray::with_max_entries(PLACES, 0);

/// The interface that the limit program at XDP sends to; one entry.
#[map]
static DEVS: DevMap = DevMap::with_max_entries(1, 0);

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
    DEVS.redirect(0, u64::from(XDP_DROP)).unwrap_or(XDP_DROP)
}

/// Numbers a frame, gives it its flow and its station, and sends it from the interface it is said to have come in on.
#[xdp]
fn generate(ctx: XdpContext) -> u32 {
    let traffic = traffic();
    let (start, end) = (ctx.data(), ctx.data_end());
    let Some(sent) = SENT.get_ptr_mut(0) else { return XDP_ABORTED };
    if start + MIN_LEN > end {
        return XDP_ABORTED;
    }
    // SAFETY: an entry of this CPU's array, which nobody else uses.
    let number = unsafe { *sent };
    // SAFETY: the same.
    unsafe { *sent = number.wrapping_add(1) };
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

/// Counts what a pod gets.
#[classifier]
fn count(ctx: TcContext) -> i32 {
    arrived(place::<0>(ctx.data(), ctx.data_end(), ctx.len()));
    TC_ACT_SHOT
}

/// Counts what an underlay interface gets.
#[classifier]
fn count_outer(ctx: TcContext) -> i32 {
    arrived(place::<OUTER>(ctx.data(), ctx.data_end(), ctx.len()));
    TC_ACT_SHOT
}

/// Counts what a pod gets.
#[xdp]
fn count_xdp(ctx: XdpContext) -> u32 {
    let (start, end) = (ctx.data(), ctx.data_end());
    arrived(place::<0>(start, end, (end - start) as u32));
    XDP_DROP
}

/// Counts what an underlay interface gets.
#[xdp]
fn count_outer_xdp(ctx: XdpContext) -> u32 {
    let (start, end) = (ctx.data(), ctx.data_end());
    arrived(place::<OUTER>(start, end, (end - start) as u32));
    XDP_DROP
}

/// Where a frame is counted. `AT`: where the frame is, behind outer headers or not.
#[inline(always)]
fn place<const AT: usize>(start: usize, end: usize, len: u32) -> u32 {
    let traffic = traffic();
    if start + AT + MIN_LEN > end || len != traffic.len + AT as u32 {
        return WRONG;
    }
    let frame = start + AT;
    let flow = u16::from_be(read(frame + SOURCE_PORT)).wrapping_sub(FIRST_PORT);
    let [a, b, c, d, e, f] = traffic.source;
    let (first, last): (u16, u32) = (read(frame), read(frame + 2));
    let as_sent = read::<u64>(frame + HEADERS) == u64::from_ne_bytes(MAGIC)
        && read::<u32>(frame + 6) == u32::from_ne_bytes([a, b, c, d])
        && read::<u16>(frame + 10) == u16::from_ne_bytes([e, f])
        && u32::from(flow) < traffic.flows;
    let [a, b, c, d, e, f] = if traffic.stations == 0 { traffic.destination } else { station(0) };
    let for_them = first == u16::from_ne_bytes([a, b])
        && if traffic.stations == 0 {
            last == u32::from_ne_bytes([c, d, e, f])
        } else {
            station_of(last.to_ne_bytes()) < traffic.stations
        };
    if !as_sent || !for_them {
        return WRONG;
    }
    if AT == 0 {
        return 0;
    }
    // Headers of IPv4 without options, of UDP, of VXLAN.
    let (port, vni): (u16, u32) = (read(start + 36), read(start + 46));
    if u16::from_be(port) == 4789 && u32::from_be(vni) >> 8 == VNI {
        u32::from(read::<u8>(start + 33))
    } else {
        WRONG
    }
}

#[inline(always)]
fn arrived(place: u32) {
    if let Some(count) = ARRIVED.get_ptr_mut(place) {
        // SAFETY: an entry of this CPU's array. Programs do not interrupt each other there: all run in softirq.
        unsafe { *count += 1 };
    }
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
