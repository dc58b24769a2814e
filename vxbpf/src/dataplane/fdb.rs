//! The FDB, with the meanings of `bridge fdb` on the kernel's vxlan device. The all-zeros MAC and multicast MACs have
//! lists of remotes (`lists.rs`); every other MAC is a station and in one place.

use vxbpf_common::{
    Addr, Mac, Vni,
    fdb::{FdbEntry, FdbKey, STATE_DYNAMIC},
    neigh::VniAddr,
    vni::VniConfig,
};

use super::{
    Dataplane,
    info::FdbInfo,
    lists::is_list,
    names,
    options::{Destination, FdbFilter, FdbSpec, Origin, Remote},
};
use crate::{Error, Result};

/// What an existing entry means for a new one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Append,
    Replace,
}

impl Dataplane {
    /// Adds an entry, or the first remote of a list; fails if there is one.
    pub fn fdb_add(&mut self, spec: &FdbSpec, origin: Origin) -> Result<()> {
        self.fdb_enter(spec, origin, Verb::Add)
    }

    /// Adds a remote to a list, unless it is there.
    pub fn fdb_append(&mut self, spec: &FdbSpec, origin: Origin) -> Result<()> {
        self.fdb_enter(spec, origin, Verb::Append)
    }

    /// Adds or changes an entry. Lists have no one remote to replace.
    pub fn fdb_replace(&mut self, spec: &FdbSpec, origin: Origin) -> Result<()> {
        self.fdb_enter(spec, origin, Verb::Replace)
    }

    fn fdb_enter(&mut self, spec: &FdbSpec, origin: Origin, verb: Verb) -> Result<()> {
        let _lock = self.lock()?;
        let config = self.vni_config(spec.vni)?;
        if is_list(spec.mac) {
            return self.list_enter(spec, origin, verb);
        }
        let key = FdbKey::new(spec.vni, spec.mac);
        let found = self.maps.fdb.fetch(&key)?;
        let live = found.filter(|old| old.is_live(names::now(), config.ageing));
        match (verb, &live) {
            // The kernel takes a new entry, and swallows a second destination without a word (vxlan_fdb_update_existing).
            (Verb::Append, _) => {
                return Err(Error::State {
                    what: entry_name(spec.vni, spec.mac),
                    why: "has one destination; append is for the flood list (00:00:00:00:00:00) and multicast MACs"
                        .to_owned(),
                    hint: Some("use add or replace".to_owned()),
                });
            }
            (Verb::Add, Some(_)) => return Err(Error::exists(entry_name(spec.vni, spec.mac))),
            (Verb::Add | Verb::Replace, _) => {}
        }
        let entry = self.fdb_entry(spec, origin)?;
        if let Err(e) = self.maps.fdb.insert(&key, &entry) {
            self.fdb_release(spec.vni, &entry)?;
            return Err(e);
        }
        if let Some(old) = found {
            self.fdb_release(spec.vni, &old)?;
        }
        if entry.state == STATE_DYNAMIC && !entry.remote.is_none() {
            self.note_dynamic(VniAddr::new(spec.vni, entry.remote), key);
        }
        match (&found, &live) {
            (_, Some(old)) if is_same(old, &entry) => {}
            (_, Some(old)) => self.tell_changed(spec.vni, spec.mac, old, &entry),
            (expired, None) => {
                if let Some(old) = expired {
                    self.tell_aged(spec.vni, spec.mac, old);
                }
                self.tell_added(spec.vni, spec.mac, &entry);
            }
        }
        self.count_entered(spec.vni, &config, found.as_ref(), &entry)
    }

