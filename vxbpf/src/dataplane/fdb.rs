//! The FDB and the flood lists. A flood list is the FDB entry of the all-zeros MAC, as with iproute2: one destination
//! per remote.

use std::net::IpAddr;

use vxbpf_common::{
    Addr, Mac, Vni,
    fdb::{FdbEntry, FdbKey, STATE_DYNAMIC},
    flood::{FloodList, FloodRemote, MAX_REMOTES},
};

use super::{
    Dataplane,
    info::FdbInfo,
    names,
    options::{Destination, FdbFilter, FdbSpec, FdbState, Origin, Remote},
};
use crate::{Error, Result};

/// What an existing entry means for a new one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Add,
    Append,
    Replace,
}

impl Dataplane {
    /// Adds an entry, or the remote to the flood list; fails if it is there.
    pub fn fdb_add(&mut self, spec: &FdbSpec, origin: Origin) -> Result<()> {
        self.fdb_enter(spec, origin, Verb::Add)
    }

    /// Adds a remote to the flood list.
    pub fn fdb_append(&mut self, spec: &FdbSpec, origin: Origin) -> Result<()> {
        self.fdb_enter(spec, origin, Verb::Append)
    }

    /// Adds or changes an entry. Of the flood list it makes the remote the only one, as with iproute2.
    pub fn fdb_replace(&mut self, spec: &FdbSpec, origin: Origin) -> Result<()> {
        self.fdb_enter(spec, origin, Verb::Replace)
    }

    fn fdb_enter(&mut self, spec: &FdbSpec, origin: Origin, verb: Verb) -> Result<()> {
        let _lock = self.lock()?;
        let config = self.vni_config(spec.vni)?;
        if spec.mac.is_zero() {
            return self.flood_enter(spec, origin, verb);
        }
        let what = || format!("FDB entry {} in VNI {}", spec.mac, spec.vni);
        if spec.mac.is_group() {
            return Err(Error::state(
                what(),
                "is a group address; groups go to the flood list (00:00:00:00:00:00)",
            ));
        }
        let key = FdbKey::new(spec.vni, spec.mac);
        let old = self.maps.fdb.get(&key)?.filter(|old| old.is_live(names::now(), config.ageing));
        match (verb, &old) {
            (Verb::Append, _) => {
                return Err(Error::State {
                    what: what(),
                    why: "has one destination; append is for the flood list (00:00:00:00:00:00)".to_owned(),
                    hint: Some("use add or replace".to_owned()),
                });
            }
            (Verb::Add, Some(_)) => return Err(Error::exists(what())),
            (Verb::Add | Verb::Replace, _) => {}
        }
        let entry = self.fdb_entry(spec, origin)?;
        if let Err(e) = self.maps.fdb.insert(&key, &entry) {
            self.fdb_release(spec.vni, &entry)?;
            return Err(e);
        }
        if let Some(old) = old {
            self.fdb_release(spec.vni, &old)?;
        }
        self.recount(spec.vni)
    }

    /// The map value of an entry; a VTEP that it names is named from here on.
    fn fdb_entry(&mut self, spec: &FdbSpec, origin: Origin) -> Result<FdbEntry> {
        let now = names::now();
        let mut entry = FdbEntry {
            updated: now,
            used: now,
            remote: Addr::NONE,
            ifindex: 0,
            dst_vni: spec.vni.get(),
            slot: 0,
            dstport: self.instance.dstport,
            state: names::state_to_byte(spec.state),
            origin: names::origin_to_byte(origin),
        };
        match &spec.to {
            Destination::Port(dev) => entry.ifindex = self.port_in(dev, spec.vni)?,
            Destination::Remote(remote) => {
                self.check_remote(remote.addr)?;
                entry.remote = remote.addr.into();
                entry.dst_vni = remote.dst_vni.unwrap_or(spec.vni).get();
                entry.dstport = remote.port.map_or(self.instance.dstport, u16::to_be_bytes);
                entry.slot = if names_vtep(&entry) {
                    self.vtep_name(spec.vni, entry.remote)?
                } else {
                    self.vtep_slot(spec.vni, entry.remote)?
                };
            }
        }
        Ok(entry)
    }

    /// After an entry is gone or replaced: its VTEP is named once less.
    fn fdb_release(&mut self, vni: Vni, entry: &FdbEntry) -> Result<()> {
        if names_vtep(entry) { self.vtep_unname(vni, entry.remote) } else { Ok(()) }
    }

