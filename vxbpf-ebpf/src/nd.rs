//! ND proxy: solicitations to the group of an address.

use network_types::eth::EthHdr;
use vxbpf_common::{
    Mac,
    nd::NdPacket,
    neigh::{NEIGH_ROUTER, Neigh},
    outer::ETH_IPV6,
    vni::VniConfig,
};

use crate::{account::Account, packet::Packet, proxy, verdict};

/// Turns a solicitation that the table can answer into the advertisement. True if that, or a drop, is the outcome;
/// else it is to be forwarded like any other frame. (A function of its own, for its stack.)
#[inline(never)]
pub(crate) fn answer<P: Packet>(pkt: &mut P, account: &mut Account, config: &VniConfig) -> bool {
    let outcome = outcome(pkt, account, config);
    if let Some(outcome) = outcome {
        account.outcome = outcome;
    }
    outcome.is_some()
}

#[inline(always)]
fn outcome<P: Packet>(pkt: &mut P, account: &mut Account, config: &VniConfig) -> Option<verdict::Result> {
    let solicitation = pkt.load::<NdPacket>(size_of::<EthHdr>())?;
    let target = solicitation.question()?;
    let neigh = match proxy::owner(account, config, target) {
        Ok(neigh) => neigh,
        Err(otherwise) => return otherwise,
    };
    let (eth, advertisement) = reply(&solicitation, neigh);
    let stored = pkt.store(0, eth).and_then(|()| pkt.store(size_of::<EthHdr>(), advertisement));
    Some(proxy::answered(stored))
}

/// The advertisement that the station would have given, addressed as it would be: to the link-layer address that the
/// asker names.
#[inline(always)]
fn reply(solicitation: &NdPacket, neigh: &Neigh) -> (EthHdr, NdPacket) {
    let (asker, mac) = (Mac::new(solicitation.link_addr), neigh.mac);
    let eth = EthHdr { dst_addr: asker.octets(), src_addr: mac.octets(), ether_type: ETH_IPV6 };
    (eth, solicitation.advertisement(mac, neigh.has(NEIGH_ROUTER)))
}
