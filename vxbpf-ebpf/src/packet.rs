//! What the path asks of a packet, whichever hook it came through. The two implementations, `tc.rs` and
//! `xdp.rs`, are the only code that knows a context; the raw pointers are here.

#[cfg(target_arch = "bpf")]
use core::arch::asm;
use core::{ffi::c_void, ptr};

use network_types::{
    arp::ArpHdr,
    eth::EthHdr,
    icmp::Icmpv4Hdr,
    ip::{Ipv4Hdr, Ipv6Hdr},
    vlan::VlanHdr,
};
use vxbpf_common::{
    Addr, DropReason, Mac,
    event::Event,
    flood::FloodRemote,
    instance::Errand,
    nd::NdPacket,
    nexthop::NextHop,
    outer::{Outer, Outer4, Outer6},
};

use crate::{flood::Replica, flow::Ipv4Words, too_big::Begin};

/// A type that any bytes of a packet are a value of, and that has no padding.
///
/// # Safety
/// The type must be `repr(C)` or a primitive, valid for every bit pattern and free of padding.
pub unsafe trait Header: Copy {}

macro_rules! headers {
    ($($name:ty),+) => { $(
        // SAFETY: repr(C) of integers and byte arrays, no padding.
        unsafe impl Header for $name {}
    )+ };
}
headers!(
    Event, EthHdr, Ipv4Hdr, Ipv6Hdr, ArpHdr, VlanHdr, Icmpv4Hdr, Outer4, Outer6, NdPacket, u8, [u8; 2],
    [u8; 4], Ipv4Words
);

/// Writes a header into words that are kept of it.
#[inline(always)]
pub(crate) fn keep<T: Header>(words: &mut [u64; 9], header: T) {
    const { assert!(size_of::<T>() <= size_of::<[u64; 9]>()) };
    // SAFETY: there is room for it, just checked, and it has no padding.
    unsafe { ptr::write_unaligned(words.as_mut_ptr().cast(), header) };
}

/// The header that is kept in these words.
#[inline(always)]
pub(crate) fn kept<T: Header>(words: &[u64; 9]) -> T {
    const { assert!(size_of::<T>() <= size_of::<[u64; 9]>()) };
    // SAFETY: they are no shorter, just checked, and `Header` takes any bytes.
    unsafe { ptr::read_unaligned(words.as_ptr().cast()) }
}

/// The 32-bit field at `OFFSET` of a context. Of a packet pointer the compiler must not know that it has 32 bits, or
/// it spills half of what the verifier turns it into; and no field's address may be chosen before it is read.
/// The verifier refuses both.
#[inline(always)]
pub(crate) fn field<const OFFSET: usize>(context: *mut c_void) -> usize {
    #[cfg(target_arch = "bpf")]
    {
        let value: u64;
        // SAFETY: the context has the field; nothing is written.
        unsafe {
            asm!("{0} = *(u32 *)({1} + {2})", out(reg) value, in(reg) context, const OFFSET,
                options(pure, readonly, nostack, preserves_flags));
        }
        value as usize
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        let _ = context;
        OFFSET // no packets in host builds
    }
}

/// How far the way to a remote is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Down to the MAC addresses.
    Known,
    /// To the outgoing interface; the neighbour's MAC is not known yet.
    NoNeighbour,
    /// Not at all.
    None,
}

/// A packet in a hook.
#[expect(clippy::len_without_is_empty, reason = "no packet is")]
pub trait Packet {
    /// Whether the hook can hand packets to the kernel's neighbour code.
    const RESOLVES: bool;
    /// Whether the hook is XDP.
    const AT_XDP: bool;
    /// Whether the hook can turn a packet into an error that quotes it.
    const QUOTES: bool;

    /// Bytes of the frame.
    fn len(&self) -> u32;

    /// The interface it came in on.
    fn ifindex(&self) -> u32;

    /// The bounds of the bytes that can be read and written directly.
    fn bounds(&self) -> (usize, usize);

    /// The header at a byte offset, by value, or `None` when the packet ends before.
    #[inline(always)]
    fn load<T: Header>(&self, offset: usize) -> Option<T> {
        let (start, end) = self.bounds();
        let at = start + offset;
        if at + size_of::<T>() > end {
            return None;
        }
        // SAFETY: checked against the end just now, and `Header` takes any bytes.
        Some(unsafe { ptr::read_unaligned(at as *const T) })
    }

