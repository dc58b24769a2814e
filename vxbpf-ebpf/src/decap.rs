//! The walk of a packet that the underlay brought: to a port of its VNI, or to all of them.

use network_types::{
    eth::EthHdr,
    ip::{Ipv4Hdr, Ipv6Hdr},
};
use vxbpf_common::{
    Addr, DropReason, Vni, checksum,
    counters::OTHER_SLOT,
    ecn,
    outer::{OUTER4_LEN, Outer4},
    vni::VNI_VTEP_ANY,
};

use crate::{
    account::{Account, Place},
    deliver, encap, learn, maps,
    packet::Packet,
    verdict::{self, Verdict},
};

const ETH_IPV4: u16 = 0x0800u16.to_be();
const ETH_IPV6: u16 = 0x86ddu16.to_be();
/// Where the inner network header begins, without VLAN tags.
const INNER_NET: usize = OUTER4_LEN + size_of::<EthHdr>();

/// Underlay to overlay. (A function of its own, for its stack.)
#[inline(never)]
pub fn decap<P: Packet>(pkt: &mut P, account: &mut Account) {
    account.outcome = walk(pkt, account);
}

#[inline(always)]
fn walk<P: Packet>(pkt: &mut P, account: &mut Account) -> verdict::Result {
    let Some(outer) = pkt.load::<Outer4>(0) else { return Ok(Verdict::Pass) };
    let Some(instance) = maps::instance() else { return Ok(Verdict::Pass) };
    let Some(local) = instance.local.as_v4() else { return Ok(Verdict::Pass) };
    if !outer.is_to(local, instance.dstport) {
        return Ok(Verdict::Pass); // ssh, ARP, fragments, somebody else's tunnel
    }
    let vni = Vni::from_wire(outer.vxlan.vni);
    let Some(config) = maps::vni(vni) else { return Ok(Verdict::Pass) }; // somebody else's VNI
    let sender = Addr::v4(outer.ip.src_addr);
    account.from = Place { ifindex: 0, remote: sender };
    account.vni = vni.get();
    account.vni_slot = config.slot;

    let vtep = maps::vtep(vni, sender);
    account.vtep_slot = vtep.map_or(OTHER_SLOT, |vtep| vtep.slot);
    let any = config.has(VNI_VTEP_ANY);
    if !vtep.map_or(any, |vtep| vtep.may_send(any)) {
        return Err(DropReason::VtepNotAllowed);
    }
    if !outer.lengths_agree(pkt.len()) {
        return Err(DropReason::InvalidOuterLength);
    }
    if !outer.vxlan_is_plain() {
        return Err(DropReason::InvalidVxlanHeader);
    }
    let inner: EthHdr = pkt.load(OUTER4_LEN).ok_or(DropReason::InnerTooShort)?;
    account.frame(&inner);
    combine_ecn(pkt, outer.ip.tos, inner.ether_type)?;
    learn::source(account, vni, config, instance.dstport)?;

    if account.dst.is_group() {
        return Ok(Verdict::Flood);
    }
    let Some(station) = encap::lookup(vni, config, account.dst, account.now) else {
        return Ok(Verdict::Flood);
    };
    if station.ifindex == 0 {
        return Err(DropReason::SplitHorizon);
    }
    deliver::to_port::<P>(account, station.ifindex, false)
}

/// Removes the outer headers. A frame that the kernel then files under another protocol must pass the port's
/// device, which finds out what it is. (A function of its own, for its stack.)
#[inline(never)]
pub(crate) fn pop<P: Packet>(pkt: &mut P, account: &mut Account) {
    let popped = match pkt.load::<EthHdr>(OUTER4_LEN) {
        Some(inner) => pkt.pop_outer(inner),
        None => Err(DropReason::DecapFailed),
    };
    match popped {
        Err(reason) => account.outcome = Err(reason),
        Ok(false) if account.outcome == Ok(Verdict::Peer) => account.outcome = Ok(Verdict::Port),
        Ok(_) => {}
    }
}

/// Carries congestion marked on the way over to the inner packet. Inner packets behind a VLAN tag keep their
/// mark, as with the kernel's driver (`INET_ECN_decapsulate` looks at IP only).
#[inline(always)]
fn combine_ecn<P: Packet>(pkt: &mut P, outer_tos: u8, ether_type: u16) -> Result<(), DropReason> {
    // Not marked on the way: nothing can change.
    if outer_tos & ecn::MASK == ecn::NOT_ECT {
        return Ok(());
    }
    match ether_type {
        ETH_IPV4 => {
            let Some(mut ip) = pkt.load::<Ipv4Hdr>(INNER_NET) else { return Ok(()) };
            let tos = ecn::decap(outer_tos, ip.tos).ok_or(DropReason::EcnNotCapable)?;
            if tos != ip.tos {
                ip.check = checksum::replace(ip.check, [ip.vihl, ip.tos], [ip.vihl, tos]);
                ip.tos = tos;
                pkt.store(INNER_NET, ip).ok_or(DropReason::InnerTooShort)?;
            }
        }
        ETH_IPV6 => {
            let Some(ip) = pkt.load::<Ipv6Hdr>(INNER_NET) else { return Ok(()) };
            let inner_tos = ip.vcf[0] << 4 | ip.vcf[1] >> 4;
            let tos = ecn::decap(outer_tos, inner_tos).ok_or(DropReason::EcnNotCapable)?;
            if tos != inner_tos {
                let vcf = [ip.vcf[0] & 0xf0 | tos >> 4, ip.vcf[1] & 0x0f | tos << 4];
                pkt.store(INNER_NET, vcf).ok_or(DropReason::InnerTooShort)?;
            }
        }
        _ => {}
    }
    Ok(())
}
