//! Flooding: broadcast, unknown unicast and multicast go to every other port of the VNI and, when a port
//! sent them, to every remote of the flood list (head-end replication). Never from underlay to underlay.
//!
//! The bodies of the two loops are global functions of the program (`tc.rs`): the verifier checks such a
//! function once, instead of once a turn with all that may have happened in the turns before.

use network_types::eth::EthHdr;
use vxbpf_common::{
    DropReason, Vni,
    flood::{FloodRemote, MAX_PORTS, MAX_REMOTES},
    outer::Tunnel4,
    port::PORT_ISOLATED,
};

use crate::{
    account::{self, Account},
    encap,
    flow::Flow,
    maps, nexthop,
    packet::{Packet, Reach},
    verdict::Verdict,
};

/// Copies the frame to the ports of the VNI but the one it came from. Without a port, and with no remote to
/// follow, the frame has no destination. (A function of its own, for its stack.)
#[inline(never)]
pub(crate) fn to_ports<P: Packet>(pkt: &mut P, account: &mut Account) {
    let Some(list) = Vni::new(account.vni).and_then(maps::flood_list) else {
        account.outcome = Err(DropReason::NoDestination);
        return;
    };
    let from = account.from.ifindex;
    let isolated = maps::port(from).is_some_and(|port| port.has(PORT_ISOLATED));
    let mut copies = 0;
    for i in 0..MAX_PORTS {
        let Some(&ifindex) = list.ports.get(i) else { break };
        if i >= list.ports_len as usize {
            break;
        }
        if ifindex != from {
            copies |= pkt.copy_to_port(ifindex, isolated, account.len);
        }
    }
    if copies == 0 && (from == 0 || list.remotes_len == 0) {
        account.outcome = Err(DropReason::NoDestination);
    }
}

/// Encapsulates the frame and sends a copy to every remote of the flood list. (A function of its own, for its
/// stack.)
#[inline(never)]
pub(crate) fn to_remotes<P: Packet>(pkt: &mut P, account: &mut Account) {
    let Some(list) = Vni::new(account.vni).and_then(maps::flood_list) else { return };
    if account.outcome != Ok(Verdict::Flood) || list.remotes_len == 0 {
        return;
    }
    prepare(pkt, account);
    for i in 0..MAX_REMOTES {
        let Some(remote) = list.remotes.get(i) else { break };
        if i >= list.remotes_len as usize || account.outcome.is_err() {
            break;
        }
        pkt.copy_to_remote(&account.replica, remote);
    }
}

/// Makes room for the outer headers, once; each copy gets the headers of its own remote. (A function of its own,
/// for its stack.)
#[inline(never)]
fn prepare<P: Packet>(pkt: &mut P, account: &mut Account) {
    let vni = Vni::new(account.vni).and_then(maps::vni);
    let (Some(instance), Some(config), Some(eth)) = (maps::instance(), vni, pkt.load::<EthHdr>(0)) else {
        account.outcome = Err(DropReason::EncapFailed);
        return;
    };
    let flow = Flow::of(pkt, &eth);
    let replica = &mut account.replica;
    replica.now = account.now;
    replica.tunnel = encap::tunnel(instance, config, &flow);
    replica.len = pkt.len() + pkt.hidden_len();
    replica.packet_len = encap::packet_len(pkt, &flow, replica.len);
    replica.bytes = account.len;
    replica.vni_slot = account.vni_slot;
    if let Err(reason) = pkt.make_room(eth) {
        account.outcome = Err(reason);
    }
}

/// Sends a copy to one port: the body of the loop above. Returns 1 if the frame was for that port.
#[inline(always)]
pub(crate) fn to_port<P: Packet>(pkt: &mut P, ifindex: u32, isolated: bool, len: u32) -> u32 {
    let Some(port) = maps::port(ifindex) else { return 0 };
    if isolated && port.has(PORT_ISOLATED) {
        return 0;
    }
    account::copied(port.slot, account::NO_SLOT, len, pkt.copy_to(ifindex));
    1
}

/// What all copies of a replicated frame share.
pub struct Replica {
    now: u64,
    tunnel: Tunnel4,
    /// Bytes of the inner frame as encapsulated.
    len: u32,
    /// Bytes of the longest outer IP packet.
    packet_len: u32,
    /// Bytes to count.
    bytes: u32,
    vni_slot: u32,
}

/// Readdresses the frame to one remote and sends a copy: the body of the loop above.
#[inline(always)]
pub(crate) fn to_remote<P: Packet>(pkt: &mut P, replica: &Replica, remote: &FloodRemote) {
    let sent = replica.send(pkt, remote);
    account::copied(replica.vni_slot, remote.slot, replica.bytes, sent);
}

impl Replica {
    #[inline(always)]
    fn send<P: Packet>(&self, pkt: &mut P, remote: &FloodRemote) -> Result<(), DropReason> {
        let instance = maps::instance().ok_or(DropReason::NoRoute)?;
        let vni = Vni::new(remote.dst_vni).ok_or(DropReason::NoRoute)?;
        let tunnel = self.tunnel.to(remote.addr, vni, remote.dstport).ok_or(DropReason::NoRoute)?;
        let mut hop = nexthop::NOWHERE;
        let reach = nexthop::find(pkt, &mut hop, instance, remote.addr, self.now);
        if reach == Reach::None {
            return Err(DropReason::NoRoute);
        }
        if reach == Reach::Known && self.packet_len > hop.mtu {
            return Err(DropReason::TooBig);
        }
        // Without a neighbour the MAC addresses are zero, and filled in when it is resolved.
        pkt.store(0, tunnel.headers(hop.src_mac, hop.dst_mac, self.len)).ok_or(DropReason::EncapFailed)?;
        match reach {
            Reach::Known => pkt.copy_to(hop.ifindex),
            Reach::NoNeighbour | Reach::None => pkt.copy_to_helper(instance.helper),
        }
    }
}
