//! The walk of a packet that the underlay brought: to a port of its VNI, or to all of them.

use network_types::{
    eth::EthHdr,
    ip::{Ipv4Hdr, Ipv6Hdr},
};
use vxbpf_common::{
    DropReason, Vni, checksum,
    counters::OTHER_SLOT,
    decision::{DROPPED, DecisionKey, NOTHING, PASS, PORT},
    ecn,
    outer::{ETH_IPV4, ETH_IPV6, Outer, Outer4, Outer6, bytes},
    vni::VNI_VTEP_ANY,
};

use crate::{
    account::{self, Account, Direction, Place},
    decision::{self, Next},
    deliver, encap,
    flow::behind_tags,
    learn, maps,
    packet::{self, Header, Packet},
    too_big,
    verdict::{self, Verdict},
};

/// Underlay to overlay.
#[inline(always)]
pub fn decap<P: Packet>(pkt: &mut P, account: &mut Account) {
    match pkt.load::<EthHdr>(0) {
        // The kernel keeps the tag of a packet in a VLAN outside the data: that is for the VLAN's device.
        Some(_) if pkt.hidden_len() != 0 => account.outcome = Ok(Verdict::Pass),
        Some(eth) if eth.ether_type == ETH_IPV4 => decap_over::<Outer4, P>(pkt, account),
        Some(eth) if eth.ether_type == ETH_IPV6 => decap_over::<Outer6, P>(pkt, account),
        _ => account.outcome = Ok(Verdict::Pass), // ARP, or shorter than any header
    }
}

/// Over one version of IP. (A function of its own, for its stack.)
#[inline(never)]
fn decap_over<O: Outer + Header, P: Packet>(pkt: &mut P, account: &mut Account) {
    account.outcome = walk::<O, P>(pkt, account);
    if account.decision.verdict != NOTHING
        && let Some(vni) = Vni::new(account.vni)
        && let Some(outer) = pkt.load::<O>(0)
    {
        packet::keep(&mut account.decision.outer, outer);
        let key = DecisionKey::from_underlay(vni, P::AT_XDP, account.src, account.dst);
        decision::keep(key, account);
    }
}

/// A packet like one whose way is remembered goes it again.
#[inline(always)]
pub fn again<P: Packet>(pkt: &mut P) -> Next {
    match pkt.load::<EthHdr>(0) {
        // Calls cost XDP more than they do TC, and it needs less stack.
        Some(eth) if eth.ether_type == ETH_IPV4 && P::AT_XDP => {
            resend::<Outer4, P>(pkt).unwrap_or(Next::UNKNOWN)
        }
        Some(eth) if eth.ether_type == ETH_IPV4 => Next::unpacked(again_over::<Outer4, P>(pkt)),
        Some(eth) if eth.ether_type == ETH_IPV6 => Next::unpacked(again_over::<Outer6, P>(pkt)),
        _ => Next::UNKNOWN,
    }
}

/// Over one version of IP. (A function of its own, for its stack.)
#[inline(never)]
fn again_over<O: Outer + Header, P: Packet>(pkt: &mut P) -> u64 {
    resend::<O, P>(pkt).unwrap_or(Next::UNKNOWN).packed()
}

/// `None`: nothing is remembered, or this packet is another case; it is as it was.
#[inline(always)]
fn resend<O: Outer + Header, P: Packet>(pkt: &mut P) -> Option<Next> {
    let [a, b, c, _]: [u8; 4] = pkt.load(O::LEN - 4)?; // the end of the VXLAN header
    let (dst, src) = pkt.macs(O::LEN)?;
    let vni = Vni::from_wire([a, b, c]);
    let known = decision::find(&DecisionKey::from_underlay(vni, P::AT_XDP, src, dst))?;
    // Read only now: what lives across a call needs stack.
    let (outer, inner): (O, EthHdr) = (pkt.load(0)?, pkt.load(O::LEN)?);
    if !outer.is_like(&packet::kept(&known.outer)) || !outer.lengths_agree(pkt.len()) || pkt.hidden_len() != 0
    {
        return None;
    }
    let len = outer.frame_len() - bytes::<O>();
    if is_runt(len, inner.ether_type) || ecn_allows::<O, P>(pkt, outer.tos(), inner.ether_type).is_err() {
        return None;
    }
    if known.verdict == PASS {
        return Some(Next::new(PASS, 0));
    }
    if too_big::for_port(pkt, len, false, known.mtu) {
        return None;
    }
    account::delivered(Direction::FromUnderlay, known, len);
    // Half removed, they are nothing that the whole walk could go through.
    let Ok(canonical) = remove(pkt, &outer, inner) else {
        account::not_removed(known, len);
        return Some(Next::new(DROPPED, 0));
    };
    let verdict = if canonical { known.verdict } else { PORT };
    Some(Next::new(verdict, known.out))
}

