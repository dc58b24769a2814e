//! Delivery to a local port.

use vxbpf_common::{
    DropReason,
    decision::{PASS, PEER, PORT},
    port::{PORT_ISOLATED, PORT_VETH},
};

use crate::{
    account::Account,
    maps,
    packet::Packet,
    too_big,
    verdict::{self, Verdict},
};

/// To the port on `ifindex`.
#[inline(always)]
pub(crate) fn to_port<P: Packet>(
    pkt: &P,
    account: &mut Account,
    ifindex: u32,
    from_isolated: bool,
) -> verdict::Result {
    let Some(port) = maps::port(ifindex) else { return Err(DropReason::NoDestination) };
    if from_isolated && port.has(PORT_ISOLATED) {
        return Err(DropReason::PortIsolated);
    }
    if !P::can_send_to(ifindex) {
        account.decision.verdict = PASS;
        return Ok(Verdict::Pass);
    }
    let mtu = pkt.mtu_of(ifindex).unwrap_or(u32::MAX);
    if too_big::for_port(pkt, account.len, account.from.ifindex != 0, mtu) {
        account.mtu = mtu;
        return Err(DropReason::TooBig);
    }
    let decision = &mut account.decision;
    decision.mtu = mtu;
    decision.out = ifindex;
    decision.out_slot = port.slot;
    let (known, verdict) = if port.has(PORT_VETH) { (PEER, Verdict::Peer) } else { (PORT, Verdict::Port) };
    decision.verdict = known;
    Ok(verdict)
}
