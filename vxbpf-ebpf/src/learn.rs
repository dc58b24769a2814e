//! Learning: the source of a frame tells where a station is (RFC 7348 section 4.1).

use vxbpf_common::{
    DropReason, Vni, ageing,
    event::{KIND_LEARN, KIND_MOVE},
    fdb::{FdbEntry, FdbKey, ORIGIN_LEARNED, STATE_DYNAMIC},
    vni::{VNI_LEARNING, VniConfig},
};

use crate::{
    account::{Account, Place},
    maps,
};

/// Takes note of a frame's source, or says why the frame must not go on. Costs one look-up when nothing
/// changed, and a write once a second and station. As with the kernel's driver, a VNI that does not learn does
/// not check either: its control plane may move a station after the station moved.
#[inline(always)]
pub(crate) fn source(
    account: &mut Account,
    vni: Vni,
    config: &VniConfig,
    dstport: [u8; 2],
) -> Result<(), DropReason> {
    if !account.src.is_station() {
        return Err(DropReason::InvalidSourceMac);
    }
    if !config.has(VNI_LEARNING) {
        return Ok(());
    }
    let key = FdbKey::new(vni, account.src);
    let Some(station) = maps::station(&key) else {
        learn(account, config.limit, dstport);
        return Ok(());
    };
    let entry = station.entry();
    if entry.ifindex == account.from.ifindex && entry.remote == account.from.remote {
        if entry.state == STATE_DYNAMIC {
            if ageing::stale(entry.updated, account.now) {
                station.refresh(account.now);
            } else {
                account.holds_until(entry.updated + ageing::REFRESH);
            }
        }
        return Ok(());
    }
    if entry.state != STATE_DYNAMIC {
        return Err(DropReason::StationPinned);
    }
    account.before = Place { ifindex: entry.ifindex, remote: entry.remote };
    relocate(account, dstport);
    Ok(())
}

/// The entry of a frame's source.
#[inline(always)]
fn entry(account: &Account, dstport: [u8; 2]) -> FdbEntry {
    FdbEntry {
        updated: account.now,
        used: account.now,
        remote: account.from.remote,
        ifindex: account.from.ifindex,
        dst_vni: account.vni,
        // Only a remote has counters of its own; a port's are found with the port.
        slot: account.decision.vtep_slot,
        dstport,
        state: STATE_DYNAMIC,
        origin: ORIGIN_LEARNED,
    }
}

/// A new station, unless the VNI has as many as it may.
#[inline(never)]
fn learn(account: &mut Account, limit: u32, dstport: [u8; 2]) {
    let Some(vni) = Vni::new(account.vni) else { return };
    if limit != 0 && maps::learned(vni) >= u64::from(limit) {
        return;
    }
    if maps::station_insert(&FdbKey::new(vni, account.src), &entry(account, dstport)) {
        maps::count_learned(vni);
        account.learned = Some(KIND_LEARN);
    } else {
        account.holds_until(account.now); // the next frame tries again
    }
}

/// A station that was heard elsewhere before.
#[inline(never)]
fn relocate(account: &mut Account, dstport: [u8; 2]) {
    let Some(vni) = Vni::new(account.vni) else { return };
    if maps::station_replace(&FdbKey::new(vni, account.src), &entry(account, dstport)) {
        account.learned = Some(KIND_MOVE);
        maps::move_generation(account.decision.vni_slot);
    } else {
        account.holds_until(account.now); // the next frame tries again
    }
}
