//! VNIs.

use std::collections::HashMap;

use bytemuck::Zeroable as _;
use vxbpf_common::{Addr, Mac, Vni, fdb::STATE_DYNAMIC, flood::FloodList, vni::VniConfig};

use super::{
    Dataplane,
    info::VniInfo,
    names,
    options::{Origin, VniChange, VniOptions},
};
use crate::{Error, Result};

impl Dataplane {
    /// Adds a VNI. From now on packets that carry it are ours.
    pub fn vni_add(&mut self, vni: Vni, options: &VniOptions, origin: Origin) -> Result<()> {
        self.exclusive(|this| this.vni_added(vni, options, origin))
    }

    fn vni_added(&mut self, vni: Vni, options: &VniOptions, origin: Origin) -> Result<()> {
        if self.maps.vnis.get(&vni.get())?.is_some() {
            return Err(Error::exists(format!("VNI {vni}")));
        }
        self.check_name(vni, options.name.as_deref())?;
        self.check_vni_is_free(vni)?;
        let slot = self.new_slot()?;
        // The VNI itself last: what belongs to it is there when the first packet asks.
        self.maps.flood.insert(&vni.get(), &FloodList::zeroed())?;
        self.maps.learned.insert(&vni.get(), &0)?;
        let config = names::vni_to_config(options, slot, origin);
        let added = self.vni_enter(vni, config);
        if added.is_err() {
            self.maps.vnis.remove(&vni.get())?;
            self.maps.learned.remove(&vni.get())?;
            self.maps.flood.remove(&vni.get())?;
        } else {
            self.rename(vni, None, options.name.as_deref());
        }
        added
    }

    /// With its group, which takes a row of counters when the VNI has its own.
    fn vni_enter(&mut self, vni: Vni, config: VniConfig) -> Result<()> {
        self.maps.vnis.insert(&vni.get(), &VniConfig { group: Addr::NONE, ..config })?;
        if config.group.is_none() {
            return Ok(());
        }
        self.group_enter(vni, &config)?;
        self.maps.vnis.insert(&vni.get(), &config)
    }

    /// Changes options of a VNI.
    pub fn vni_set(&mut self, vni: Vni, change: &VniChange) -> Result<()> {
        let _lock = self.lock()?;
        let config = self.vni_config(vni)?;
        self.check_name(vni, change.name.as_deref())?;
        let options = change.apply(&names::vni_from_config(&config));
        let changed = names::vni_to_config(&options, config.slot, names::origin_from_byte(config.origin));
        if changed.group != config.group {
            self.group_leave(vni, &config)?;
            if let Err(e) = self.group_enter(vni, &changed) {
                self.group_enter(vni, &config)?;
                return Err(e);
            }
        }
        self.maps.vnis.insert(&vni.get(), &changed)?;
        self.rename(vni, Some(&config.name), options.name.as_deref());
        self.recount(vni)
    }

    /// Removes a VNI with all that is in it. Its ports must be gone.
    pub fn vni_del(&mut self, vni: Vni) -> Result<()> {
        let _lock = self.lock()?;
        let config = self.vni_config(vni)?;
        let ports = self.maps.ports.entries()?;
        let mut ports: Vec<_> = ports
            .iter()
            .filter(|(_, port)| port.vni == vni.get())
            .map(|(_, port)| names::from_bytes(&port.name))
            .collect();
        ports.sort();
        if let Some(first) = ports.first() {
            return Err(Error::State {
                what: format!("VNI {vni}"),
                why: format!("has ports: {}", ports.join(", ")),
                hint: Some(format!("remove them first: vxbpf port del {first}")),
            });
        }
        self.group_leave(vni, &config)?;
        self.maps.vnis.remove(&vni.get())?;
        self.rename(vni, Some(&config.name), None);
        let entries = self.maps.fdb.remove_where(|key, _| key.vni() == Some(vni))?;
        self.tell_all_deleted(&entries);
        for (key, list) in self.maps.groups.remove_where(|key, _| key.vni() == Some(vni))? {
            list.remotes().for_each(|remote| self.tell_deleted(vni, key.mac(), remote));
        }
        self.maps.neigh.remove_where(|key, _| key.vni() == Some(vni))?;
        self.maps.vteps.remove_where(|key, _| key.vni() == Some(vni))?;
        self.maps.learned.remove(&vni.get())?;
        if let Some(list) = self.maps.flood.get(&vni.get())? {
            self.maps.flood.remove(&vni.get())?;
            list.remotes().for_each(|remote| self.tell_deleted(vni, Mac::ZERO, remote));
        }
        Ok(())
    }

