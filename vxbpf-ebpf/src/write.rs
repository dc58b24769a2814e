//! From what the path decided to the bytes of the packet: deciding and writing are separate, and nothing is
//! written before the whole decision is made.

use vxbpf_common::{
    DropReason,
    outer::{Outer4, Outer6},
};

use crate::{
    account::{Account, Direction},
    decap, encap, flood,
    packet::Packet,
    too_big,
    verdict::Verdict,
};

/// Gives the packet the form in which it leaves. What goes wrong becomes the account's outcome.
#[inline(always)]
pub fn write<P: Packet>(pkt: &mut P, account: &mut Account, direction: Direction) {
    match (direction, account.outcome) {
        (Direction::FromPort, Ok(Verdict::Underlay | Verdict::Neighbour | Verdict::Resolve)) => {
            if account.decision.remote.as_v4().is_some() {
                encap::push::<Outer4, P>(pkt, account);
            } else {
                encap::push::<Outer6, P>(pkt, account);
            }
        }
        (Direction::FromUnderlay, Ok(Verdict::Port | Verdict::Peer)) => pop(pkt, account),
        (Direction::FromUnderlay, Ok(Verdict::Flood)) => {
            pop(pkt, account);
            if account.outcome == Ok(Verdict::Flood) {
                flood::to_ports(pkt, account);
            }
        }
        (Direction::FromHelper, Ok(Verdict::Flood)) => flood::to_remotes6(pkt, account),
        (Direction::FromPort, Ok(Verdict::Flood)) => {
            flood::to_ports(pkt, account);
            flood::to_remotes(pkt, account);
        }
        _ => {}
    }
    if P::QUOTES && direction == Direction::FromPort && account.outcome == Err(DropReason::TooBig) {
        too_big::answer(pkt, account);
    }
}

#[inline(always)]
fn pop<P: Packet>(pkt: &mut P, account: &mut Account) {
    if account.from.remote.as_v4().is_some() {
        decap::pop::<Outer4, P>(pkt, account);
    } else {
        decap::pop::<Outer6, P>(pkt, account);
    }
}
