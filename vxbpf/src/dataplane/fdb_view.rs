//! What is in the FDB and in the lists, for `show` and whoever asks.

use std::net::IpAddr;

use vxbpf_common::{
    Mac, Vni,
    fdb::{FdbEntry, FdbKey},
    flood::{FloodList, FloodRemote},
};

use super::{
    Dataplane,
    info::FdbInfo,
    lists::is_list,
    names,
    options::{FdbFilter, FdbState},
};
use crate::{Error, Result};

impl Dataplane {
    /// The entries that a filter means, lists included, by VNI, MAC and destination. Expired ones are as good as
    /// absent.
    pub fn fdb(&self, filter: &FdbFilter) -> Result<Vec<FdbInfo>> {
        let mut shown = Vec::new();
        self.fdb_each(filter, |info| shown.push(info))?;
        shown.sort_unstable_by_key(|info| (info.vni, info.mac, info.dst));
        Ok(shown)
    }

    /// Shows the same in no order.
    pub fn fdb_each(&self, filter: &FdbFilter, mut look: impl FnMut(FdbInfo)) -> Result<()> {
        let now = names::now();
        let devs = self.port_names()?;
        let ageing = self.ageing()?;
        let mut look = |info: FdbInfo| {
            if matches(filter, &info) {
                look(info)
            }
        };
        let mut entry = |key: &FdbKey, entry: &FdbEntry| {
            let Some(vni) = key.vni() else { return };
            let ageing = ageing.get(&vni.get()).copied().unwrap_or(0);
            if entry.is_live(now, ageing) {
                let dev =
                    || devs.get(&entry.ifindex).cloned().unwrap_or_else(|| format!("if{}", entry.ifindex));
                look(info(vni, key.mac(), entry, dev, now));
            }
        };
        match (filter.vni, filter.mac) {
            (Some(vni), Some(mac)) => {
                let key = FdbKey::new(vni, mac);
                self.maps.fdb.get(&key)?.iter().for_each(|found| entry(&key, found));
            }
            _ => self.maps.fdb.each(entry)?,
        }
        for (vni, mac, list) in self.lists(filter)? {
            list.remotes().for_each(|remote| look(remote_info(vni, mac, remote)));
        }
        Ok(())
    }

    /// The lists that can hold what a filter means.
    fn lists(&self, filter: &FdbFilter) -> Result<Vec<(Vni, Mac, FloodList)>> {
        match (filter.vni, filter.mac) {
            (_, Some(mac)) if !is_list(mac) => Ok(Vec::new()),
            (Some(vni), Some(mac)) => Ok(vec![(vni, mac, self.list(vni, mac)?)]),
            _ => {
                let flood = self.maps.flood.entries()?.into_iter();
                let mut lists: Vec<_> =
                    flood.map(|(number, list)| (names::vni(number), Mac::ZERO, list)).collect();
                for (key, list) in self.maps.groups.entries()? {
                    lists.extend(key.vni().map(|vni| (vni, key.mac(), list)));
                }
                Ok(lists)
            }
        }
    }

    /// The entry of a station, or the first of a list.
    pub fn fdb_get(&self, vni: Vni, mac: Mac) -> Result<FdbInfo> {
        self.vni_config(vni)?;
        let filter = FdbFilter { vni: Some(vni), mac: Some(mac), ..FdbFilter::default() };
        let found = self.fdb(&filter)?.into_iter().next();
        found.ok_or_else(|| Error::not_found(format!("FDB entry {mac} in VNI {vni}")))
    }
}

fn info(vni: Vni, mac: Mac, entry: &FdbEntry, dev: impl FnOnce() -> String, now: u64) -> FdbInfo {
    let remote = entry.ifindex == 0;
    FdbInfo {
        vni,
        mac,
        dst: remote.then(|| names::ip(entry.remote)),
        dst_vni: remote.then(|| names::vni(entry.dst_vni)),
        port: remote.then(|| u16::from_be_bytes(entry.dstport)),
        dev: (!remote).then(dev),
        state: names::state_from_byte(entry.state),
        origin: names::origin_from_byte(entry.origin),
        used: Some(names::seconds_since(entry.used, now)),
        updated: Some(names::seconds_since(entry.updated, now)),
    }
}

fn remote_info(vni: Vni, mac: Mac, remote: &FloodRemote) -> FdbInfo {
    FdbInfo {
        vni,
        mac,
        dst: Some(names::ip(remote.addr)),
        dst_vni: Some(names::vni(remote.dst_vni)),
        port: Some(u16::from_be_bytes(remote.dstport)),
        dev: None,
        state: names::state_from_byte(remote.state),
        origin: names::origin_from_byte(remote.origin),
        used: None,
        updated: None,
    }
}

fn matches(filter: &FdbFilter, info: &FdbInfo) -> bool {
    let same_ip = |a: IpAddr, b: IpAddr| a.to_canonical() == b.to_canonical();
    filter.vni.is_none_or(|vni| vni == info.vni)
        && filter.mac.is_none_or(|mac| mac == info.mac)
        && filter.dst.is_none_or(|dst| info.dst.is_some_and(|of| same_ip(dst, of)))
        && filter.state.is_none_or(|state: FdbState| state == info.state)
}
