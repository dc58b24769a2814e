//! The way to a remote over the underlay: the kernel's routing and neighbour tables, asked at most once a
//! second per remote, so that a change is followed without a daemon.

use core::{ffi::c_void, mem::offset_of};

use aya_ebpf::{
    bindings::{
        BPF_FIB_LKUP_RET_FWD_DISABLED, BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_SUCCESS,
        bpf_fib_lookup as FibParams,
    },
    helpers::bpf_fib_lookup,
};
use vxbpf_common::{
    Addr, Mac,
    decision::SHORTEST,
    instance::Instance,
    nexthop::{LIFETIME, NextHop, PROBE},
};

use crate::{
    maps,
    packet::{Packet, Reach},
};

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// -ENODEV.
const NO_SUCH_DEVICE: u32 = (-19i32) as u32;

/// A kernel structure on the stack, where the verifier wants words aligned.
#[repr(C, align(8))]
struct Aligned<T>(T);

/// The next hop to nowhere.
pub(crate) const NOWHERE: NextHop =
    NextHop { expires: 0, probed: 0, ifindex: 0, mtu: 0, src_mac: Mac::ZERO, dst_mac: Mac::ZERO };

/// The way to `remote`, from the cache or anew. What is not known of `hop` is zero.
#[inline(always)]
pub(crate) fn find<P: Packet>(
    pkt: &P,
    hop: &mut NextHop,
    instance: &Instance,
    remote: Addr,
    now: u64,
) -> Reach {
    let cached = maps::nexthop(&remote);
    if let Some(cached) = cached
        && now + SHORTEST <= cached.expires
    {
        *hop = *cached;
        return Reach::Known;
    }
    let local = instance.local_for(remote);
    if local.is_none() {
        return Reach::None;
    }
    let reach = if remote.is_multicast() {
        to_group(pkt, hop, instance, remote)
    } else {
        pkt.route(instance.helper, local, remote, hop)
    };
    if hop.ifindex == 0 {
        hop.ifindex = instance.ifindex;
    }
    if reach == Reach::Known {
        hop.expires = now + LIFETIME;
        hop.probed = cached.map_or(0, |cached| cached.probed);
        maps::nexthop_insert(&remote, hop);
    }
    reach
}

/// The way to a group: out of the underlay, where everybody who joined hears it. No route and no neighbour.
#[inline(always)]
fn to_group<P: Packet>(pkt: &P, hop: &mut NextHop, instance: &Instance, group: Addr) -> Reach {
    let Some(mtu) = pkt.mtu_of(instance.ifindex) else { return Reach::None };
    let (src_mac, dst_mac) = (instance.mac, group.group_mac());
    *hop = NextHop { ifindex: instance.ifindex, mtu, src_mac, dst_mac, ..NOWHERE };
    Reach::Known
}

/// Whether a frame is due to go through the kernel's neighbour code.
#[inline(always)]
pub(crate) fn is_due(hop: &NextHop, now: u64) -> bool {
    now.saturating_sub(hop.probed) >= PROBE - SHORTEST
}

/// Notes that one does.
#[inline(always)]
pub(crate) fn probed(remote: &Addr, hop: &mut NextHop, now: u64) {
    hop.probed = now;
    maps::nexthop_insert(remote, hop);
}

/// Asks the kernel for the way of a UDP packet from `local` to `remote` that comes in on `from`.
///
/// The look-up refuses to start from an interface that may not forward (`BPF_FIB_LKUP_RET_FWD_DISABLED`),
/// so it starts from our helper device, where forwarding is on, and the host's own setting stays the
/// operator's.
#[inline(always)]
pub(crate) fn fib_lookup(ctx: *mut c_void, from: u32, local: Addr, remote: Addr, hop: &mut NextHop) -> Reach {
    match ask(ctx, from, &local, &remote, hop) {
        // Before Linux 6.3 a neighbour whose resolution failed is an answer, too, without a MAC address.
        BPF_FIB_LKUP_RET_SUCCESS if hop.dst_mac != Mac::ZERO => Reach::Known,
        BPF_FIB_LKUP_RET_SUCCESS | BPF_FIB_LKUP_RET_NO_NEIGH => {
            // The kernel left what it was given in the rest.
            *hop = NextHop { ifindex: hop.ifindex, ..NOWHERE };
            Reach::NoNeighbour
        }
        // Somebody turned forwarding off on the helper device, or removed it. The kernel's neighbour code looks up
        // routes by itself.
        BPF_FIB_LKUP_RET_FWD_DISABLED | NO_SUCH_DEVICE => {
            *hop = NOWHERE;
            Reach::NoNeighbour
        }
        _ => {
            *hop = NOWHERE;
            Reach::None
        }
    }
}

/// The question itself, a function of its own for its stack. Returns `BPF_FIB_LKUP_RET_*`.
#[inline(never)]
fn ask(ctx: *mut c_void, from: u32, local: &Addr, remote: &Addr, hop: &mut NextHop) -> u32 {
    // SAFETY: integers and unions of integers; zero is a value of each.
    let mut params: Aligned<FibParams> = Aligned(unsafe { core::mem::zeroed() });
    params.0.l4_protocol = vxbpf_common::outer::IPPROTO_UDP;
    params.0.ifindex = from;
    // With a length the kernel compares it with the path's MTU and returns the MTU. The smallest
    // length there is fits every path.
    params.0.__bindgen_anon_1.tot_len = 1;
    if let (Some(local), Some(remote)) = (local.as_v4(), remote.as_v4()) {
        params.0.family = AF_INET;
        params.0.__bindgen_anon_3.ipv4_src = u32::from_ne_bytes(local);
        params.0.__bindgen_anon_4.ipv4_dst = u32::from_ne_bytes(remote);
    } else {
        params.0.family = AF_INET6;
        params.0.__bindgen_anon_3.ipv6_src = local.quarters();
        params.0.__bindgen_anon_4.ipv6_dst = remote.quarters();
    }
    // SAFETY: the pointer is to a local of the size given, the context is the hook's own.
    let ret = unsafe { bpf_fib_lookup(ctx, &raw mut params.0, size_of::<FibParams>() as i32, 0) };
    hop.ifindex = params.0.ifindex;
    // SAFETY: the kernel fills this member of the union on success.
    hop.mtu = u32::from(unsafe { params.0.__bindgen_anon_1.mtu_result });
    (hop.src_mac, hop.dst_mac) = macs(&params);
    ret as u32
}

/// The two MAC addresses of a result. They end the structure at odd halves of its words, so they are read
/// as words: the stack is not to be accessed across their borders.
#[inline(always)]
fn macs(params: &Aligned<FibParams>) -> (Mac, Mac) {
    const _: () = assert!(offset_of!(FibParams, smac) == 52 && offset_of!(FibParams, dmac) == 58);
    let words = (&raw const *params).cast::<[u64; 8]>();
    // SAFETY: the structure is eight words long and aligned as such.
    let [.., penultimate, last] = unsafe { &*words };
    // SAFETY: a reference; volatile keeps the compiler from reading parts.
    let penultimate = unsafe { core::ptr::read_volatile(penultimate) };
    // SAFETY: as above.
    let last = unsafe { core::ptr::read_volatile(last) };
    let [_, _, _, _, a, b, c, d] = penultimate.to_ne_bytes();
    let [e, f, g, h, i, j, k, l] = last.to_ne_bytes();
    (Mac::new([a, b, c, d, e, f]), Mac::new([g, h, i, j, k, l]))
}