#[inline(always)]
fn walk<O: Outer + Header, P: Packet>(pkt: &mut P, account: &mut Account) -> verdict::Result {
    account.generation = maps::generation();
    let Some(instance) = maps::instance() else { return Ok(Verdict::Pass) };
    let Some(outer) = pkt.load::<O>(0) else { return Ok(Verdict::Pass) };
    if !outer.is_udp_to(instance.dstport) {
        return Ok(Verdict::Pass); // ssh, fragments, somebody else's tunnel
    }
    let (sender, dst) = (outer.src(), outer.dst());
    let to_group = dst.is_multicast();
    if !to_group && dst != instance.local_for(dst) {
        return Ok(Verdict::Pass); // another of the host's addresses
    }
    if !sender.is_host() || sender == instance.local_for(sender) {
        return Ok(Verdict::Pass); // nobody's, or our own; the kernel drops it (RFC 1122 section 3.2.1.3)
    }
    account.decision.remote = sender;
    account.decision.local = dst;
    let vni = outer.vni();
    let Some(config) = maps::vni(vni) else { return Ok(Verdict::Pass) }; // somebody else's VNI
    if to_group && account.decision.local != config.group {
        return Ok(Verdict::Pass); // somebody else's group
    }
    account.len = pkt.len().saturating_sub(O::LEN as u32);
    account.from = Place { ifindex: 0, remote: account.decision.remote };
    account.enter(vni, config);

    let vtep = maps::vtep(vni, account.from.remote);
    account.decision.vtep_slot = vtep.map_or(OTHER_SLOT, |vtep| vtep.slot);
    let any = config.has(VNI_VTEP_ANY);
    if !vtep.map_or(any, |vtep| vtep.may_send(any)) {
        return Err(DropReason::VtepNotAllowed);
    }
    // Read again: what lives across a call needs stack.
    let outer: O = pkt.load(0).ok_or(DropReason::InvalidOuterLength)?;
    if !outer.lengths_agree(pkt.len()) {
        return Err(DropReason::InvalidOuterLength);
    }
    if !outer.vxlan_is_plain() {
        return Err(DropReason::InvalidVxlanHeader);
    }
    account.len = outer.frame_len() - bytes::<O>();
    let inner: EthHdr = pkt.load(O::LEN).ok_or(DropReason::InnerTooShort)?;
    if is_runt(account.len, inner.ether_type) {
        return Err(DropReason::InnerTooShort);
    }
    account.frame(&inner);
    ecn_allows::<O, P>(pkt, outer.tos(), inner.ether_type)?;
    learn::source(account, vni, config, instance.dstport)?;

    if account.dst.is_group() {
        return Ok(Verdict::Flood);
    }
    let Some(station) = encap::lookup(account, vni, config, account.dst) else {
        return Ok(Verdict::Flood);
    };
    if station.ifindex == 0 {
        return Err(DropReason::SplitHorizon);
    }
    deliver::to_port(pkt, account, station.ifindex, false)
}

