//! VTEPs: who may send to a VNI. One entry per VNI and address, kept alive by the FDB entries and flood lists that
//! name it, or by a decision.

use std::net::IpAddr;

use vxbpf_common::{
    Addr, Vni,
    counters::OTHER_SLOT,
    fdb::{FdbEntry, FdbKey, ORIGIN_COMMAND, ORIGIN_LEARNED, STATE_DYNAMIC},
    neigh::VniAddr,
    vni::VNI_VTEP_ANY,
    vtep::{POLICY_ALLOW, POLICY_DENY, POLICY_NONE, Vtep},
};

use super::{
    Dataplane,
    info::{VtepInfo, VtepPolicy},
    names,
    options::Origin,
};
use crate::{Error, Result};

impl Dataplane {
    /// Lets a VTEP send to a VNI, whether or not anything names it.
    pub fn vtep_allow(&mut self, vni: Vni, addr: IpAddr, origin: Origin) -> Result<()> {
        self.vtep_decide(vni, addr, POLICY_ALLOW, origin)
    }

    /// Keeps a VTEP from sending to a VNI, whatever names it.
    pub fn vtep_deny(&mut self, vni: Vni, addr: IpAddr, origin: Origin) -> Result<()> {
        self.vtep_decide(vni, addr, POLICY_DENY, origin)
    }

    /// Takes a decision back: the VTEP may send if something names it.
    pub fn vtep_forget(&mut self, vni: Vni, addr: IpAddr) -> Result<()> {
        let _lock = self.lock()?;
        let key = VniAddr::new(vni, addr.into());
        let vtep = self.maps.vteps.get(&key)?.filter(|vtep| vtep.policy != POLICY_NONE);
        let vtep =
            vtep.ok_or_else(|| Error::not_found(format!("a decision about VTEP {addr} in VNI {vni}")))?;
        self.vtep_store(&key, Vtep { policy: POLICY_NONE, ..vtep })
    }

    fn vtep_decide(&mut self, vni: Vni, addr: IpAddr, policy: u8, origin: Origin) -> Result<()> {
        let _lock = self.lock()?;
        self.vni_config(vni)?;
        self.check_remote(addr)?;
        let key = VniAddr::new(vni, addr.into());
        let vtep = self.vtep_or_new(&key)?;
        self.vtep_store(&key, Vtep { policy, origin: names::origin_to_byte(origin), ..vtep })
    }

    /// The VTEPs of a VNI or of all, by VNI and address.
    pub fn vteps(&self, vni: Option<Vni>) -> Result<Vec<VtepInfo>> {
        let mut vteps = Vec::new();
        for (key, vtep) in self.maps.vteps.entries()? {
            let Some(of) = key.vni() else { continue };
            if vni.is_some_and(|vni| vni != of) {
                continue;
            }
            let any = self.maps.vnis.get(&of.get())?.is_some_and(|config| config.has(VNI_VTEP_ANY));
            vteps.push(VtepInfo {
                vni: of,
                addr: names::ip(key.addr()),
                policy: match vtep.policy {
                    POLICY_ALLOW => VtepPolicy::Allow,
                    POLICY_DENY => VtepPolicy::Deny,
                    _ => VtepPolicy::None,
                },
                named: vtep.refs,
                may_send: vtep.may_send(any),
                origin: names::origin_from_byte(vtep.origin),
                counters: self.row(vtep.slot)?,
            });
        }
        vteps.sort_by_key(|info| (info.vni, info.addr));
        Ok(vteps)
    }

    /// Notes that one more entry names a VTEP; returns the slot of its counters. Call with the lock held.
    pub(super) fn vtep_name(&mut self, vni: Vni, addr: Addr) -> Result<u32> {
        let key = VniAddr::new(vni, addr);
        let vtep = self.vtep_or_new(&key)?;
        self.maps.vteps.insert(&key, &Vtep { refs: vtep.refs + 1, ..vtep })?;
        Ok(vtep.slot)
    }

    /// Notes that one entry less names a VTEP. Call with the lock held.
    pub(super) fn vtep_unname(&mut self, vni: Vni, addr: Addr) -> Result<()> {
        let key = VniAddr::new(vni, addr);
        match self.maps.vteps.fetch(&key)? {
            Some(vtep) => self.vtep_store(&key, Vtep { refs: vtep.refs.saturating_sub(1), ..vtep }),
            None => Ok(()),
        }
    }

