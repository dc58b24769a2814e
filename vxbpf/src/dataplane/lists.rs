//! Lists of remotes. The all-zeros MAC has the flood list of its VNI, as with iproute2; a multicast MAC may have a list
//! of its own, whose remotes then get the frames to that group instead. The kernel's driver has both as FDB entries
//! with several destinations (vxlan_fdb_append in drivers/net/vxlan/vxlan_core.c).

use bytemuck::Zeroable as _;
use vxbpf_common::{
    Addr, Mac, Vni,
    fdb::FdbKey,
    flood::{FloodList, FloodRemote, MAX_REMOTES},
};

use super::{
    Dataplane,
    fdb::{Verb, entry_name},
    names,
    options::{Destination, FdbSpec, FdbState, Origin, Remote},
};
use crate::{Error, Result};

/// Whether a MAC has a list instead of a place. Broadcast is a group like others.
pub(super) fn is_list(mac: Mac) -> bool {
    !mac.is_station()
}

/// What a list is called.
fn name(vni: Vni, mac: Mac) -> String {
    if mac.is_zero() {
        format!("the flood list of VNI {vni}")
    } else {
        format!("the list of {mac} in VNI {vni}")
    }
}

impl Dataplane {
    /// Adds a remote. Call with the lock held.
    pub(super) fn list_enter(&mut self, spec: &FdbSpec, origin: Origin, verb: Verb) -> Result<()> {
        let (vni, mac) = (spec.vni, spec.mac);
        let Destination::Remote(to) = &spec.to else {
            return Err(Error::state(name(vni, mac), "takes remotes; local ports are in it by themselves"));
        };
        let group = self.vni_config(vni)?.group;
        if Addr::from(to.addr) != group || group.is_none() {
            self.check_remote(to.addr)?;
        }
        match verb {
            Verb::Add if self.list(vni, mac)?.remotes_len() > 0 => Err(Error::State {
                what: entry_name(vni, mac),
                why: "exists".to_owned(),
                hint: Some("append adds one more destination".to_owned()),
            }),
            Verb::Replace => Err(Error::State {
                what: name(vni, mac),
                why: "cannot be replaced: it may have many remotes".to_owned(),
                hint: Some("append adds a remote, del removes one".to_owned()),
            }),
            Verb::Add | Verb::Append => self.list_append(vni, mac, to, (spec.state, origin)),
        }
    }

    /// Appends a remote that is fine. Call with the lock held.
    pub(super) fn list_append(
        &mut self,
        vni: Vni,
        mac: Mac,
        to: &Remote,
        (state, origin): (FdbState, Origin),
    ) -> Result<()> {
        let mut list = self.list(vni, mac)?;
        let new = FloodRemote {
            addr: to.addr.into(),
            dst_vni: to.dst_vni.unwrap_or(vni).get(),
            slot: 0,
            dstport: to.port.map_or(self.instance.dstport, u16::to_be_bytes),
            origin: names::origin_to_byte(origin),
            state: names::state_to_byte(state),
            reserved: 0,
        };
        let same = |r: &FloodRemote| (r.addr, r.dst_vni, r.dstport) == (new.addr, new.dst_vni, new.dstport);
        let mut kept: Vec<_> = list.remotes().copied().collect();
        if let Some(there) = kept.iter_mut().find(|remote| same(remote)) {
            let old = std::mem::replace(there, FloodRemote { slot: there.slot, ..new });
            if old.state != new.state {
                self.store_list(vni, mac, &mut list, &kept)?;
                self.tell_changed(vni, mac, &old, &new);
            }
            return Ok(());
        }
        if kept.len() >= MAX_REMOTES {
            return Err(Error::Full {
                what: name(vni, mac),
                max: MAX_REMOTES as u64,
                hint: "remove a remote, or name stations with fdb add so that their frames need no flooding"
                    .to_owned(),
            });
        }
        let slot = self.vtep_name(vni, new.addr)?;
        kept.push(FloodRemote { slot, ..new });
        if let Err(e) = self.store_list(vni, mac, &mut list, &kept) {
            self.vtep_unname(vni, new.addr)?;
            return Err(e);
        }
        self.tell_added(vni, mac, &new);
        Ok(())
    }

    /// Removes a remote, or all. Call with the lock held.
    pub(super) fn list_remove(&mut self, vni: Vni, mac: Mac, dst: Option<&Remote>) -> Result<()> {
        let mut list = self.list(vni, mac)?;
        let is_meant =
            |r: &FloodRemote| dst.is_none_or(|dst| self.is_at(vni, dst, (r.addr, r.dst_vni, r.dstport)));
        let (gone, kept): (Vec<_>, Vec<_>) = list.remotes().copied().partition(is_meant);
        if gone.is_empty() {
            let Some(dst) = dst else { return Err(Error::not_found(entry_name(vni, mac))) };
            let near = kept.iter().find(|remote| remote.addr == Addr::from(dst.addr));
            return Err(self.elsewhere(vni, mac, dst, near.map(|near| (near.dst_vni, near.dstport))));
        }
        self.store_list(vni, mac, &mut list, &kept)?;
        for remote in gone {
            self.tell_deleted(vni, mac, &remote);
            self.vtep_unname(vni, remote.addr)?;
        }
        Ok(())
    }

    /// The list of a MAC, in a VNI that exists.
    pub(super) fn list(&self, vni: Vni, mac: Mac) -> Result<FloodList> {
        if mac.is_zero() {
            return self.flood_list(vni);
        }
        Ok(self.maps.groups.get(&FdbKey::new(vni, mac))?.unwrap_or_else(FloodList::zeroed))
    }

    /// The flood list of a VNI that exists, its local ports with it.
    pub(super) fn flood_list(&self, vni: Vni) -> Result<FloodList> {
        let list = self.maps.flood.get(&vni.get())?;
        list.ok_or_else(|| Error::not_found(format!("the flood list of VNI {vni}")))
    }

    fn store_list(
        &mut self,
        vni: Vni,
        mac: Mac,
        list: &mut FloodList,
        remotes: &[FloodRemote],
    ) -> Result<()> {
        list.set_remotes(remotes);
        match (mac.is_zero(), remotes.is_empty()) {
            (true, _) => self.maps.flood.insert(&vni.get(), list),
            // Without remotes of its own a group is flooded like the others.
            (false, true) => self.maps.groups.remove(&FdbKey::new(vni, mac)).map(drop),
            (false, false) => self.maps.groups.insert(&FdbKey::new(vni, mac), list),
        }
    }
}