/// Removes the outer headers. A frame that the kernel then files under another protocol must pass the port's
/// device, which finds out what it is. (A function of its own, for its stack.)
#[inline(never)]
pub(crate) fn pop<O: Outer + Header, P: Packet>(pkt: &mut P, account: &mut Account) {
    let popped = match (pkt.load::<O>(0), pkt.load::<EthHdr>(O::LEN)) {
        (Some(outer), Some(inner)) => remove(pkt, &outer, inner),
        _ => Err(DropReason::DecapFailed),
    };
    match popped {
        Err(reason) => account.outcome = Err(reason),
        Ok(false) if account.outcome == Ok(Verdict::Peer) => account.outcome = Ok(Verdict::Port),
        Ok(_) => {}
    }
}

/// True if the kernel then holds the frame for what it is.
#[inline(always)]
fn remove<O: Outer, P: Packet>(pkt: &mut P, outer: &O, inner: EthHdr) -> Result<bool, DropReason> {
    combine_ecn::<O, P>(pkt, outer.tos(), inner.ether_type);
    trim(pkt, outer.frame_len())?;
    pkt.pop_outer::<O>(inner)
}

/// Whether an inner frame of a type is too short: it needs a whole IP header, as the kernel's driver has it
/// (`pskb_inet_may_pull`), and as whoever gets the frame may rely on.
#[inline(always)]
fn is_runt(len: u32, ether_type: u16) -> bool {
    const ANY: u32 = bytes::<EthHdr>();
    const IPV4: u32 = ANY + bytes::<Ipv4Hdr>();
    const IPV6: u32 = ANY + bytes::<Ipv6Hdr>();
    // Most need not be asked for their type.
    len < IPV6
        && len
            < match ether_type {
                ETH_IPV4 => IPV4,
                ETH_IPV6 => IPV6,
                _ => ANY,
            }
}

/// Takes off what the link put behind the outer packet.
#[inline(always)]
fn trim<P: Packet>(pkt: &mut P, len: u32) -> Result<(), DropReason> {
    if pkt.len() == len { Ok(()) } else { pkt.trim(len) }
}

/// The inner TOS or traffic class, also behind VLAN tags: the way in put it outside from there, too.
#[inline(always)]
fn inner_tos<P: Packet>(pkt: &P, (ether_type, at): (u16, usize)) -> Option<u8> {
    match ether_type {
        ETH_IPV4 => pkt.load::<Ipv4Hdr>(at).map(|ip| ip.tos),
        ETH_IPV6 => pkt.load::<[u8; 2]>(at).map(|[a, b]| a << 4 | b >> 4),
        _ => None,
    }
}

/// Whether congestion that was marked on the way, if any was, can be told to the inner flow.
#[inline(always)]
fn ecn_allows<O: Outer, P: Packet>(pkt: &P, outer_tos: u8, ether_type: u16) -> Result<(), DropReason> {
    if outer_tos & ecn::MASK == ecn::NOT_ECT {
        return Ok(());
    }
    match inner_tos(pkt, behind_tags(pkt, O::LEN, ether_type)) {
        Some(tos) if ecn::decap(outer_tos, tos).is_none() => Err(DropReason::EcnNotCapable),
        _ => Ok(()),
    }
}

/// Carries congestion that was marked on the way over to the inner packet.
#[inline(always)]
fn combine_ecn<O: Outer, P: Packet>(pkt: &mut P, outer_tos: u8, ether_type: u16) {
    // Not marked on the way: nothing can change.
    if outer_tos & ecn::MASK == ecn::NOT_ECT {
        return;
    }
    let (ether_type, at) = behind_tags(pkt, O::LEN, ether_type);
    let Some(old) = inner_tos(pkt, (ether_type, at)) else { return };
    let Some(tos) = ecn::decap(outer_tos, old).filter(|tos| *tos != old) else { return };
    if ether_type == ETH_IPV4 {
        if let Some(mut ip) = pkt.load::<Ipv4Hdr>(at) {
            ip.check = checksum::replace(ip.check, [ip.vihl, ip.tos], [ip.vihl, tos]);
            ip.tos = tos;
            // The header's checksum makes up for the change, so the sum over the packet stays.
            let _ = pkt.store(at, ip);
        }
    } else if let Some([a, b]) = pkt.load::<[u8; 2]>(at) {
        pkt.store_summed(at, [a & 0xf0 | tos >> 4, b & 0x0f | tos << 4]);
    }
}