    /// Removes an entry; with a destination only if it is that one. Of the flood list, the destination or, without
    /// one, all.
    pub fn fdb_del(&mut self, vni: Vni, mac: Mac, dst: Option<&Remote>) -> Result<()> {
        let _lock = self.lock()?;
        self.vni_config(vni)?;
        if mac.is_zero() {
            return self.flood_remove(vni, dst);
        }
        let key = FdbKey::new(vni, mac);
        let wanted = |entry: &FdbEntry| dst.is_none_or(|dst| self.is_at(entry, dst));
        let entry = self.maps.fdb.get(&key)?.filter(wanted).ok_or_else(|| {
            let to = dst.map_or_else(String::new, |dst| format!(" to {}", dst.addr));
            Error::not_found(format!("FDB entry {mac}{to} in VNI {vni}"))
        })?;
        self.maps.fdb.remove(&key)?;
        self.fdb_release(vni, &entry)?;
        self.recount(vni)
    }

    fn is_at(&self, entry: &FdbEntry, dst: &Remote) -> bool {
        entry.remote == Addr::from(dst.addr)
            && dst.port.is_none_or(|port| entry.dstport == port.to_be_bytes())
            && dst.dst_vni.is_none_or(|vni| entry.dst_vni == vni.get())
    }

    /// The entries that a filter means, flood lists included, by VNI, MAC and destination. Expired ones are as good
    /// as absent.
    pub fn fdb(&self, filter: &FdbFilter) -> Result<Vec<FdbInfo>> {
        let now = names::now();
        let devs = self.port_names()?;
        let mut shown = Vec::new();
        let entries = match (filter.vni, filter.mac) {
            (Some(vni), Some(mac)) => {
                let key = FdbKey::new(vni, mac);
                self.maps.fdb.get(&key)?.map(|entry| (key, entry)).into_iter().collect()
            }
            _ => self.maps.fdb.entries()?,
        };
        let ageing = self.ageing()?;
        for (key, entry) in entries {
            let Some(vni) = key.vni() else { continue };
            let ageing = ageing.get(&vni.get()).copied().unwrap_or(0);
            if entry.is_live(now, ageing) {
                let dev = devs.get(&entry.ifindex).cloned().unwrap_or_else(|| format!("if{}", entry.ifindex));
                shown.push(info(vni, key.mac(), &entry, dev, now));
            }
        }
        for (number, list) in self.maps.flood.entries()? {
            shown.extend(list.remotes().map(|remote| flood_info(names::vni(number), remote)));
        }
        shown.retain(|info| matches(filter, info));
        shown.sort_by_key(|info| (info.vni, info.mac, info.dst));
        Ok(shown)
    }

    /// The entry of a station.
    pub fn fdb_get(&self, vni: Vni, mac: Mac) -> Result<FdbInfo> {
        self.vni_config(vni)?;
        let filter = FdbFilter { vni: Some(vni), mac: Some(mac), ..FdbFilter::default() };
        let found = self.fdb(&filter)?.into_iter().next();
        found.ok_or_else(|| Error::not_found(format!("FDB entry {mac} in VNI {vni}")))
    }

    /// Removes the entries that a filter means; returns how many. Flood lists go only where the filter names the
    /// all-zeros MAC or a VTEP.
    pub fn fdb_flush(&mut self, filter: &FdbFilter) -> Result<u64> {
        if let Some(vni) = filter.vni {
            self.vni_config(vni)?;
        }
        let lists = filter.dst.is_some() || filter.mac.is_some_and(Mac::is_zero);
        let _lock = self.lock()?;
        let mut flushed = 0;
        for found in self.fdb(filter)? {
            if !found.mac.is_zero() {
                let key = FdbKey::new(found.vni, found.mac);
                if let Some(entry) = self.maps.fdb.get(&key)?
                    && self.maps.fdb.remove(&key)?
                {
                    self.fdb_release(found.vni, &entry)?;
                    flushed += 1;
                }
            } else if lists && let Some(addr) = found.dst {
                let remote = Remote { addr, dst_vni: found.dst_vni, port: found.port };
                self.flood_remove(found.vni, Some(&remote))?;
                flushed += 1;
            }
        }
        for (vni, _) in self.maps.vnis.entries()? {
            self.recount(names::vni(vni))?;
        }
        Ok(flushed)
    }

