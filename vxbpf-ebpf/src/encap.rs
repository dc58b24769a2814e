//! The walk of a frame that a port sent: to the asker, to another port, or out to the underlay.

use network_types::eth::EthHdr;
use vxbpf_common::{
    Addr, DropReason, Mac, Vni, ageing,
    decision::{Decision, DecisionKey, LOOK_UP, NOTHING, PASS, PEER, PORT, UNDERLAY},
    ecn,
    fdb::{FdbEntry, FdbKey, STATE_DYNAMIC},
    fdb_cache::{CacheKey, LIFETIME, Towards},
    nexthop::PROBE,
    outer::{FlowMarks, Outer, Outer4, Outer6, Tunnel, bytes},
    port::{PORT_ISOLATED, PORT_MAC_LOCK},
    vni::{DF_INHERIT, DF_UNSET, Marks, VNI_TOS_INHERIT, VNI_TTL_INHERIT, VniConfig},
};

use crate::{
    account::{self, Account, Direction, Place},
    decision::{self, Next},
    deliver, events,
    flow::{self, Flow},
    learn,
    maps::{self, Cached},
    nexthop,
    packet::{self, Header, Packet, Reach},
    proxy, too_big,
    verdict::{self, Verdict},
};

/// A frame like one whose way is remembered goes it again.
#[inline(always)]
pub fn again<P: Packet>(pkt: &mut P) -> Next {
    resend(pkt).unwrap_or(Next::UNKNOWN)
}

/// `None`: nothing is remembered, or this frame is another case; it is as it was.
#[inline(always)]
fn resend<P: Packet>(pkt: &mut P) -> Option<Next> {
    let (dst, src) = pkt.macs(0)?;
    let key = DecisionKey::from_port(pkt.ifindex(), P::AT_XDP, src, dst)?;
    if key.is_to_group() {
        return None;
    }
    // Tags outside the data take longer.
    let Some(known) = decision::find(&key) else {
        return if pkt.hidden_len() != 0 { None } else { Some(Next::unpacked(look_up(pkt))) };
    };
    let (len, marks) = (pkt.len(), known.marks);
    let (port_slot, vni_slot) = (known.port_slot, known.vni_slot);
    match known.verdict {
        PASS => return Some(Next::new(PASS, 0)),
        _ if pkt.hidden_len() != 0 => return None,
        // Calls cost XDP more than they do TC, and it needs less stack.
        UNDERLAY if P::AT_XDP && known.remote.as_v4().is_some() => {
            push_known::<Outer4, P>(pkt, known, marks, port_slot, vni_slot)?;
        }
        UNDERLAY => push_again(pkt, known, marks, port_slot, vni_slot)?,
        PORT | PEER if !too_big::for_port(pkt, len, true, known.mtu) => {
            account::delivered(Direction::FromPort, known, len);
        }
        _ => return None,
    }
    Some(Next::new(known.verdict, known.out))
}

/// A frame from a station that is remembered, to a remote that is. (A function of its own, for its stack.)
#[inline(never)]
fn look_up<P: Packet>(pkt: &mut P) -> u64 {
    looked_up(pkt).unwrap_or(Next::UNKNOWN).packed()
}

#[inline(always)]
fn looked_up<P: Packet>(pkt: &mut P) -> Option<Next> {
    let (dst, src) = pkt.macs(0)?;
    let from = decision::find(&DecisionKey::from_station(pkt.ifindex(), P::AT_XDP, src)?)?;
    if from.verdict != LOOK_UP {
        return None;
    }
    let key = CacheKey::new(from.vni_slot, dst);
    // Asked of memory before all else, for it takes longest.
    let row = key.and_then(maps::cached);
    let now = events::now();
    let pair = DecisionKey::from_port(pkt.ifindex(), P::AT_XDP, src, dst)?;
    // Of stations that are sent to again and again the FDB is to know when, and the cache is for the others.
    let again = decision::was_known(&pair);
    let way = match (key, row) {
        (Some(key), Some(row)) if !again => cached::<P>(row, key, from, now),
        _ => None,
    };
    let way = match way {
        Some(way) => way,
        None => asked::<P>(from, dst, now, key.filter(|_| !again))?,
    };
    if way.to.verdict == PASS {
        return Some(Next::new(PASS, 0));
    }
    push_again(pkt, way.to, from.marks, from.port_slot, from.vni_slot)?;
    let out = way.to.out;
    join(&pair, from, way.to, decision::tick_before(way.until, now));
    Some(Next::new(UNDERLAY, out))
}

