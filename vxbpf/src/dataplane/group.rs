//! Multicast groups of the underlay. A VNI that has one floods to it instead of to each VTEP, listens to it, and learns
//! from whoever speaks (RFC 7348 section 4.2).

use std::{collections::HashSet, net::IpAddr};

use vxbpf_common::{Mac, Vni, instance::INSTANCE_CLSACT, vni::VniConfig};

use super::{
    Dataplane,
    attach::{self, FROM_HELPER, On},
    names,
    options::{FdbState, Remote},
};
use crate::{
    Result,
    netdev::{self, Link},
};

impl Dataplane {
    /// Joins the group of a VNI, if its options name one, and floods to it. When it fails, nothing is left. Call with
    /// the lock held.
    pub(super) fn group_enter(&mut self, vni: Vni, config: &VniConfig) -> Result<()> {
        if config.group.is_none() {
            return Ok(());
        }
        let group = names::ip(config.group);
        self.check_version(|| format!("group {group}"), group)?;
        self.join(vni, group)?;
        let to = Remote { addr: group, dst_vni: None, port: None };
        let by = (FdbState::Permanent, names::origin_from_byte(config.origin));
        let entered = self.list_append(vni, Mac::ZERO, &to, by);
        if entered.is_err() {
            self.group_leave(vni, config)?;
        }
        entered
    }

    /// Leaves the group of a VNI that these were the options of, and floods to it no more. Call with the lock held.
    pub(super) fn group_leave(&mut self, vni: Vni, config: &VniConfig) -> Result<()> {
        if config.group.is_none() {
            return Ok(());
        }
        let group = names::ip(config.group);
        let ours: Vec<_> =
            self.list(vni, Mac::ZERO)?.remotes().filter(|r| r.addr == config.group).copied().collect();
        for remote in ours {
            let port = Some(u16::from_be_bytes(remote.dstport));
            let remote = Remote { addr: group, dst_vni: Vni::new(remote.dst_vni), port };
            self.list_remove(vni, Mac::ZERO, Some(&remote))?;
        }
        self.leave(vni)
    }

    /// Leaves all groups, when the instance goes. The underlay, and with it the membership, may be gone already.
    pub(super) fn leave_groups(&self) {
        for (number, config) in self.maps.vnis.entries().unwrap_or_default() {
            if !config.group.is_none() {
                let _ = self.leave(names::vni(number));
            }
        }
    }

    /// Joins again the groups whose member is gone: somebody may have removed the device.
    pub(super) fn rejoin_groups(&self, links: &[Link]) -> Result<()> {
        let names: HashSet<_> = links.iter().map(|link| link.name.as_str()).collect();
        for (number, config) in self.maps.vnis.entries()? {
            let vni = names::vni(number);
            if !config.group.is_none() && !names.contains(self.group_name(vni).as_str()) {
                self.join(vni, names::ip(config.group))?;
            }
        }
        Ok(())
    }

    fn group_name(&self, vni: Vni) -> String {
        netdev::group_name(u16::from_be_bytes(self.instance.dstport), vni)
    }

    /// Joins, and sees to it that what anybody sends to the device that does it goes nowhere.
    fn join(&self, vni: Vni, group: IpAddr) -> Result<()> {
        let (name, index) = (self.group_name(vni), self.instance.ifindex);
        let clsact = self.instance.flags & INSTANCE_CLSACT != 0;
        self.in_netns(|| {
            let link = netdev::join_group(&name, vni, index, group)?;
            let on = On { dev: &name, ifindex: link.index };
            attach::tc(&self.place, FROM_HELPER, on, clsact).inspect_err(|_| drop(netdev::leave_group(&name)))
        })?
    }

    fn leave(&self, vni: Vni) -> Result<()> {
        let name = self.group_name(vni);
        self.in_netns(|| {
            let Some(link) = netdev::leave_group(&name)? else { return Ok(()) };
            // With clsact the program went with the device; a link leaves its pin.
            attach::off(&self.place, FROM_HELPER, On { dev: &name, ifindex: link.index }, false)
        })?
    }
}