    /// All VNIs, by number.
    pub fn vnis(&self) -> Result<Vec<VniInfo>> {
        let mut vnis: HashMap<Vni, VniInfo> = HashMap::new();
        for (number, config) in self.maps.vnis.entries()? {
            let vni = names::vni(number);
            let remotes = self.maps.flood.get(&number)?.map_or(0, |list| list.remotes_len() as usize);
            let (options, origin) = (names::vni_from_config(&config), names::origin_from_byte(config.origin));
            vnis.insert(
                vni,
                VniInfo { vni, options, origin, ports: 0, fdb: 0, learned: 0, remotes, groups: 0, neigh: 0 },
            );
        }
        self.maps.ports.each(|_, port| {
            if let Some(info) = vnis.get_mut(&names::vni(port.vni)) {
                info.ports += 1;
            }
        })?;
        let now = names::now();
        self.maps.fdb.each(|key, entry| {
            let Some(info) = key.vni().and_then(|vni| vnis.get_mut(&vni)) else { return };
            if entry.is_live(now, u64::from(info.options.ageing) * vxbpf_common::SECOND) {
                info.fdb += 1;
                info.learned += usize::from(entry.state == STATE_DYNAMIC);
            }
        })?;
        self.maps.groups.each(|key, _| {
            if let Some(info) = key.vni().and_then(|vni| vnis.get_mut(&vni)) {
                info.groups += 1;
            }
        })?;
        self.maps.neigh.each(|key, _| {
            if let Some(info) = key.vni().and_then(|vni| vnis.get_mut(&vni)) {
                info.neigh += 1;
            }
        })?;
        let mut vnis: Vec<_> = vnis.into_values().collect();
        vnis.sort_by_key(|info| info.vni);
        Ok(vnis)
    }

    /// Their options and who entered them, in no order; without counting what is in them.
    pub fn vni_options(&self) -> Result<Vec<(Vni, VniOptions, Origin)>> {
        let vnis = self.maps.vnis.entries()?.into_iter();
        let options = vnis.map(|(number, config)| {
            (names::vni(number), names::vni_from_config(&config), names::origin_from_byte(config.origin))
        });
        Ok(options.collect())
    }

    /// How many there are.
    pub fn vni_count(&self) -> Result<usize> {
        self.maps.vnis.len()
    }

    /// The VNI of that name.
    pub fn vni_named(&self, name: &str) -> Result<Option<Vni>> {
        let bytes = names::to_bytes(name);
        if let Some(index) = self.index() {
            let named = index.vnis.get(&bytes).filter(|_| !name.is_empty() && name.len() < 16);
            return Ok(named.map(|number| names::vni(*number)));
        }
        let vnis = self.maps.vnis.entries()?;
        let named =
            vnis.iter().find(|(_, config)| !name.is_empty() && name.len() < 16 && config.name == bytes);
        Ok(named.map(|(number, _)| names::vni(*number)))
    }

    /// The options of a VNI as stored, or the error that there is none.
    pub(super) fn vni_config(&self, vni: Vni) -> Result<VniConfig> {
        self.maps.vnis.get(&vni.get())?.ok_or_else(|| Error::State {
            what: format!("VNI {vni}"),
            why: "does not exist".to_owned(),
            hint: Some(format!("add it first: vxbpf vni add {vni}")),
        })
    }

    /// Keeps the index of names, while there is one.
    fn rename(&mut self, vni: Vni, old: Option<&[u8; 16]>, new: Option<&str>) {
        let Some(index) = self.index_mut() else { return };
        if let Some(old) = old
            && index.vnis.get(old) == Some(&vni.get())
        {
            index.vnis.remove(old);
        }
        if let Some(new) = new.filter(|name| !name.is_empty()) {
            index.vnis.insert(names::to_bytes(new), vni.get());
        }
    }

    fn check_name(&self, vni: Vni, name: Option<&str>) -> Result<()> {
        // An empty name takes the name away.
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(()) };
        names::check_vni_name(name)?;
        match self.vni_named(name)? {
            Some(other) if other != vni => {
                Err(Error::exists(format!("VNI name {name} (it is VNI {other}'s)")))
            }
            _ => Ok(()),
        }
    }
}