/// The way from a station to another.
struct Way {
    /// What is known of the remote.
    to: &'static mut Decision,
    /// Until when the other is behind it, CLOCK_MONOTONIC nanoseconds.
    until: u64,
}

/// As far as it is cached.
#[inline(always)]
fn cached<P: Packet>(row: Cached, key: CacheKey, from: &Decision, now: u64) -> Option<Way> {
    let hint = row.hints().find(key, now)?;
    let to = decision::at(DecisionKey::place_at(P::AT_XDP, hint.place))?;
    if row.seal(hint.way) != hint.seal(key, from.generation, to.key.as_towards(P::AT_XDP)?) {
        return None;
    }
    // Whatever a chance of 2^-64 may bring: never into another VNI.
    (to.vni_slot == from.vni_slot).then_some(Way { to, until: hint.until() })
}

/// As the FDB says, to be cached under a key if there is one.
#[inline(always)]
fn asked<P: Packet>(from: &Decision, dst: Mac, now: u64, cache: Option<CacheKey>) -> Option<Way> {
    let (entry, expires) = sent_to(Vni::new(from.vni)?, dst, now, from.ageing)?;
    if entry.ifindex != 0 {
        return None;
    }
    let towards = Towards::new(entry.slot, entry.dst_vni, entry.dstport);
    let to = decision::find(&remote_key::<P>(towards, entry.remote, entry.dst_vni, entry.dstport))?;
    if to.remote != entry.remote {
        return None;
    }
    if let (Some(key), Some(towards)) = (cache, towards) {
        maps::cache(key, from.generation, now, expires.min(now + LIFETIME), towards);
    }
    Some(Way { to, until: expires.min(entry.used + ageing::REFRESH) })
}

/// The key of what is known of a remote.
#[inline(always)]
fn remote_key<P: Packet>(
    towards: Option<Towards>,
    remote: Addr,
    dst_vni: u32,
    dstport: [u8; 2],
) -> DecisionKey {
    match towards {
        Some(towards) => DecisionKey::towards(P::AT_XDP, towards),
        None => DecisionKey::to_remote(P::AT_XDP, remote, dst_vni, dstport),
    }
}

/// Remembers for two stations what is known of the one, and of the remote that the other is behind, until a tick. (A
/// function of its own, for its stack.)
#[inline(never)]
fn join(key: &DecisionKey, from: &Decision, to: &Decision, until: u64) {
    let Some(place) = decision::free(key) else { return };
    // One of the two may be in that place, and have ended since it was found.
    if core::ptr::eq(place, from) || core::ptr::eq(place, to) {
        return;
    }
    *place = *to;
    place.key = *key;
    place.expires = from.expires.min(to.expires).min(until);
    place.generation = from.generation;
    place.id = flow::fresh_id();
    place.marks = from.marks;
    place.vni = from.vni;
    place.vni_slot = from.vni_slot;
    place.port_slot = from.port_slot;
}

/// Pushes outer headers that are ready, and counts the frame: for its port and its VNI, by their slots, and the VTEP.
#[inline(always)]
fn push_again<P: Packet>(
    pkt: &mut P,
    to: &mut Decision,
    marks: Marks,
    port_slot: u32,
    vni_slot: u32,
) -> Option<()> {
    if to.remote.as_v4().is_some() {
        push_ready::<Outer4, P>(pkt, to, marks, port_slot, vni_slot)
    } else {
        push_ready::<Outer6, P>(pkt, to, marks, port_slot, vni_slot)
    }
}

