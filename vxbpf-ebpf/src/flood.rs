//! Flooding: broadcast, unknown unicast and multicast go to every other port of the VNI and, when a port
//! sent them, to every remote of the flood list, or of the group's own list if it has one (head-end replication;
//! as `vxlan_xmit` of drivers/net/vxlan/vxlan_core.c looks the address up first, broadcast too). Never from underlay
//! to underlay.
//!
//! The bodies of the two loops are global functions of the program (`tc.rs`): the verifier checks such a
//! function once, instead of once a turn with all that may have happened in the turns before.

use network_types::eth::EthHdr;
use vxbpf_common::{
    DropReason, Vni,
    flood::{FloodList, FloodRemote, MAX_REMOTES},
    instance::Errand,
    outer::{FlowMarks, Outer, Outer4, Outer6, Tunnel},
    port::PORT_ISOLATED,
};

use crate::{
    account::{self, Account},
    encap,
    flow::{self, Flow},
    maps, nexthop,
    packet::{Header, Packet, Reach},
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
    for (i, &ifindex) in list.ports.iter().enumerate() {
        if i >= list.ports_len as usize {
            break;
        }
        copies |= pkt.copy_to_port(ifindex, from, isolated, account.len);
    }
    // Asked after the loop: the verifier would follow the loop once for each answer.
    account.grouped = from != 0 && account.dst.is_group() && group_list(account).is_some();
    if copies == 0 && (from == 0 || (list.remotes_len() == 0 && !account.grouped)) {
        account.outcome = Err(DropReason::NoDestination);
    }
}

/// Encapsulates the frame and sends a copy to every remote of its list. (A function of its own, for its
/// stack.)
#[inline(never)]
pub(crate) fn to_remotes<P: Packet>(pkt: &mut P, account: &mut Account) {
    let Some(list) = list(account) else { return };
    if account.outcome != Ok(Verdict::Flood) || list.remotes_len() == 0 {
        return;
    }
    if list.remotes4_len == 0 {
        return to_family::<Outer6, P>(pkt, account, list);
    }
    if list.remotes6_len != 0 {
        by_helper(pkt, account);
    }
    to_family::<Outer4, P>(pkt, account, list);
}

/// Has the helper device send the copies for IPv6 remotes, of the frame as it still is.
#[inline(always)]
fn by_helper<P: Packet>(pkt: &mut P, account: &Account) {
    let (Some(instance), Some(vni)) = (maps::instance(), Vni::new(account.vni)) else { return };
    if let Err(reason) = pkt.copy_to_helper(instance.helper, Errand::Flood6(vni)) {
        account::copied(account.decision.vni_slot, account::NO_SLOT, account.len, Err(reason));
    }
}

/// The same on the helper device. (A function of its own, for its stack.)
#[inline(never)]
pub(crate) fn to_remotes6<P: Packet>(pkt: &mut P, account: &mut Account) {
    let config = Vni::new(account.vni).and_then(maps::vni);
    let (Some(config), Some(eth)) = (config, pkt.load::<EthHdr>(0)) else { return };
    account.decision.vni_slot = config.slot;
    account.frame(&eth);
    account.grouped = account.dst.is_group() && group_list(account).is_some();
    let Some(list) = list(account) else { return };
    to_family::<Outer6, P>(pkt, account, list);
}

/// Sends copies to the remotes of one family.
#[inline(always)]
fn to_family<O: Outer + Header, P: Packet>(pkt: &mut P, account: &mut Account, list: &FloodList) {
    prepare::<O, P>(pkt, account);
    if account.outcome.is_err() {
        return;
    }
    for i in 0..MAX_REMOTES {
        let Some(remote) = list.remote(O::IS_IPV6, i) else { break };
        pkt.copy_to_remote::<O>(&account.replica, remote);
    }
}

/// The list whose remotes get the frame.
#[inline(always)]
fn list(account: &Account) -> Option<&'static FloodList> {
    let own = if account.grouped { group_list(account) } else { None };
    own.or_else(|| Vni::new(account.vni).and_then(maps::flood_list))
}

/// The list of the group that the frame is for. A list without remotes is not kept.
#[inline(always)]
fn group_list(account: &Account) -> Option<&'static FloodList> {
    Vni::new(account.vni).and_then(|vni| maps::group_list(vni, account.dst))
}

/// Makes room for the outer headers, once; each copy gets the headers of its own remote. (A function of its own,
/// for its stack.)
#[inline(never)]
fn prepare<O: Outer, P: Packet>(pkt: &mut P, account: &mut Account) {
    let vni = Vni::new(account.vni).and_then(maps::vni);
    let (Some(config), Some(eth)) = (vni, pkt.load::<EthHdr>(0)) else {
        account.outcome = Err(DropReason::EncapFailed);
        return;
    };
    let flow = Flow::of(pkt, eth.ether_type);
    let replica = &mut account.replica;
    replica.now = account.now;
    replica.flow = encap::flow_marks(config.marks(), &flow, flow::fresh_id());
    replica.len = pkt.len() + pkt.hidden_len();
    replica.packet_len = encap::longest(pkt, &flow, replica.len) + O::IP_OVERHEAD;
    replica.bytes = account.len;
    replica.vni_slot = account.decision.vni_slot;
    if let Err(reason) = pkt.make_room::<O>(eth) {
        account.outcome = Err(reason);
    }
}

/// Sends a copy to one port, unless it is the one that the frame came from: the body of the loop above. Returns 1 if
/// the frame was for that port. (Whatever can be asked here is asked here: what the loop asks, the verifier follows in
/// every turn.)
#[inline(always)]
pub(crate) fn to_port<P: Packet>(pkt: &mut P, ifindex: u32, from: u32, isolated: bool, len: u32) -> u32 {
    if ifindex == from {
        return 0;
    }
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
    flow: FlowMarks,
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
pub(crate) fn to_remote<O: Outer + Header, P: Packet>(pkt: &mut P, replica: &Replica, remote: &FloodRemote) {
    let sent = replica.send::<O, P>(pkt, remote);
    account::copied(replica.vni_slot, remote.slot, replica.bytes, sent);
}

impl Replica {
    #[inline(always)]
    fn send<O: Outer + Header, P: Packet>(
        &self,
        pkt: &mut P,
        remote: &FloodRemote,
    ) -> Result<(), DropReason> {
        let instance = maps::instance().ok_or(DropReason::NoRoute)?;
        let vni = Vni::new(remote.dst_vni).ok_or(DropReason::NoRoute)?;
        let mut hop = nexthop::NOWHERE;
        let reach = nexthop::find(pkt, &mut hop, instance, remote.addr, self.now);
        if reach == Reach::None {
            return Err(DropReason::NoRoute);
        }
        if reach == Reach::Known && self.packet_len > hop.mtu {
            return Err(DropReason::TooBig);
        }
        let tunnel = Tunnel {
            local: instance.local_for(remote.addr),
            remote: remote.addr,
            dstport: remote.dstport,
            vni,
        };
        // Without a neighbour the MAC addresses are zero, and filled in when it is resolved.
        let outer =
            O::new(&tunnel, hop.src_mac, hop.dst_mac, &self.flow, self.len).ok_or(DropReason::NoRoute)?;
        pkt.store(0, outer).ok_or(DropReason::EncapFailed)?;
        match reach {
            Reach::Known => pkt.copy_to(hop.ifindex),
            Reach::NoNeighbour | Reach::None => pkt.copy_to_helper(instance.helper, Errand::Resolve),
        }
    }
}
