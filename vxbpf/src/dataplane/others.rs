//! Other instances beside this one: what they share with it, and what only one of them can have.

use aya::{
    maps::Array,
    programs::{ProgramInfo, SchedClassifier, TcAttachType},
};
use nix::net::if_::if_indextoname;
use vxbpf_common::{ABI_VERSION, Vni, instance::Instance, port::Port, vni::VniConfig};

use super::{
    Dataplane,
    attach::{FROM_PORT, FROM_UNDERLAY},
    maps,
    options::InstanceName,
    place::{self, Place},
    table::Table,
};
use crate::{Error, Result, netdev::Link};

/// The other instances of the same network namespace. (To be asked when the pins of this one are gone.)
fn neighbours(instance: &Instance) -> impl Iterator<Item = Instance> {
    let others = place::instances().into_iter().filter_map(|name| Dataplane::open(&name).ok());
    others.map(|other| other.instance).filter(|other| other.netns == instance.netns)
}

/// Whether another instance uses the same helper device.
pub(super) fn helper_is_shared(instance: &Instance, ifindex: u32) -> bool {
    neighbours(instance).any(|other| other.helper == ifindex || other.helper6 == ifindex)
}

/// Whether another instance uses the same underlay interface.
pub(super) fn underlay_is_shared(instance: &Instance) -> bool {
    neighbours(instance).any(|other| other.ifindex == instance.ifindex)
}

impl Dataplane {
    /// Fails if another instance has the VNI on the same underlay interface and UDP port: of its packets the second would
    /// see none. (The kernel: `vxlan_vni_in_use` of drivers/net/vxlan/vxlan_core.c.)
    pub(super) fn check_vni_is_free(&self, vni: Vni) -> Result<()> {
        for (name, place) in self.others_on(self.instance.ifindex, FROM_UNDERLAY)? {
            let other: Array<_, Instance> = maps::open(&place, "INSTANCE")?;
            let other = other.get(&0, 0).map_err(|e| maps::kernel("read map INSTANCE", &e))?;
            let vnis: Table<u32, VniConfig> = Table::open(&place, "VNIS", "the VNI table", "vnis")?;
            if other.dstport == self.instance.dstport && vnis.get(&vni.get())?.is_some() {
                return Err(Error::State {
                    what: format!("VNI {vni}"),
                    why: format!(
                        "is instance {name}'s already, on the same interface and UDP port {}",
                        self.dstport()
                    ),
                    hint: Some(format!("remove it there first: vxbpf -i {name} vni del {vni}")),
                });
            }
        }
        Ok(())
    }

    /// Fails if the interface is a port of another instance: of its frames the second would see none.
    pub(super) fn check_port_is_free(&self, link: &Link) -> Result<()> {
        for (name, place) in self.others_on(link.index, FROM_PORT)? {
            let ports: Table<u32, Port> = Table::open(&place, "PORTS", "the port table", "ports")?;
            if let Some(port) = ports.get(&link.index)? {
                return Err(Error::State {
                    what: format!("interface {}", link.name),
                    why: format!("is a port of instance {name} already (in VNI {})", port.vni),
                    hint: Some(format!("take it away there first: vxbpf -i {name} port del {}", link.name)),
                });
            }
        }
        Ok(())
    }

    /// The other instances whose program runs at the ingress of an interface of our namespace. Asked of the kernel: what
    /// is left of an instance whose namespace is gone may say the same of itself. (Before Linux 6.6, which cannot be asked,
    /// a second program is not attached in the first place.)
    fn others_on(&self, ifindex: u32, program: &str) -> Result<Vec<(InstanceName, Place)>> {
        let running = self.in_netns(|| {
            let dev = if_indextoname(ifindex).ok()?.into_string().ok()?;
            SchedClassifier::query_tcx(&dev, TcAttachType::Ingress).ok()
        })?;
        let id = |place: &Place| ProgramInfo::from_pin(place.program(program)).ok().map(|pinned| pinned.id());
        let ours = id(&self.place);
        let running =
            running.into_iter().flat_map(|(_, programs)| programs).map(|program| Some(program.id()));
        let running: Vec<_> = running.filter(|id| *id != ours).collect();
        if running.is_empty() {
            return Ok(Vec::new());
        }
        let is_there = |place: &Place| {
            running.contains(&id(place)) && maps::abi(place).is_ok_and(|abi| abi == ABI_VERSION)
        };
        let others = place::instances().into_iter().filter(|name| *name != self.name);
        let others = others.map(|name| (Place::of(&name), name)).filter(|(place, _)| is_there(place));
        Ok(others.map(|(place, name)| (name, place)).collect())
    }
}