/// A function of its own, for its stack.
#[inline(never)]
fn push_ready<O: Outer + Header, P: Packet>(
    pkt: &mut P,
    to: &mut Decision,
    marks: Marks,
    port_slot: u32,
    vni_slot: u32,
) -> Option<()> {
    push_known::<O, P>(pkt, to, marks, port_slot, vni_slot)
}

/// The frame is counted before it changes (`account::delivered`). `None`: it is as it was, and not counted.
#[inline(always)]
fn push_known<O: Outer + Header, P: Packet>(
    pkt: &mut P,
    to: &mut Decision,
    marks: Marks,
    port_slot: u32,
    vni_slot: u32,
) -> Option<()> {
    let (len, vtep_slot) = (pkt.len(), to.vtep_slot);
    let mut counted = false;
    let written = write::<O, P>(pkt, to, marks, len, || {
        account::encapsulated(port_slot, vni_slot, vtep_slot, len);
        counted = true;
    });
    if counted && written.is_err() {
        account::not_encapsulated(port_slot, vni_slot, vtep_slot, len);
    }
    written.ok()
}

/// Overlay to underlay, and between the ports of a VNI. (A function of its own, for its stack.)
#[inline(never)]
pub fn encap<P: Packet>(pkt: &mut P, account: &mut Account) {
    account.outcome = walk(pkt, account);
    if let Ok(Verdict::Underlay | Verdict::Neighbour | Verdict::Resolve) = account.outcome {
        let prepared = match account.decision.remote.as_v4() {
            Some(_) => prepare::<Outer4>(account),
            None => prepare::<Outer6>(account),
        };
        if prepared.is_none() {
            account.outcome = Err(DropReason::NoRoute);
            return;
        }
    }
    if account.decision.verdict != NOTHING {
        keep::<P>(account);
    }
}

/// Remembers the decision. (A function of its own, for its stack.)
#[inline(never)]
fn keep<P: Packet>(account: &Account) -> Option<()> {
    let (ifindex, decision) = (account.from.ifindex, &account.decision);
    decision::keep(DecisionKey::from_port(ifindex, P::AT_XDP, account.src, account.dst)?, account);
    if !decision.remote.is_none() {
        let from = DecisionKey::from_station(ifindex, P::AT_XDP, account.src)?;
        decision::keep_part(from, account, LOOK_UP, account.heard_until);
        let (dst_vni, dstport) = (account.dst_vni, decision.dstport);
        // A station may have been learned while its remote lost the slot: it is known by whoever has it.
        let vtep = Vni::new(account.vni).and_then(|vni| maps::vtep(vni, decision.remote));
        let has_slot = vtep.is_some_and(|vtep| vtep.slot == decision.vtep_slot);
        let towards = Towards::new(decision.vtep_slot, dst_vni, dstport).filter(|_| has_slot);
        let to = remote_key::<P>(towards, decision.remote, dst_vni, dstport);
        decision::keep_part(to, account, decision.verdict, account.way_until);
    }
    Some(())
}

#[inline(always)]
fn walk<P: Packet>(pkt: &mut P, account: &mut Account) -> verdict::Result {
    let ifindex = pkt.ifindex();
    account.generation = maps::generation();
    let Some(port) = maps::port(ifindex) else { return Ok(Verdict::Pass) }; // about to become a port, or no more
    let Some(vni) = Vni::new(port.vni) else { return Ok(Verdict::Pass) };
    let Some(config) = maps::vni(vni) else { return Ok(Verdict::Pass) };
    account.enter(vni, config);
    account.from = Place { ifindex, remote: Addr::NONE };
    account.decision.port_slot = port.slot;

    let eth: EthHdr = pkt.load(0).ok_or(DropReason::InnerTooShort)?;
    account.frame(&eth);
    let dst = account.dst;
    if port.has(PORT_MAC_LOCK) && !maps::mac_unlocked(ifindex, account.src) {
        return Err(DropReason::MacLocked);
    }
    learn::source(account, vni, config, [0; 2])?;
    account.heard_until = account.until;

    if dst.is_group() {
        return proxy::answer(pkt, account, config, &eth).unwrap_or(Ok(Verdict::Flood));
    }
    let Some(station) = lookup(account, vni, config, dst) else { return Ok(Verdict::Flood) };
    match station.ifindex {
        0 => to_remote(pkt, account, station),
        to if to == ifindex => Err(DropReason::SamePort),
        to => deliver::to_port(pkt, account, to, port.has(PORT_ISOLATED)),
    }
}

