//! Turning an skb into an error that quotes its beginning.

use aya_ebpf::{
    bindings::{__sk_buff, bpf_adj_room_mode::BPF_ADJ_ROOM_MAC},
    helpers::{
        bpf_csum_diff, bpf_skb_adjust_room, bpf_skb_change_head, bpf_skb_change_tail, bpf_skb_load_bytes,
        bpf_skb_store_bytes,
    },
};

use crate::too_big::Begin;

/// Bytes of the Ethernet header.
const ETH: u32 = 14;
/// Bytes that are taken out and put back. The pod may have left its checksum to a NIC (CHECKSUM_PARTIAL); whoever did it
/// now would write into the quote, behind the checksum of the error. Of all that a program can do to an skb, only
/// removing the place where summing was to begin calls it off (`skb_postpull_rcsum`). So many bytes hold any IPv4
/// header, or an IPv6 header with extensions.
pub(crate) const BEGIN: u32 = size_of::<Begin>() as u32;

/// See [`crate::packet::Packet::quote`]. Cutting makes the skb linear, and GSO frames plain (`__bpf_skb_change_tail`: "for
/// replies with control messages"); it is refused for a frame that is a tunnel's already.
#[inline(always)]
pub(crate) fn behind(skb: *mut __sk_buff, begin: &mut Begin, quote: u32, headers: u32) -> Option<()> {
    let kept = (&raw mut *begin).cast();
    // SAFETY: the context is valid for the program's run.
    done(unsafe { bpf_skb_change_tail(skb, ETH + quote, 0) })?;
    // SAFETY: `kept` has that many bytes.
    done(unsafe { bpf_skb_load_bytes(skb.cast(), ETH, kept, BEGIN) })?;
    // SAFETY: as above. The kernel refuses what is not IP; no flags: a checksum found good is forgotten, too.
    done(unsafe { bpf_skb_adjust_room(skb, -(BEGIN as i32), BPF_ADJ_ROOM_MAC, 0) })?;
    // SAFETY: as above.
    done(unsafe { bpf_skb_change_head(skb, BEGIN + headers, 0) })?;
    // SAFETY: as above.
    done(unsafe { bpf_skb_store_bytes(skb, ETH + headers, kept, BEGIN, 0) })
}

/// Sum of `LEN` bytes of a packet at `at`. Not more than 512 bytes at once: before Linux 6.12 the kernel copies them to a
/// place of that size (`bpf_csum_diff`).
#[inline(always)]
pub(crate) fn sum<const LEN: usize>(at: usize, end: usize, seed: u32) -> Option<u32> {
    const { assert!(LEN <= 512 && LEN.is_multiple_of(4)) };
    if at + LEN > end {
        return None;
    }
    // SAFETY: checked against the end just now; no bytes are subtracted.
    let sum = unsafe { bpf_csum_diff(core::ptr::null_mut(), 0, at as *mut u32, LEN as u32, seed) };
    Some(sum as u32)
}

#[inline(always)]
fn done(ret: i64) -> Option<()> {
    (ret == 0).then_some(())
}
