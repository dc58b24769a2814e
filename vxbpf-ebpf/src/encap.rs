//! The walk of a frame that a port sent: to the asker, to another port, or out to the underlay.

use network_types::eth::EthHdr;
use vxbpf_common::{
    Addr, DropReason, Mac, Vni, ageing, ecn,
    fdb::{FdbEntry, FdbKey},
    outer::{Outer, Tunnel, bytes},
    port::{PORT_ISOLATED, PORT_MAC_LOCK},
    vni::{DF_INHERIT, DF_UNSET, VNI_TOS_INHERIT, VNI_TTL_INHERIT, VniConfig},
};

use crate::{
    account::{Account, Place},
    deliver,
    flow::{self, Flow},
    learn, maps, nexthop,
    packet::{Header, Packet, Reach},
    proxy,
    verdict::{self, Verdict},
};

/// Overlay to underlay, and between the ports of a VNI. (A function of its own, for its stack.)
#[inline(never)]
pub fn encap<P: Packet>(pkt: &mut P, account: &mut Account) {
    account.outcome = walk(pkt, account);
}

#[inline(always)]
fn walk<P: Packet>(pkt: &mut P, account: &mut Account) -> verdict::Result {
    let ifindex = pkt.ifindex();
    let Some(port) = maps::port(ifindex) else { return Ok(Verdict::Pass) }; // about to become a port, or no more
    let Some(vni) = Vni::new(port.vni) else { return Ok(Verdict::Pass) };
    let Some(config) = maps::vni(vni) else { return Ok(Verdict::Pass) };
    account.from = Place { ifindex, remote: Addr::NONE };
    account.vni = vni.get();
    account.vni_slot = config.slot;
    account.port_slot = port.slot;

    let eth: EthHdr = pkt.load(0).ok_or(DropReason::InnerTooShort)?;
    account.frame(&eth);
    let dst = account.dst;
    if port.has(PORT_MAC_LOCK) && !maps::mac_unlocked(ifindex, account.src) {
        return Err(DropReason::MacLocked);
    }
    learn::source(account, vni, config, [0; 2])?;

    if dst.is_group() {
        return proxy::answer(pkt, account, config, &eth).unwrap_or(Ok(Verdict::Flood));
    }
    let Some(station) = lookup(vni, config, dst, account.now) else { return Ok(Verdict::Flood) };
    match station.ifindex {
        0 => to_remote(pkt, account, station),
        to if to == ifindex => Err(DropReason::SamePort),
        to => deliver::to_port(pkt, account, to, port.has(PORT_ISOLATED)),
    }
}

/// Where a unicast destination is, if somebody said so and it has not expired.
#[inline(always)]
pub(crate) fn lookup(vni: Vni, config: &VniConfig, dst: Mac, now: u64) -> Option<&'static FdbEntry> {
    let station = maps::station(&FdbKey::new(vni, dst))?;
    let entry = station.entry();
    if !entry.is_live(now, config.ageing) {
        return None;
    }
    if ageing::stale(entry.used, now) {
        station.touch(now);
    }
    Some(entry)
}

/// Finds the way to the station's VTEP.
#[inline(always)]
fn to_remote<P: Packet>(pkt: &P, account: &mut Account, station: &FdbEntry) -> verdict::Result {
    let Some(instance) = maps::instance() else { return Ok(Verdict::Pass) };
    account.vtep_slot = station.slot;
    account.remote = station.remote;
    account.dstport = station.dstport;
    account.dst_vni = station.dst_vni;
    let reach = nexthop::find(pkt, &mut account.hop, instance, station.remote, account.now);
    account.out = account.hop.ifindex;
    match reach {
        Reach::None => Err(DropReason::NoRoute),
        Reach::Known if !P::can_send_to(account.hop.ifindex) => Ok(Verdict::Pass),
        Reach::Known if !nexthop::is_due(&account.hop, account.now) => Ok(Verdict::Underlay),
        _ if !P::RESOLVES => Ok(Verdict::Pass),
        _ if pkt.is_ip() => {
            if reach == Reach::Known {
                nexthop::probed(&station.remote, &mut account.hop, account.now);
            }
            Ok(Verdict::Neighbour)
        }
        Reach::Known => Ok(Verdict::Underlay),
        Reach::NoNeighbour => {
            account.out = instance.helper;
            Ok(Verdict::Resolve)
        }
    }
}

/// Writes the outer headers that the walk decided on. (A function of its own, for its stack.)
#[inline(never)]
pub(crate) fn push<O: Outer + Header, P: Packet>(pkt: &mut P, account: &mut Account) {
    if let Err(reason) = write::<O, P>(pkt, account) {
        account.outcome = Err(reason);
    }
}

#[inline(always)]
fn write<O: Outer + Header, P: Packet>(pkt: &mut P, account: &mut Account) -> Result<(), DropReason> {
    let vni = Vni::new(account.vni).and_then(maps::vni);
    let (Some(instance), Some(config)) = (maps::instance(), vni) else { return Err(DropReason::NoRoute) };
    let dst_vni = Vni::new(account.dst_vni).ok_or(DropReason::NoRoute)?;
    let eth = pkt.load::<EthHdr>(0).ok_or(DropReason::InnerTooShort)?;
    let flow = Flow::of(pkt, &eth);
    let tunnel = tunnel(config, &flow).to(instance, account.remote, dst_vni, account.dstport);
    let len = pkt.len() + pkt.hidden_len();
    // Of a way without neighbour only the interface is known yet.
    let mtu = match account.hop.mtu {
        0 => pkt.mtu_of(account.hop.ifindex).unwrap_or(u32::MAX),
        mtu => mtu,
    };
    if longest(pkt, &flow, len) + O::IP_OVERHEAD > mtu {
        account.mtu = mtu.saturating_sub(bytes::<O>() + pkt.hidden_len());
        return Err(DropReason::TooBig);
    }
    let outer = O::new(&tunnel, account.hop.src_mac, account.hop.dst_mac, len).ok_or(DropReason::NoRoute)?;
    pkt.push_outer(outer, eth)
}

/// Bytes of the longest frame that this one becomes on the wire: of its segments, if it is a GSO frame.
#[inline(always)]
pub(crate) fn longest<P: Packet>(pkt: &P, flow: &Flow, len: u32) -> u32 {
    let gso_size = pkt.gso_size();
    if gso_size == 0 { len } else { flow.headers_len + pkt.hidden_len() + gso_size }
}

/// The outer headers of a frame but for where they lead.
#[inline(always)]
pub(crate) fn tunnel(config: &VniConfig, flow: &Flow) -> Tunnel {
    let tos = if config.has(VNI_TOS_INHERIT) { flow.tos } else { config.tos };
    // A packet with a TTL of 0 would not get far: it has the default, as with the kernel's driver.
    let ttl = if config.has(VNI_TTL_INHERIT) && flow.ttl != 0 { flow.ttl } else { config.ttl };
    let df = match config.df {
        DF_UNSET => false,
        DF_INHERIT => flow.df,
        _ => true,
    };
    Tunnel {
        local: Addr::NONE,
        remote: Addr::NONE,
        srcport: flow.hash.srcport(),
        dstport: [0; 2],
        vni: Vni::from_wire([0; 3]),
        ttl,
        tos: ecn::encap(tos, flow.tos),
        df,
        // A packet that may be fragmented on its way needs a number that its fragments share and that
        // other packets of these seconds do not (RFC 6864 section 4.2).
        id: if df { [0; 2] } else { flow::fresh_id() },
    }
}
