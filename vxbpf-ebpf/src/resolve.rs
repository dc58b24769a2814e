//! The walk of an encapsulated packet whose next hop had no neighbour entry. Only the kernel can resolve one,
//! and it takes nothing but IP for that (`bpf_redirect_neigh`); an skb that carries an ARP frame is still filed
//! under ARP, and a cloned one cannot be redirected that way at all. Both are sent to the helper device
//! first: on the way in the kernel finds out that they are IPv4 now.

use network_types::eth::EthHdr;
use vxbpf_common::{DropReason, outer::Outer4};

use crate::{
    account::Account,
    maps,
    packet::{Packet, Reach},
    verdict::{self, Verdict},
};

/// Helper device to underlay.
#[inline(always)]
pub fn resolve<P: Packet>(pkt: &mut P, account: &mut Account) {
    account.outcome = walk(pkt, account);
}

#[inline(always)]
fn walk<P: Packet>(pkt: &mut P, account: &mut Account) -> verdict::Result {
    // The device has a VNI of its own, which anybody on the underlay may send to.
    if !pkt.is_waiting() || !maps::abi_matches() {
        return Err(DropReason::NotFromUs);
    }
    let instance = maps::instance().ok_or(DropReason::NotFromUs)?;
    let outer = pkt.load::<Outer4>(0).ok_or(DropReason::NotFromUs)?;
    let reach = pkt.route(instance.helper, outer.ip.src_addr, outer.ip.dst_addr, &mut account.hop);
    account.out = if account.hop.ifindex == 0 { instance.ifindex } else { account.hop.ifindex };
    match reach {
        // Resolved meanwhile, on behalf of an earlier packet.
        Reach::Known => {
            let (dst_addr, src_addr) = (account.hop.dst_mac.octets(), account.hop.src_mac.octets());
            let eth = EthHdr { dst_addr, src_addr, ether_type: outer.eth.ether_type };
            pkt.store(0, eth).ok_or(DropReason::NotFromUs)?;
            Ok(Verdict::Underlay)
        }
        Reach::NoNeighbour => Ok(Verdict::Neighbour),
        Reach::None => Err(DropReason::NoRoute),
    }
}