    /// Keeps the count of dynamic entries, which learning counts up too, for the VNI's limit.
    fn count_entered(
        &mut self,
        vni: Vni,
        config: &VniConfig,
        old: Option<&FdbEntry>,
        new: &FdbEntry,
    ) -> Result<()> {
        let dynamic = |entry: &FdbEntry| entry.state == STATE_DYNAMIC;
        match (old.is_some_and(dynamic), dynamic(new)) {
            _ if config.limit == 0 => Ok(()),
            (false, true) if self.bulk_mut().is_none() => {
                let count = self.maps.learned.get(&vni.get())?.unwrap_or(0);
                self.maps.learned.insert(&vni.get(), &(count + 1))
            }
            (false, true) | (true, false) => self.recount(vni),
            _ => Ok(()),
        }
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

    /// Removes an entry, with a destination only if it is that one; of a list, that remote or all.
    pub fn fdb_del(&mut self, vni: Vni, mac: Mac, dst: Option<&Remote>) -> Result<()> {
        let _lock = self.lock()?;
        let config = self.vni_config(vni)?;
        if is_list(mac) {
            return self.list_remove(vni, mac, dst);
        }
        let key = FdbKey::new(vni, mac);
        let live = |entry: &FdbEntry| entry.is_live(names::now(), config.ageing);
        let Some(entry) = self.maps.fdb.fetch(&key)?.filter(live) else {
            return Err(Error::not_found(entry_name(vni, mac)));
        };
        if let Some(dst) = dst
            && !self.is_at(vni, dst, (entry.remote, entry.dst_vni, entry.dstport))
        {
            let near = (entry.remote == dst.addr.into()).then_some((entry.dst_vni, entry.dstport));
            return Err(self.elsewhere(vni, mac, dst, near));
        }
        self.fdb_remove(&key, &entry)?;
        self.recount(vni)
    }

    /// Takes an entry out, and tells of it. Call with the lock held, and recount.
    pub(super) fn fdb_remove(&mut self, key: &FdbKey, entry: &FdbEntry) -> Result<bool> {
        if !self.maps.fdb.remove(key)? {
            return Ok(false);
        }
        if let Some(vni) = key.vni() {
            self.tell_deleted(vni, key.mac(), entry);
            self.fdb_release(vni, entry)?;
        }
        Ok(true)
    }

    /// Whether a remote is the destination that is meant: what is not given is the default, as with the kernel
    /// (vxlan_fdb_parse).
    pub(super) fn is_at(
        &self,
        vni: Vni,
        dst: &Remote,
        (addr, dst_vni, dstport): (Addr, u32, [u8; 2]),
    ) -> bool {
        addr == Addr::from(dst.addr)
            && dst_vni == dst.dst_vni.unwrap_or(vni).get()
            && dstport == dst.port.map_or(self.instance.dstport, u16::to_be_bytes)
    }

    /// The error that there is no such destination; `near` differs in VNI or port only.
    pub(super) fn elsewhere(&self, vni: Vni, mac: Mac, dst: &Remote, near: Option<(u32, [u8; 2])>) -> Error {
        let what = format!("FDB entry {mac} to {} in VNI {vni}", dst.addr);
        let Some((dst_vni, dstport)) = near else { return Error::not_found(what) };
        let port = u16::from_be_bytes(dstport);
        Error::State {
            what,
            why: "has another VNI or port on the wire".to_owned(),
            hint: Some(format!("name them: src_vni {vni} vni {dst_vni} port {port}")),
        }
    }

    /// Removes the entries that a filter means; returns how many. Lists go only where the filter names their MAC or a
    /// VTEP.
    pub fn fdb_flush(&mut self, filter: &FdbFilter) -> Result<u64> {
        if let Some(vni) = filter.vni {
            self.vni_config(vni)?;
        }
        let lists = filter.dst.is_some() || filter.mac.is_some();
        self.exclusive(|this| {
            let found = this.fdb(filter)?;
            let flushed = this.bulk(found.len(), |this| this.flush_found(&found, lists))??;
            this.recount_all()?;
            Ok(flushed)
        })
    }

    fn flush_found(&mut self, found: &[FdbInfo], lists: bool) -> Result<u64> {
        let mut flushed = 0;
        for found in found {
            if !is_list(found.mac) {
                let key = FdbKey::new(found.vni, found.mac);
                if let Some(entry) = self.maps.fdb.fetch(&key)?
                    && self.fdb_remove(&key, &entry)?
                {
                    flushed += 1;
                }
            } else if lists && let Some(addr) = found.dst {
                let remote = Remote { addr, dst_vni: found.dst_vni, port: found.port };
                self.list_remove(found.vni, found.mac, Some(&remote))?;
                flushed += 1;
            }
        }
        Ok(flushed)
    }
}

/// What an entry is called.
pub(super) fn entry_name(vni: Vni, mac: Mac) -> String {
    format!("FDB entry {mac} in VNI {vni}")
}

/// Whether an entry makes its VTEP a known one: somebody entered it to stay.
fn names_vtep(entry: &FdbEntry) -> bool {
    entry.state != STATE_DYNAMIC && !entry.remote.is_none()
}

/// Whether nothing changed but times and who entered it.
fn is_same(a: &FdbEntry, b: &FdbEntry) -> bool {
    (a.remote, a.ifindex, a.dst_vni, a.dstport, a.state)
        == (b.remote, b.ifindex, b.dst_vni, b.dstport, b.state)
}