    /// The counters of a VTEP, for an entry that does not name it.
    pub(super) fn vtep_slot(&self, vni: Vni, addr: Addr) -> Result<u32> {
        let vtep = self.maps.vteps.get(&VniAddr::new(vni, addr))?;
        Ok(vtep.map_or(OTHER_SLOT, |vtep| vtep.slot))
    }

    fn vtep_or_new(&mut self, key: &VniAddr) -> Result<Vtep> {
        if let Some(vtep) = self.maps.vteps.fetch(key)? {
            return Ok(vtep);
        }
        let slot = self.new_slot()?;
        Ok(Vtep { refs: 0, slot, policy: POLICY_NONE, origin: ORIGIN_COMMAND, reserved: [0; 6] })
    }

    /// Stores a VTEP, or removes it when nothing keeps it; then stations that were learned behind it go too, since
    /// their counters do and, with the filter on, they could no longer be heard. A dynamic entry that somebody made
    /// stays.
    fn vtep_store(&mut self, key: &VniAddr, vtep: Vtep) -> Result<()> {
        if vtep.refs > 0 || vtep.policy != POLICY_NONE {
            return self.maps.vteps.insert(key, &vtep);
        }
        self.maps.vteps.remove(key)?;
        for station in self.behind(key)? {
            self.leave_vtep(&station)?;
        }
        if let Some(bulk) = self.bulk_mut() {
            bulk.unnamed.insert(*key);
        }
        key.vni().map_or(Ok(()), |vni| self.recount(vni))
    }

    /// Removes a station that was learned behind a VTEP, or takes the counters away from one that was entered, if the VTEP
    /// is gone. Call with the lock held.
    pub(super) fn leave_vtep(&mut self, station: &FdbKey) -> Result<()> {
        let Some(vni) = station.vni() else { return Ok(()) };
        let Some(entry) = self.maps.fdb.fetch(station)?.filter(|entry| entry.state == STATE_DYNAMIC) else {
            return Ok(());
        };
        if entry.remote.is_none() || self.maps.vteps.get(&VniAddr::new(vni, entry.remote))?.is_some() {
            return Ok(());
        }
        if entry.origin == ORIGIN_LEARNED {
            return self.fdb_remove(station, &entry).map(drop);
        }
        self.maps.fdb.insert(station, &FdbEntry { slot: OTHER_SLOT, ..entry })
    }

    /// Checks that an address can be a remote VTEP of this instance.
    pub(super) fn check_remote(&self, addr: IpAddr) -> Result<()> {
        let bad = |why: &str| Err(Error::state(format!("VTEP {addr}"), why));
        let addr = addr.to_canonical();
        match addr {
            addr if addr.is_multicast() => Err(Error::State {
                what: format!("VTEP {addr}"),
                why: "is a multicast group, which is an option of the VNI".to_owned(),
                hint: Some(format!("vxbpf vni set VNI group {addr}")),
            }),
            addr if !Addr::from(addr).is_host() => bad("is not a unicast address"),
            // The kernel's route look-up for programs does not serve them (bpf_ipv6_fib_lookup, rt6_need_strict).
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                bad("is link-local; a VTEP needs a global address")
            }
            addr if Addr::from(addr) == self.instance.local_for(addr.into()) => {
                bad("is this instance's own address")
            }
            IpAddr::V4(_) | IpAddr::V6(_) => self.check_version(|| format!("VTEP {addr}"), addr),
        }
    }

    /// Checks that this instance has an address to send to another one from.
    pub(super) fn check_version(&self, what: impl FnOnce() -> String, addr: IpAddr) -> Result<()> {
        if !self.instance.local_for(addr.into()).is_none() {
            return Ok(());
        }
        let version = if addr.is_ipv4() { "IPv4" } else { "IPv6" };
        Err(Error::State {
            what: what(),
            why: format!("is {version}, and this instance has no {version} address"),
            hint: Some(format!(
                "give the underlay interface one, and start the instance anew (vxbpf detach -i {}; vxbpf run …)",
                self.name
            )),
        })
    }
}
