//! Multicast groups of the underlay. A VNI that has one floods to it instead of to each VTEP, listens to it, and learns
//! from whoever speaks (RFC 7348 section 4.2).
//!
//! Our daemon may be dead, so it is the kernel's own socket that joins (IGMP, MLD), and stays joined: that is what the
//! flag `autojoin` of an address is for (`ip_mc_autojoin_config` in net/ipv4/devinet.c, `ipv6_mc_config` in
//! net/ipv6/addrconf.c; Linux 4.1).

use std::net::IpAddr;

use vxbpf_common::{
    Mac, Vni,
    vni::{VNI_GROUP_JOINED, VniConfig},
};

use super::{
    Dataplane, names,
    options::{Destination, FdbSpec, FdbState, Remote},
    place,
};
use crate::{Error, Result, netdev};

impl Dataplane {
    /// Joins the group of a VNI, if its options name one, and floods to it. Notes in the options whether it is ours to
    /// leave. When it fails, nothing is left. Call with the lock held.
    pub(super) fn group_enter(&mut self, vni: Vni, config: &mut VniConfig) -> Result<()> {
        if config.group.is_none() {
            return Ok(());
        }
        let group = names::ip(config.group);
        if self.instance.local_for(config.group).is_none() {
            let family = if group.is_ipv4() { "IPv4" } else { "IPv6" };
            return Err(Error::state(
                format!("group {group}"),
                format!("is {family}, and this instance has no {family} address"),
            ));
        }
        if self.join(group)? {
            config.flags |= VNI_GROUP_JOINED;
        }
        let to = Destination::Remote(Remote { addr: group, dst_vni: None, port: None });
        let spec = FdbSpec { vni, mac: Mac::ZERO, to, state: FdbState::Permanent };
        let entered = self.list_append(&spec, names::origin_from_byte(config.origin));
        if entered.is_err() {
            self.group_leave(vni, config)?;
        }
        entered
    }

    /// Leaves the group of a VNI that these were the options of. Call with the lock held.
    pub(super) fn group_leave(&mut self, vni: Vni, config: &VniConfig) -> Result<()> {
        if config.group.is_none() {
            return Ok(());
        }
        let group = names::ip(config.group);
        let remote = Remote { addr: group, dst_vni: None, port: None };
        match self.list_remove(vni, Mac::ZERO, Some(&remote)) {
            // Somebody took it out of the list before, or gave it another VNI or port.
            Ok(()) | Err(Error::NotFound { .. } | Error::State { .. }) => {}
            Err(e) => return Err(e),
        }
        if !config.has(VNI_GROUP_JOINED) || self.pass_on(vni, config)? {
            return Ok(());
        }
        let index = self.instance.ifindex;
        self.in_netns(|| netdev::leave_group(index, group))?
    }

    /// Leaves all groups, when the instance goes. The underlay may be gone already.
    pub(super) fn leave_groups(&mut self) -> Result<()> {
        for (number, config) in self.maps.vnis.entries()? {
            if config.has(VNI_GROUP_JOINED) {
                // What no VNI of this instance has can only be another's.
                self.maps.vnis.remove(&number)?;
                if !self.pass_on(names::vni(number), &config)? {
                    let (index, group) = (self.instance.ifindex, names::ip(config.group));
                    let _ = self.in_netns(|| netdev::leave_group(index, group));
                }
            }
        }
        Ok(())
    }

    /// Makes the groups and the MAC address what they should be after something about the underlay changed: an
    /// interface that goes down loses its IPv6 addresses, and membership with them.
    pub fn refresh_underlay(&mut self) -> Result<()> {
        let index = self.instance.ifindex;
        let links = self.in_netns(netdev::links)??;
        let Some(link) = links.iter().find(|link| link.index == index) else { return Ok(()) };
        let _lock = self.lock()?;
        if let Some(mac) = link.mac.filter(|mac| *mac != self.instance.mac) {
            self.instance.mac = mac;
            let stored = self.maps.instance.set(0, self.instance, 0);
            stored.map_err(|e| super::maps::kernel("write map INSTANCE", &e))?;
        }
        if !link.up {
            return Ok(());
        }
        for (_, config) in self.maps.vnis.entries()? {
            if config.has(VNI_GROUP_JOINED) {
                self.join(names::ip(config.group))?;
            }
        }
        Ok(())
    }

    /// False: the interface was a member already, by somebody else's doing or for another VNI.
    fn join(&self, group: IpAddr) -> Result<bool> {
        let index = self.instance.ifindex;
        self.in_netns(|| netdev::join_group(index, group))?
    }

    /// Makes leaving the group the business of another VNI that has it, of this instance or of another on the same
    /// interface. False: there is none.
    fn pass_on(&mut self, vni: Vni, config: &VniConfig) -> Result<bool> {
        if self.inherit(Some(vni), config)? {
            return Ok(true);
        }
        let others = place::instances().into_iter().filter(|name| *name != self.name);
        for mut other in others.filter_map(|name| Self::open(&name).ok()) {
            let same = (other.instance.netns, other.instance.ifindex)
                == (self.instance.netns, self.instance.ifindex);
            if same && other.inherit(None, config)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn inherit(&mut self, but: Option<Vni>, config: &VniConfig) -> Result<bool> {
        let heir =
            self.maps.vnis.entries()?.into_iter().find(|(number, heir)| {
                but.is_none_or(|vni| vni.get() != *number) && heir.group == config.group
            });
        let Some((number, mut heir)) = heir else { return Ok(false) };
        heir.flags |= VNI_GROUP_JOINED;
        self.maps.vnis.insert(&number, &heir)?;
        Ok(true)
    }
}