/// Where a unicast destination is, if somebody said so and it has not expired.
#[inline(always)]
pub(crate) fn lookup(
    account: &mut Account,
    vni: Vni,
    config: &VniConfig,
    dst: Mac,
) -> Option<&'static FdbEntry> {
    let (entry, expires) = sent_to(vni, dst, account.now, config.ageing)?;
    account.holds_until(expires.min(entry.used + ageing::REFRESH));
    Some(entry)
}

/// The entry of a station that is sent to, which is noted, and until when it lives.
#[inline(always)]
fn sent_to(vni: Vni, dst: Mac, now: u64, ageing: u64) -> Option<(&'static FdbEntry, u64)> {
    let station = maps::station(&FdbKey::new(vni, dst))?;
    let entry = station.entry();
    if !entry.is_live(now, ageing) {
        return None;
    }
    if ageing::stale(entry.used, now) {
        station.touch(now);
    }
    let ages = entry.state == STATE_DYNAMIC && ageing != 0;
    Some((entry, if ages { entry.updated.saturating_add(ageing) } else { u64::MAX }))
}

/// Finds the way to the station's VTEP.
#[inline(always)]
fn to_remote<P: Packet>(pkt: &P, account: &mut Account, station: &FdbEntry) -> verdict::Result {
    let Some(instance) = maps::instance() else { return Ok(Verdict::Pass) };
    account.decision.vtep_slot = station.slot;
    account.decision.remote = station.remote;
    account.decision.dstport = station.dstport;
    account.dst_vni = station.dst_vni;
    let reach = nexthop::find(pkt, &mut account.hop, instance, station.remote, account.now);
    account.decision.local = instance.local_for(station.remote);
    account.decision.mtu = account.hop.mtu;
    account.decision.out = account.hop.ifindex;
    account.way_until = account.hop.expires.min(account.hop.probed + PROBE);
    match reach {
        Reach::None => Err(DropReason::NoRoute),
        Reach::Known if !P::can_send_to(account.hop.ifindex) => {
            account.holds_until(account.way_until);
            account.decision.verdict = PASS;
            Ok(Verdict::Pass)
        }
        Reach::Known if !nexthop::is_due(&account.hop, account.now) => {
            account.holds_until(account.way_until);
            account.decision.verdict = UNDERLAY;
            Ok(Verdict::Underlay)
        }
        _ if !P::RESOLVES => Ok(Verdict::Pass),
        _ if pkt.is_ip() => {
            if reach == Reach::Known {
                nexthop::probed(&station.remote, &mut account.hop, account.now);
            }
            Ok(Verdict::Neighbour)
        }
        Reach::Known => Ok(Verdict::Underlay),
        Reach::NoNeighbour => {
            account.decision.out = instance.helper;
            Ok(Verdict::Resolve)
        }
    }
}

/// Writes the outer headers that the walk decided on. (A function of its own, for its stack.)
#[inline(never)]
pub(crate) fn push<O: Outer + Header, P: Packet>(pkt: &mut P, account: &mut Account) {
    // Of a way without neighbour only the interface is known yet.
    if account.decision.mtu == 0 {
        account.decision.mtu = pkt.mtu_of(account.hop.ifindex).unwrap_or(u32::MAX);
    }
    let len = pkt.len() + pkt.hidden_len();
    let marks = account.decision.marks;
    if let Err(reason) = write::<O, P>(pkt, &mut account.decision, marks, len, || {}) {
        if reason == DropReason::TooBig {
            account.mtu = account.decision.mtu.saturating_sub(bytes::<O>() + pkt.hidden_len());
        }
        account.outcome = Err(reason);
    }
}

