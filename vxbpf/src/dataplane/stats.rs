//! Counters and the state of the instance as a whole.

use std::time::Duration;

use vxbpf_common::{
    DropReason,
    counters::OTHER_SLOT,
    instance::{INSTANCE_AUTO, INSTANCE_CLSACT, INSTANCE_XDP},
};

use super::{
    Dataplane, attach, helpers,
    info::{MapFill, ProgramInfo, Stats, Status},
    maps, names,
    options::{Limits, Mode},
};
use crate::{Result, netns};

impl Dataplane {
    /// All counters. Rows are sorted by what they are about.
    pub fn stats(&self) -> Result<Stats> {
        let mut vnis = Vec::new();
        for (number, vni) in self.maps.vnis.entries()? {
            vnis.push((names::vni(number), self.row(vni.slot)?));
        }
        vnis.sort_by_key(|(vni, _)| *vni);
        let ports = self.ports()?.into_iter().map(|port| (port.dev, port.vni, port.counters)).collect();
        let mut vteps: Vec<_> =
            self.vteps(None)?.into_iter().map(|vtep| (Some((vtep.vni, vtep.addr)), vtep.counters)).collect();
        vteps.push((None, self.row(OTHER_SLOT)?));
        let mut drops = Vec::new();
        for reason in DropReason::ALL {
            let row =
                self.maps.drops.get(&(*reason as u32), 0).map_err(|e| maps::kernel("read map DROPS", &e))?;
            drops.push((*reason, maps::sum(&row)));
        }
        Ok(Stats { vnis, ports, vteps, drops })
    }

    /// How large the tables are: as the instance was first started.
    pub fn limits(&self) -> Limits {
        let entries = |max: u64| u32::try_from(max).unwrap_or(u32::MAX);
        let tables = &self.maps;
        Limits {
            fdb: entries(tables.fdb.max()),
            neigh: entries(tables.neigh.max()),
            groups: entries(tables.groups.max()),
            vnis: entries(tables.vnis.max()),
            ports: entries(tables.ports.max()),
            vteps: entries(tables.vteps.max()),
            counters: tables.counters.len(),
        }
    }

    /// The instance as a whole.
    pub fn status(&self) -> Result<Status> {
        let instance = &self.instance;
        let has = |flag: u16| instance.flags & flag != 0;
        let iface = names::from_bytes(&instance.name);
        let helpers: Vec<_> = helpers::of(instance).collect();
        let ports = self.ports()?;
        let dev_of = |ifindex: u32| match ifindex {
            i if i == instance.ifindex => iface.clone(),
            i => {
                let helper = helpers.iter().find(|(_, index)| *index == i).map(|(dev, _)| dev);
                let port = ports.iter().find(|port| port.ifindex == i).map(|port| &port.dev);
                // The members of groups have no names of their own.
                let known = helper.or(port).cloned().or_else(|| self.name_of(i));
                known.unwrap_or_else(|| format!("if{i}"))
            }
        };
        let mut programs: Vec<_> = self
            .place
            .links()
            .into_iter()
            .map(|(name, ifindex, pin)| ProgramInfo {
                hook: if name.ends_with("_xdp") { "xdp" } else { "tcx" },
                id: attach::program_id(&pin).unwrap_or(0),
                dev: dev_of(ifindex),
                name,
            })
            .collect();
        if has(INSTANCE_CLSACT) {
            let clsact =
                |name: &str, dev: &str| ProgramInfo { name: name.into(), dev: dev.into(), hook: "tc", id: 0 };
            programs.push(clsact(attach::FROM_UNDERLAY, &iface));
            programs.extend(helpers.iter().map(|(dev, _)| clsact(attach::FROM_HELPER, dev)));
            programs.extend(ports.iter().map(|port| clsact(attach::FROM_PORT, &port.dev)));
        }
        let fill = |name, used: usize, max| MapFill { name, used: used as u64, max };
        let tables = &self.maps;
        Ok(Status {
            instance: self.name.clone(),
            local: names::locals(instance),
            dstport: u16::from_be_bytes(instance.dstport),
            mode: if has(INSTANCE_XDP) { Mode::Xdp } else { Mode::Tc },
            auto: has(INSTANCE_AUTO),
            netns: netns::find(instance.netns)
                .map_or_else(|_| format!("inode {} (gone)", instance.netns), |(_, name)| name),
            uptime: Duration::from_nanos(names::now().saturating_sub(instance.started)),
            daemon: self.place.daemon_pid(),
            abi: vxbpf_common::ABI_VERSION,
            maps: vec![
                fill("vnis", tables.vnis.len()?, tables.vnis.max()),
                fill("ports", tables.ports.len()?, tables.ports.max()),
                fill("fdb", tables.fdb.len()?, tables.fdb.max()),
                fill("groups", tables.groups.len()?, tables.groups.max()),
                fill("neigh", tables.neigh.len()?, tables.neigh.max()),
                fill("vteps", tables.vteps.len()?, tables.vteps.max()),
            ],
            programs,
            ports,
            iface,
            helper: helpers.into_iter().map(|(dev, _)| dev).collect(),
        })
    }
}
