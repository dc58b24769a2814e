//! ARP proxy: broadcast requests are answered from the neighbour table, so that they need not cross the
//! underlay.

use network_types::{arp::ArpHdr, eth::EthHdr};
use vxbpf_common::{
    Addr, DropReason, Mac, Vni,
    vni::{VNI_ARP_MISS_DROP, VniConfig},
};

use crate::{encap, maps, packet::Packet, verdict::Verdict};

const ETH_ARP: u16 = 0x0806u16.to_be();
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];

/// Turns a request that the table can answer into the reply. `None`: forward it like any other frame.
#[inline(always)]
pub(crate) fn answer<P: Packet>(
    pkt: &mut P,
    vni: Vni,
    config: &VniConfig,
    eth: &EthHdr,
    now: u64,
) -> Result<Option<Verdict>, DropReason> {
    // (Behind a VLAN tag, which may be outside the data, addresses may mean somebody else.)
    if eth.ether_type != ETH_ARP || Mac::new(eth.dst_addr) != Mac::BROADCAST || pkt.hidden_len() != 0 {
        return Ok(None);
    }
    let Some(request) = pkt.load::<ArpHdr>(size_of::<EthHdr>()) else { return Ok(None) };
    if !is_question(&request) {
        return Ok(None);
    }
    let Some(mac) = maps::neigh(vni, Addr::v4(request.tpa)) else {
        return if config.has(VNI_ARP_MISS_DROP) { Err(DropReason::ArpMiss) } else { Ok(None) };
    };
    // A station behind the asker's own port answers for itself; so does the asker.
    if mac == Mac::new(eth.src_addr) {
        return Ok(None);
    }
    if encap::lookup(vni, config, mac, now).is_some_and(|station| station.ifindex == pkt.ifindex()) {
        return Ok(None);
    }
    let (eth, reply) = reply(&request, mac);
    let stored = pkt.store(0, eth).and_then(|()| pkt.store(size_of::<EthHdr>(), reply));
    stored.ok_or(DropReason::InnerTooShort)?;
    Ok(Some(Verdict::Reply))
}

/// Whether it asks for somebody's MAC. An announcement (sender and target the same) and a probe (no
/// sender) tell or ask all stations something, and no table may answer (RFC 5227 sections 2.1.1, 2.3).
#[inline(always)]
fn is_question(arp: &ArpHdr) -> bool {
    arp.htype == [0, 1]
        && arp.ptype == [0x08, 0x00]
        && arp.hlen == 6
        && arp.plen == 4
        && arp.oper == REQUEST
        && arp.spa != [0; 4]
        && arp.spa != arp.tpa
}

/// The reply that station `mac` would have given.
#[inline(always)]
fn reply(request: &ArpHdr, mac: Mac) -> (EthHdr, ArpHdr) {
    let eth = EthHdr { dst_addr: request.sha, src_addr: mac.octets(), ether_type: ETH_ARP };
    let arp = ArpHdr {
        oper: REPLY,
        sha: mac.octets(),
        spa: request.tpa,
        tha: request.sha,
        tpa: request.spa,
        ..*request
    };
    (eth, arp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> ArpHdr {
        ArpHdr {
            htype: [0, 1],
            ptype: [8, 0],
            hlen: 6,
            plen: 4,
            oper: REQUEST,
            sha: [2, 0, 0, 0, 0, 1],
            spa: [10, 0, 0, 1],
            tha: [0; 6],
            tpa: [10, 0, 0, 2],
        }
    }

    #[test]
    fn only_a_request_for_somebody_else_is_a_question() {
        assert!(is_question(&request()));
        assert!(!is_question(&ArpHdr { spa: [0; 4], ..request() }), "probe");
        assert!(!is_question(&ArpHdr { spa: [10, 0, 0, 2], ..request() }), "announcement");
        assert!(!is_question(&ArpHdr { oper: REPLY, ..request() }), "reply");
        assert!(!is_question(&ArpHdr { hlen: 8, ..request() }), "not Ethernet");
    }

    #[test]
    fn the_reply_speaks_for_the_target() {
        let (eth, arp) = reply(&request(), Mac::new([2, 0, 0, 0, 0, 2]));
        assert_eq!((eth.src_addr, eth.dst_addr), ([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]));
        assert_eq!((arp.oper, arp.sha, arp.spa), (REPLY, [2, 0, 0, 0, 0, 2], [10, 0, 0, 2]));
        assert_eq!((arp.tha, arp.tpa), ([2, 0, 0, 0, 0, 1], [10, 0, 0, 1]));
    }
}