    /// The destination and the source of the Ethernet header at a byte offset, or `None` when the packet ends before.
    #[inline(always)]
    fn macs(&self, offset: usize) -> Option<(Mac, Mac)> {
        let (start, end) = self.bounds();
        let at = start + offset;
        if at + size_of::<EthHdr>() > end {
            return None;
        }
        // As words of eight bytes, for the compiler would read six one by one.
        // SAFETY: checked against the end just now.
        let dst = unsafe { ptr::read_unaligned(at as *const u64) };
        // SAFETY: likewise; eight bytes are left.
        let src = unsafe { ptr::read_unaligned((at + 6) as *const u64) };
        Some((Mac::first_of(dst), Mac::first_of(src)))
    }

    /// Overwrites the header at a byte offset; `None` when the packet ends before.
    #[inline(always)]
    fn store<T: Header>(&mut self, offset: usize, value: T) -> Option<()> {
        let (start, end) = self.bounds();
        let at = start + offset;
        if at + size_of::<T>() > end {
            return None;
        }
        // SAFETY: checked against the end just now.
        unsafe { ptr::write_unaligned(at as *mut T, value) };
        Some(())
    }

    /// Whether the kernel files the packet under IP, and so will its encapsulated form: its neighbour code takes no
    /// other.
    fn is_ip(&self) -> bool;

    /// Overwrites two bytes that the packet's checksum covers, which a NIC may have computed (`CHECKSUM_COMPLETE`).
    fn store_summed(&mut self, offset: usize, value: [u8; 2]);

    /// Payload bytes of each segment of a GSO frame, 0 for any other.
    fn gso_size(&self) -> u32;

    /// Bytes by which encapsulation will find the frame longer than `len` says: VLAN tags outside the data.
    fn hidden_len(&self) -> u32;

    /// Makes room for outer headers in front of the frame that begins with `inner`.
    fn make_room<O: Outer>(&mut self, inner: EthHdr) -> Result<(), DropReason>;

    /// Removes the outer headers of a packet whose inner frame begins with `inner`. True if the kernel
    /// then holds the frame for what it is, so that it may go into a pod without passing a device.
    fn pop_outer<O: Outer>(&mut self, inner: EthHdr) -> Result<bool, DropReason>;

    /// Cuts the frame after `len` bytes.
    fn trim(&mut self, len: u32) -> Result<(), DropReason>;

    /// Asks the kernel's routing and neighbour tables for the way from `local` to `remote`, as seen from
    /// interface `from`.
    fn route(&self, from: u32, local: Addr, remote: Addr, hop: &mut NextHop) -> Reach;

    /// Whether this hook can send frames out of that interface.
    fn can_send_to(ifindex: u32) -> bool;

    /// The MTU of an interface, if there is one.
    fn mtu_of(&self, ifindex: u32) -> Option<u32>;

    /// Cuts the packet behind its Ethernet header to `quote` bytes and puts `headers` zeros between the two, with no
    /// checksum or segmentation left to do for anybody. `begin` is for the hook's use. None when it cannot.
    fn quote(&mut self, begin: &mut Begin, quote: u32, headers: u32) -> Option<()>;

    /// The sum of the 16-bit words of `LEN` bytes at an offset, added to `seed`, in memory order.
    fn sum<const LEN: usize>(&self, offset: usize, seed: u32) -> Option<u32>;

    /// Sends a copy out of an interface.
    fn copy_to(&mut self, ifindex: u32) -> Result<(), DropReason>;

    /// Sends a copy to the helper device, on an errand.
    fn copy_to_helper(&mut self, helper: u32, errand: Errand) -> Result<(), DropReason>;

    /// `flood::to_port`, called in a way that suits the hook's verifier.
    fn copy_to_port(&mut self, ifindex: u32, from: u32, isolated: bool, len: u32) -> u32;

    /// `flood::to_remote`, likewise.
    fn copy_to_remote<O: Outer>(&mut self, replica: &Replica, remote: &FloodRemote);

    /// What we sent this packet to the helper device for, if it was us.
    fn errand(&self) -> Option<Errand>;
}
