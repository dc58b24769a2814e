//! The hooks, and the tables that turn verdicts into actions: of a frame whose way is remembered, and of one that walked.
//!
//! | program | attached to | sees |
//! |---|---|---|
//! | `from_port` (TC ingress), `from_port_xdp` | each port | frames that pods, VMs and LANs send |
//! | `from_underlay` (TC ingress), `from_underlay_xdp` | the underlay interface | everything the wire brings |
//! | `from_helper` (TC ingress) | the helper device | our own packets that wait for a neighbour |
//! | `announce` | nothing; run by `BPF_PROG_TEST_RUN` | events of user space, for the ring buffer |
//!
//! XDP runs before TC on the same interface. What it cannot do it leaves untouched for TC, and what
//! TC finds not to be ours it leaves untouched for the kernel.
#![no_std]
#![no_main]

use aya_ebpf::{
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use vxbpf_common::{
    DropReason,
    decision::{DROPPED, NOTHING, PASS, PEER, PORT, UNDERLAY},
};
use vxbpf_ebpf::{
    account::{Account, Direction},
    decap,
    decision::Next,
    encap, events, resolve, tc,
    verdict::Verdict,
    write::write,
    xdp,
};

/// Overlay to underlay, and between ports of a VNI.
#[classifier]
fn from_port(ctx: TcContext) -> i32 {
    let mut skb = tc::Skb::from_port(ctx);
    let known = encap::again(&mut skb);
    if known.verdict != NOTHING {
        return tc_again(&skb, known);
    }
    let Some(account) = Account::open(&skb) else { return tc::PASS };
    encap::encap(&mut skb, account);
    tc_action(skb, account, Direction::FromPort)
}

/// Underlay to overlay.
#[classifier]
fn from_underlay(ctx: TcContext) -> i32 {
    let mut skb = tc::Skb::from_underlay(ctx);
    let known = decap::again(&mut skb);
    if known.verdict != NOTHING {
        return tc_again(&skb, known);
    }
    let Some(account) = Account::open(&skb) else { return tc::PASS };
    decap::decap(&mut skb, account);
    tc_action(skb, account, Direction::FromUnderlay)
}

/// Our own: encapsulated packets whose next hop has no neighbour entry yet, for the kernel to resolve it and send;
/// frames for the IPv6 remotes of a flood list.
#[classifier]
fn from_helper(ctx: TcContext) -> i32 {
    let mut skb = tc::Skb::new(ctx);
    let Some(account) = Account::open(&skb) else { return tc::DROP };
    if resolve::resolve(&mut skb, account) {
        skb.unmark();
    }
    tc_action(skb, account, Direction::FromHelper)
}

/// What a command changed, for whoever reads the events.
#[classifier]
fn announce(ctx: TcContext) -> i32 {
    events::announce(&tc::Skb::new(ctx));
    tc::PASS
}

/// Overlay to underlay without an skb.
#[xdp]
fn from_port_xdp(ctx: XdpContext) -> u32 {
    let mut frame = xdp::Frame::new(ctx);
    let known = encap::again(&mut frame);
    if known.verdict != NOTHING {
        return xdp_again(&frame, known);
    }
    let Some(account) = Account::open(&frame) else { return xdp::PASS };
    encap::encap(&mut frame, account);
    xdp_action(frame, account, Direction::FromPort)
}

/// Underlay to overlay without an skb.
#[xdp]
fn from_underlay_xdp(ctx: XdpContext) -> u32 {
    let mut frame = xdp::Frame::new(ctx);
    let known = decap::again(&mut frame);
    if known.verdict != NOTHING {
        return xdp_again(&frame, known);
    }
    let Some(account) = Account::open(&frame) else { return xdp::PASS };
    decap::decap(&mut frame, account);
    xdp_action(frame, account, Direction::FromUnderlay)
}

/// The way of the frame before.
#[inline(always)]
fn tc_again(skb: &tc::Skb, known: Next) -> i32 {
    match known.verdict {
        PEER => skb.redirect_peer(known.out),
        PORT | UNDERLAY => skb.redirect(known.out),
        DROPPED => tc::DROP,
        _ => tc::PASS,
    }
}

#[inline(always)]
fn xdp_again(frame: &xdp::Frame, known: Next) -> u32 {
    match known.verdict {
        PASS => xdp::PASS,
        DROPPED => xdp::DROP,
        _ => frame.redirect(known.out),
    }
}

#[inline(always)]
fn tc_action(mut skb: tc::Skb, account: &mut Account, direction: Direction) -> i32 {
    write(&mut skb, account, direction);
    account.report_learned();
    account.settle(direction);
    match account.outcome() {
        Ok(Verdict::Pass) => tc::PASS,
        Ok(Verdict::Port | Verdict::Underlay) => skb.redirect(account.out()),
        Ok(Verdict::Peer) => skb.redirect_peer(account.out()),
        Ok(Verdict::Resolve) => skb.redirect_to_helper(account.out()),
        Ok(Verdict::Neighbour) => skb.redirect_neigh(account.out()),
        Ok(Verdict::Reply) => skb.reply(),
        Ok(Verdict::Flood) => tc::DROP, // the copies are on their way; this one is done
        Err(_) => tc::DROP,
    }
}

#[inline(always)]
fn xdp_action(mut frame: xdp::Frame, account: &mut Account, direction: Direction) -> u32 {
    account.report_learned();
    // What takes copies, neighbours or a route is for TC, which finds the frame untouched, and counts it.
    if let Ok(Verdict::Pass | Verdict::Resolve | Verdict::Neighbour | Verdict::Flood)
    | Err(DropReason::NoRoute) = account.outcome()
    {
        return xdp::PASS;
    }
    write(&mut frame, account, direction);
    // The driver left no room in front of the frame: TC makes its own. A frame that is too big TC answers; it is as it was.
    if let Err(DropReason::EncapFailed | DropReason::TooBig) = account.outcome() {
        return xdp::PASS;
    }
    account.settle(direction);
    match account.outcome() {
        Ok(Verdict::Port | Verdict::Peer | Verdict::Underlay) => frame.redirect(account.out()),
        Ok(Verdict::Reply) => frame.reply(),
        Ok(_) | Err(_) => xdp::DROP,
    }
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