/// Makes the outer headers, as far as all frames get the same. `None`: we have no address of the remote's version. (A function of its own, for its stack.)
#[inline(never)]
fn prepare<O: Outer + Header>(account: &mut Account) -> Option<()> {
    let tunnel = Tunnel {
        local: account.decision.local,
        remote: account.decision.remote,
        dstport: account.decision.dstport,
        vni: Vni::new(account.dst_vni)?,
    };
    let outer = O::template(&tunnel, account.hop.src_mac, account.hop.dst_mac)?;
    account.decision.address_sum = outer.address_sum();
    account.decision.id = flow::fresh_id();
    packet::keep(&mut account.decision.outer, outer);
    Some(())
}

/// Of a frame of `len` bytes. `TooBig` leaves it as it is. `first` comes before anything is changed, once the frame fits.
#[inline(always)]
fn write<O: Outer + Header, P: Packet>(
    pkt: &mut P,
    decision: &mut Decision,
    marks: Marks,
    len: u32,
    first: impl FnOnce(),
) -> Result<(), DropReason> {
    let eth: EthHdr = pkt.load(0).ok_or(DropReason::InnerTooShort)?;
    let flow = Flow::of(pkt, eth.ether_type);
    if longest(pkt, &flow, len) + O::IP_OVERHEAD > decision.mtu {
        return Err(DropReason::TooBig);
    }
    let marks = flow_marks(marks, &flow, decision.id);
    // The kernel numbers the segments of a GSO frame from there (`inet_gso_segment`).
    let packets = len.checked_div(pkt.gso_size()).map_or(1, |whole| whole + 1);
    decision.id = decision.id.wrapping_add(packets as u16);
    first();
    pkt.make_room::<O>(eth)?;
    let mut outer: O = packet::kept(&decision.outer);
    outer.complete(decision.address_sum, &marks, len);
    pkt.store(0, outer).ok_or(DropReason::EncapFailed)
}

/// Bytes of the longest frame that this one becomes on the wire: of its segments, if it is a GSO frame.
#[inline(always)]
pub(crate) fn longest<P: Packet>(pkt: &P, flow: &Flow, len: u32) -> u32 {
    let gso_size = pkt.gso_size();
    if gso_size == 0 { len } else { flow.headers_len + pkt.hidden_len() + gso_size }
}

/// What the outer headers of a frame say of its flow, and their packet's number if it has one.
#[inline(always)]
pub(crate) fn flow_marks(marks: Marks, flow: &Flow, id: u16) -> FlowMarks {
    let (tos, ttl, df) =
        if marks.are_fixed() { (marks.tos, marks.ttl, true) } else { inherited(marks, flow) };
    FlowMarks {
        srcport: flow.hash.srcport(),
        // A packet that may be fragmented on its way needs a number that its fragments share and that
        // other packets of these seconds do not (RFC 6864 section 4.2).
        id: if df { [0; 2] } else { id.to_be_bytes() },
        ttl,
        tos: ecn::encap(tos, flow.tos),
        df,
    }
}

/// TOS, TTL and DF of the outer headers, as far as the inner flow has a say.
#[inline(always)]
fn inherited(marks: Marks, flow: &Flow) -> (u8, u8, bool) {
    let tos = if marks.has(VNI_TOS_INHERIT) { flow.tos } else { marks.tos };
    // A packet with a TTL of 0 would not get far: it has the default, as with the kernel's driver.
    let ttl = if marks.has(VNI_TTL_INHERIT) && flow.ttl != 0 { flow.ttl } else { marks.ttl };
    let df = match marks.df {
        DF_UNSET => false,
        DF_INHERIT => flow.df,
        _ => true,
    };
    (tos, ttl, df)
}
