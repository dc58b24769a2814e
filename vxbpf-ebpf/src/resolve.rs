//! The walk of our own packets on the helper device. Some are encapsulated, and their next hop had no neighbour entry:
//! only the kernel can resolve one, and it takes nothing but IP for that (`bpf_redirect_neigh`); an skb that carries
//! an ARP frame is still filed under ARP, and a cloned one cannot be redirected that way at all. On the way in here the
//! kernel finds out that they are IP now. Others are frames to be flooded to the IPv6 remotes of a list that has IPv4
//! ones too: an skb takes outer headers of one size only.

use network_types::eth::EthHdr;
use vxbpf_common::{
    DropReason,
    instance::Errand,
    outer::{ETH_IPV6, Outer, Outer4, Outer6},
};

use crate::{
    account::Account,
    maps,
    packet::{Header, Packet, Reach},
    verdict::{self, Verdict},
};

/// Helper device to underlay. False: the packet is another instance's, to whom its mark means something.
#[inline(always)]
pub fn resolve<P: Packet>(pkt: &mut P, account: &mut Account) -> bool {
    account.outcome = walk(pkt, account);
    account.outcome != Ok(Verdict::Pass)
}

#[inline(always)]
fn walk<P: Packet>(pkt: &mut P, account: &mut Account) -> verdict::Result {
    // The device has a VNI of its own, which anybody on the underlay may send to.
    let errand = pkt.errand().ok_or(DropReason::NotFromUs)?;
    if !maps::abi_matches() {
        return Err(DropReason::NotFromUs);
    }
    if let Errand::Flood6(vni) = errand {
        // Instances of one namespace and UDP port share the device: this may be another's.
        if maps::vni(vni).is_none() {
            return Ok(Verdict::Pass);
        }
        account.vni = vni.get();
        return Ok(Verdict::Flood);
    }
    let eth = pkt.load::<EthHdr>(0).ok_or(DropReason::NotFromUs)?;
    if eth.ether_type == ETH_IPV6 { send::<Outer6, P>(pkt, account) } else { send::<Outer4, P>(pkt, account) }
}

/// An encapsulated packet.
#[inline(always)]
fn send<O: Outer + Header, P: Packet>(pkt: &mut P, account: &mut Account) -> verdict::Result {
    let instance = maps::instance().ok_or(DropReason::NotFromUs)?;
    let outer = pkt.load::<O>(0).ok_or(DropReason::NotFromUs)?;
    let reach = pkt.route(instance.helper, outer.src(), outer.dst(), &mut account.hop);
    account.decision.out = if account.hop.ifindex == 0 { instance.ifindex } else { account.hop.ifindex };
    match reach {
        // Resolved meanwhile, on behalf of an earlier packet.
        Reach::Known => {
            let (dst_addr, src_addr) = (account.hop.dst_mac.octets(), account.hop.src_mac.octets());
            let ether_type = pkt.load::<EthHdr>(0).ok_or(DropReason::NotFromUs)?.ether_type;
            pkt.store(0, EthHdr { dst_addr, src_addr, ether_type }).ok_or(DropReason::NotFromUs)?;
            Ok(Verdict::Underlay)
        }
        Reach::NoNeighbour => Ok(Verdict::Neighbour),
        Reach::None => Err(DropReason::NoRoute),
    }
}
