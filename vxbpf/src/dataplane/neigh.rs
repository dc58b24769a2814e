//! The neighbour table, which the ARP and ND proxy answers from.

use std::net::IpAddr;

use vxbpf_common::{
    Mac, Vni,
    fdb::STATE_PERMANENT,
    neigh::{NEIGH_ROUTER, Neigh, VniAddr},
};

use super::{Dataplane, info::NeighInfo, names, options::Origin};
use crate::{Error, Result};

/// The station that has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its MAC address.
    pub lladdr: Mac,
    /// Whether it is a router, which ND tells those who ask.
    pub router: bool,
}

impl From<Mac> for Neighbour {
    fn from(lladdr: Mac) -> Self {
        Self { lladdr, router: false }
    }
}

impl Dataplane {
    /// Adds a neighbour; fails if the address is there.
    pub fn neigh_add(
        &mut self,
        vni: Vni,
        addr: IpAddr,
        neighbour: impl Into<Neighbour>,
        origin: Origin,
    ) -> Result<()> {
        let _lock = self.lock()?;
        if self.maps.neigh.fetch(&VniAddr::new(vni, addr.into()))?.is_some() {
            return Err(Error::exists(format!("neighbour {addr} in VNI {vni}")));
        }
        self.neigh_store(vni, addr, neighbour.into(), origin)
    }

    /// Adds or changes a neighbour.
    pub fn neigh_replace(
        &mut self,
        vni: Vni,
        addr: IpAddr,
        neighbour: impl Into<Neighbour>,
        origin: Origin,
    ) -> Result<()> {
        let _lock = self.lock()?;
        self.neigh_store(vni, addr, neighbour.into(), origin)
    }

    fn neigh_store(
        &mut self,
        vni: Vni,
        addr: IpAddr,
        Neighbour { lladdr: mac, router }: Neighbour,
        origin: Origin,
    ) -> Result<()> {
        self.vni_config(vni)?;
        let what = || format!("neighbour {addr} in VNI {vni}");
        let canonical = addr.to_canonical();
        if canonical.is_unspecified() || canonical.is_multicast() {
            return Err(Error::state(what(), "is not a unicast address"));
        }
        if !mac.is_station() {
            return Err(Error::state(
                what(),
                format!("cannot have {mac}, which is no station's MAC address"),
            ));
        }
        let origin = names::origin_to_byte(origin);
        let flags = if router { NEIGH_ROUTER } else { 0 };
        let neigh = Neigh { mac, state: STATE_PERMANENT, origin, flags, reserved: [0; 5] };
        self.maps.neigh.insert(&VniAddr::new(vni, addr.into()), &neigh)
    }

    /// Removes a neighbour.
    pub fn neigh_del(&mut self, vni: Vni, addr: IpAddr) -> Result<()> {
        let _lock = self.lock()?;
        self.vni_config(vni)?;
        if self.maps.neigh.remove(&VniAddr::new(vni, addr.into()))? {
            Ok(())
        } else {
            Err(Error::not_found(format!("neighbour {addr} in VNI {vni}")))
        }
    }

    /// The neighbours of a VNI or of all, by VNI and address.
    pub fn neighs(&self, vni: Option<Vni>) -> Result<Vec<NeighInfo>> {
        let mut neighs: Vec<_> = self
            .maps
            .neigh
            .entries()?
            .into_iter()
            .filter_map(|(key, neigh)| {
                Some(NeighInfo {
                    vni: key.vni().filter(|of| vni.is_none_or(|vni| vni == *of))?,
                    addr: names::ip(key.addr()),
                    neighbour: Neighbour { lladdr: neigh.mac, router: neigh.has(NEIGH_ROUTER) },
                    state: names::state_from_byte(neigh.state),
                    origin: names::origin_from_byte(neigh.origin),
                })
            })
            .collect();
        neighs.sort_by_key(|info| (info.vni, info.addr));
        Ok(neighs)
    }

    /// Removes the neighbours of a VNI or of all; returns how many.
    pub fn neigh_flush(&mut self, vni: Option<Vni>) -> Result<u64> {
        if let Some(vni) = vni {
            self.vni_config(vni)?;
        }
        let _lock = self.lock()?;
        let flushed = self.maps.neigh.remove_where(|key, _| vni.is_none_or(|vni| key.vni() == Some(vni)))?;
        Ok(flushed.len() as u64)
    }
}
