//! ARP proxy: broadcast requests.

use network_types::{arp::ArpHdr, eth::EthHdr};
use vxbpf_common::{Addr, Mac, vni::VniConfig};

use crate::{
    account::Account,
    packet::Packet,
    proxy::{self, ETH_ARP},
    verdict,
};

const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];

/// Turns a request that the table can answer into the reply. `None`: forward it like any other frame.
#[inline(always)]
pub(crate) fn answer<P: Packet>(
    pkt: &mut P,
    account: &mut Account,
    config: &VniConfig,
) -> Option<verdict::Result> {
    let request = pkt.load::<ArpHdr>(size_of::<EthHdr>()).filter(is_question)?;
    let neigh = match proxy::owner(account, config, Addr::v4(request.tpa)) {
        Ok(neigh) => neigh,
        Err(otherwise) => return otherwise,
    };
    let (eth, reply) = reply(&request, neigh.mac);
    let stored = pkt.store(0, eth).and_then(|()| pkt.store(size_of::<EthHdr>(), reply));
    Some(proxy::answered(stored))
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