    fn flood_enter(&mut self, spec: &FdbSpec, origin: Origin, verb: Verb) -> Result<()> {
        let Destination::Remote(to) = &spec.to else {
            return Err(Error::state(
                format!("the flood list of VNI {}", spec.vni),
                "takes remotes; local ports are in it by themselves",
            ));
        };
        self.check_remote(to.addr)?;
        let addr = Addr::from(to.addr);
        let mut list = self.flood_list(spec.vni)?;
        let dst_vni = to.dst_vni.unwrap_or(spec.vni).get();
        let dstport = to.port.map_or(self.instance.dstport, u16::to_be_bytes);
        let same = |r: &FloodRemote| (r.addr, r.dst_vni, r.dstport) == (addr, dst_vni, dstport);
        let old: Vec<_> = list.remotes().copied().collect();
        if verb != Verb::Replace && old.iter().any(same) {
            return Err(Error::exists(format!("remote {} in the flood list of VNI {}", to.addr, spec.vni)));
        }
        let mut kept: Vec<_> = if verb == Verb::Replace { Vec::new() } else { old.clone() };
        if kept.len() >= MAX_REMOTES {
            return Err(Error::Full {
                what: format!("the flood list of VNI {}", spec.vni),
                max: MAX_REMOTES as u64,
                hint: "remove a remote, or name stations with fdb add so that their frames need no flooding"
                    .to_owned(),
            });
        }
        let slot = self.vtep_name(spec.vni, addr)?;
        kept.push(FloodRemote {
            addr,
            dst_vni,
            slot,
            dstport,
            origin: names::origin_to_byte(origin),
            state: names::state_to_byte(spec.state),
            reserved: 0,
        });
        list.set_remotes(&kept);
        if let Err(e) = self.maps.flood.insert(&spec.vni.get(), &list) {
            self.vtep_unname(spec.vni, addr)?;
            return Err(e);
        }
        if verb == Verb::Replace {
            for remote in old {
                self.vtep_unname(spec.vni, remote.addr)?;
            }
        }
        Ok(())
    }

    fn flood_remove(&mut self, vni: Vni, dst: Option<&Remote>) -> Result<()> {
        let mut list = self.flood_list(vni)?;
        let gone = |r: &FloodRemote| {
            dst.is_none_or(|dst| {
                r.addr == Addr::from(dst.addr)
                    && dst.port.is_none_or(|port| r.dstport == port.to_be_bytes())
                    && dst.dst_vni.is_none_or(|vni| r.dst_vni == vni.get())
            })
        };
        let (gone, kept): (Vec<_>, Vec<_>) = list.remotes().copied().partition(gone);
        if gone.is_empty() {
            let which = dst.map_or_else(|| "any remote".to_owned(), |dst| format!("remote {}", dst.addr));
            return Err(Error::not_found(format!("{which} in the flood list of VNI {vni}")));
        }
        list.set_remotes(&kept);
        self.maps.flood.insert(&vni.get(), &list)?;
        for remote in gone {
            self.vtep_unname(vni, remote.addr)?;
        }
        Ok(())
    }

    /// The flood list of a VNI that exists.
    pub(super) fn flood_list(&self, vni: Vni) -> Result<FloodList> {
        self.maps
            .flood
            .get(&vni.get())?
            .ok_or_else(|| Error::not_found(format!("the flood list of VNI {vni}")))
    }
}

/// Whether an entry makes its VTEP a known one: somebody entered it to stay.
fn names_vtep(entry: &FdbEntry) -> bool {
    entry.state != STATE_DYNAMIC && !entry.remote.is_none()
}

fn info(vni: Vni, mac: Mac, entry: &FdbEntry, dev: String, now: u64) -> FdbInfo {
    let remote = entry.ifindex == 0;
    FdbInfo {
        vni,
        mac,
        dst: remote.then(|| names::ip(entry.remote)),
        dst_vni: remote.then(|| names::vni(entry.dst_vni)),
        port: remote.then(|| u16::from_be_bytes(entry.dstport)),
        dev: (!remote).then_some(dev),
        state: names::state_from_byte(entry.state),
        origin: names::origin_from_byte(entry.origin),
        used: names::seconds_since(entry.used, now),
        updated: names::seconds_since(entry.updated, now),
    }
}

fn flood_info(vni: Vni, remote: &FloodRemote) -> FdbInfo {
    FdbInfo {
        vni,
        mac: Mac::ZERO,
        dst: Some(names::ip(remote.addr)),
        dst_vni: Some(names::vni(remote.dst_vni)),
        port: Some(u16::from_be_bytes(remote.dstport)),
        dev: None,
        state: names::state_from_byte(remote.state),
        origin: names::origin_from_byte(remote.origin),
        used: 0,
        updated: 0,
    }
}

fn matches(filter: &FdbFilter, info: &FdbInfo) -> bool {
    let same_ip = |a: IpAddr, b: IpAddr| a.to_canonical() == b.to_canonical();
    filter.vni.is_none_or(|vni| vni == info.vni)
        && filter.mac.is_none_or(|mac| mac == info.mac)
        && filter.dst.is_none_or(|dst| info.dst.is_some_and(|of| same_ip(dst, of)))
        && filter.state.is_none_or(|state: FdbState| state == info.state)
}
