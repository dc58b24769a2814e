//! From what the path decided to the bytes of the packet: deciding and writing are separate, and nothing is
//! written before the whole decision is made.

use crate::{
    account::{Account, Direction},
    decap, encap, flood,
    packet::Packet,
    verdict::Verdict,
};

/// Gives the packet the form in which it leaves. What goes wrong becomes the account's outcome.
#[inline(always)]
pub fn write<P: Packet>(pkt: &mut P, account: &mut Account, direction: Direction) {
    match (direction, account.outcome) {
        (Direction::FromPort, Ok(Verdict::Underlay | Verdict::Neighbour | Verdict::Resolve)) => {
            encap::push(pkt, account)
        }
        (Direction::FromUnderlay, Ok(Verdict::Port | Verdict::Peer)) => decap::pop(pkt, account),
        (Direction::FromUnderlay, Ok(Verdict::Flood)) => {
            decap::pop(pkt, account);
            if account.outcome == Ok(Verdict::Flood) {
                flood::to_ports(pkt, account);
            }
        }
        (_, Ok(Verdict::Flood)) => {
            flood::to_ports(pkt, account);
            flood::to_remotes(pkt, account);
        }
        _ => {}
    }
}
