//! The proxy: a question to all stations, which of them has an address, is answered from the neighbour table, so that
//! it need not cross the underlay. ARP and ND ask in their own ways (`arp.rs`, `nd.rs`); when to answer is the same.

use network_types::eth::EthHdr;
use vxbpf_common::{
    Addr, DropReason, Mac, Vni,
    nd::is_solicited_node,
    neigh::Neigh,
    outer::ETH_IPV6,
    vni::{VNI_ARP_MISS_DROP, VniConfig},
};

use crate::{
    account::Account,
    arp, encap, maps, nd,
    packet::Packet,
    verdict::{self, Verdict},
};

pub(crate) const ETH_ARP: u16 = 0x0806u16.to_be();

/// Turns a question to all into the answer, if the table has it. `None`: forward it like any other frame.
#[inline(always)]
pub(crate) fn answer<P: Packet>(
    pkt: &mut P,
    account: &mut Account,
    config: &VniConfig,
    eth: &EthHdr,
) -> Option<verdict::Result> {
    // (Behind a VLAN tag, which may be outside the data, addresses may mean somebody else.)
    match eth.ether_type {
        ETH_ARP if account.dst == Mac::BROADCAST && pkt.hidden_len() == 0 => {
            arp::answer(pkt, account, config)
        }
        ETH_IPV6 if is_solicited_node(account.dst) && pkt.hidden_len() == 0 => {
            nd::answer(pkt, account, config).then_some(account.outcome)
        }
        _ => None,
    }
}

/// The station that has an address, if the table is to speak for it. `Err`: how the question ends otherwise.
#[inline(always)]
pub(crate) fn owner(
    account: &mut Account,
    config: &VniConfig,
    addr: Addr,
) -> Result<&'static Neigh, Option<verdict::Result>> {
    let vni = Vni::new(account.vni).ok_or(None)?;
    let Some(neigh) = maps::neigh(vni, addr) else {
        return Err(config.has(VNI_ARP_MISS_DROP).then_some(Err(DropReason::ArpMiss)));
    };
    // A station behind the asker's own port answers for itself; so does the asker.
    if neigh.mac == account.src {
        return Err(None);
    }
    match encap::lookup(account, vni, config, neigh.mac) {
        Some(station) if station.ifindex == account.from.ifindex => Err(None),
        _ => Ok(neigh),
    }
}

/// The end of the walk of a frame that was turned into the answer, unless its bytes could not be written.
#[inline(always)]
pub(crate) fn answered(stored: Option<()>) -> verdict::Result {
    stored.map(|()| Verdict::Reply).ok_or(DropReason::InnerTooShort)
}
