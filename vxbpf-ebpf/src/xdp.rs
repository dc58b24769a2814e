//! Packets in the XDP hook: a frame in a driver's buffer, before there is an skb.

use core::mem::offset_of;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{
        xdp_action::{XDP_DROP, XDP_PASS},
        xdp_md,
    },
    helpers::{bpf_xdp_adjust_head, bpf_xdp_adjust_tail},
    programs::XdpContext,
};
use network_types::eth::EthHdr;
use vxbpf_common::{Addr, DropReason, flood::FloodRemote, instance::Errand, nexthop::NextHop, outer::Outer};

use crate::{
    flood::Replica,
    maps, nexthop,
    packet::{self, Packet, Reach},
    too_big::{self, Begin},
};

/// On to the stack, where TC meets it.
pub const PASS: u32 = XDP_PASS;
/// The end of this frame.
pub const DROP: u32 = XDP_DROP;

/// A frame at XDP.
pub struct Frame {
    ctx: XdpContext,
}

impl Frame {
    /// Wraps the context.
    #[inline(always)]
    pub fn new(ctx: XdpContext) -> Self {
        Self { ctx }
    }

    /// Back out of the interface it came from. Not XDP_TX: a veth whose peer runs no XDP program itself never
    /// wakes the peer for that (`veth_xdp_flush`), for a redirected frame it does (`veth_xdp_xmit`).
    #[inline(always)]
    pub fn reply(&self) -> u32 {
        self.redirect(self.ifindex())
    }

    /// Out of an interface of `DEVS`.
    #[inline(always)]
    pub fn redirect(&self, ifindex: u32) -> u32 {
        maps::redirect(ifindex, DROP)
    }
}

impl Packet for Frame {
    const RESOLVES: bool = false;
    const AT_XDP: bool = true;
    const QUOTES: bool = false;

    #[inline(always)]
    fn is_ip(&self) -> bool {
        false
    }

    #[inline(always)]
    fn len(&self) -> u32 {
        let (start, end) = self.bounds();
        // A frame fits a page.
        (end - start) as u32
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        packet::field::<{ offset_of!(xdp_md, ingress_ifindex) }>(self.ctx.as_ptr()) as u32
    }

    #[inline(always)]
    fn bounds(&self) -> (usize, usize) {
        (
            packet::field::<{ offset_of!(xdp_md, data) }>(self.ctx.as_ptr()),
            packet::field::<{ offset_of!(xdp_md, data_end) }>(self.ctx.as_ptr()),
        )
    }

    #[inline(always)]
    fn store_summed(&mut self, offset: usize, value: [u8; 2]) {
        let _ = self.store(offset, value);
    }

    #[inline(always)]
    fn gso_size(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn hidden_len(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn make_room<O: Outer>(&mut self, _inner: EthHdr) -> Result<(), DropReason> {
        // SAFETY: the context is valid for the program's run.
        match unsafe { bpf_xdp_adjust_head(self.ctx.ctx, -(O::LEN as i32)) } {
            0 => Ok(()),
            _ => Err(DropReason::EncapFailed),
        }
    }

    #[inline(always)]
    fn pop_outer<O: Outer>(&mut self, _inner: EthHdr) -> Result<bool, DropReason> {
        // SAFETY: the context is valid for the program's run.
        match unsafe { bpf_xdp_adjust_head(self.ctx.ctx, O::LEN as i32) } {
            0 => Ok(false),
            _ => Err(DropReason::DecapFailed),
        }
    }

    #[inline(always)]
    fn trim(&mut self, len: u32) -> Result<(), DropReason> {
        let by = len.wrapping_sub(self.len()).cast_signed();
        // SAFETY: the context is valid for the program's run.
        match unsafe { bpf_xdp_adjust_tail(self.ctx.ctx, by) } {
            0 => Ok(()),
            _ => Err(DropReason::DecapFailed),
        }
    }

    #[inline(always)]
    fn route(&self, from: u32, local: Addr, remote: Addr, hop: &mut NextHop) -> Reach {
        nexthop::fib_lookup(self.ctx.as_ptr(), from, local, remote, hop)
    }

    #[inline(always)]
    fn can_send_to(ifindex: u32) -> bool {
        maps::in_devs(ifindex)
    }

    #[inline(always)]
    fn mtu_of(&self, ifindex: u32) -> Option<u32> {
        too_big::mtu_of(self.ctx.as_ptr(), ifindex)
    }

    #[inline(always)]
    fn quote(&mut self, _begin: &mut Begin, _quote: u32, _headers: u32) -> Option<()> {
        None
    }

    #[inline(always)]
    fn sum<const LEN: usize>(&self, _offset: usize, _seed: u32) -> Option<u32> {
        None
    }

    #[inline(always)]
    fn copy_to(&mut self, _ifindex: u32) -> Result<(), DropReason> {
        Err(DropReason::CloneFailed)
    }

    #[inline(always)]
    fn copy_to_helper(&mut self, _helper: u32, _errand: Errand) -> Result<(), DropReason> {
        Err(DropReason::CloneFailed)
    }

    #[inline(always)]
    fn copy_to_port(&mut self, _ifindex: u32, _from: u32, _isolated: bool, _len: u32) -> u32 {
        0
    }

    #[inline(always)]
    fn copy_to_remote<O: Outer>(&mut self, _replica: &Replica, _remote: &FloodRemote) {}

    #[inline(always)]
    fn errand(&self) -> Option<Errand> {
        None
    }
}
