//! Other instances beside this one: what they share with it, and what only one of them can have.

use std::fs::File;

use aya::maps::Array;
use vxbpf_common::{Vni, instance::Instance};

use super::{
    Dataplane,
    attach::{FROM_HELPER, FROM_PORT, FROM_UNDERLAY},
    maps, names,
    options::InstanceName,
    place::{self, Place},
};
use crate::{
    Error, Result,
    netdev::Link,
    netns::{self, NetNs},
};

/// The instances that have pins and were started in the network namespace of that inode; it may be gone.
fn instances_of(netns: u64) -> impl Iterator<Item = Dataplane> {
    // One map tells; the host may have hundreds of instances, each in its own.
    let is_there = move |name: &InstanceName| {
        let instance: Result<Array<_, Instance>> = maps::open(&Place::of(name), "INSTANCE");
        instance.is_ok_and(|map| map.get(&0, 0).is_ok_and(|instance| instance.netns == netns))
    };
    place::instances().into_iter().filter(is_there).filter_map(|name| Dataplane::open(&name).ok())
}

/// Whether another instance uses the same helper device. (To be asked when the pins of this one are gone.)
pub(super) fn helper_is_shared(instance: &Instance, ifindex: u32) -> bool {
    instances_of(instance.netns)
        .any(|other| [other.instance.helper, other.instance.helper6].contains(&ifindex))
}

/// Whether another instance uses the same underlay interface. (Likewise.)
pub(super) fn underlay_is_shared(instance: &Instance) -> bool {
    instances_of(instance.netns).any(|other| other.instance.ifindex == instance.ifindex)
}

/// The other instances of a network namespace, less those of another `ABI_VERSION`, which cannot be read. While this is held,
/// none of them takes a VNI or a port. What is left of one that forwards no more counts as far as its programs run.
#[derive(Default)]
pub(super) struct Others {
    instances: Vec<Dataplane>,
    /// None where the namespace cannot be found.
    _lock: Option<File>,
}

impl Others {
    /// Those beside the instance of that name.
    pub(super) fn beside(name: &InstanceName, netns: NetNs) -> Result<Self> {
        let inode = netns.inode();
        let lock = netns.lock()?;
        let instances = instances_of(inode).filter(|other| other.name != *name).collect();
        Ok(Self { instances, _lock: Some(lock) })
    }

    /// Fails if one has the VNI on that UDP port. They share the helper devices: one would send what the other floods, and
    /// leave the other's group. The kernel takes no second device either, but beside one of IPv4 one of IPv6
    /// (`vxlan_vni_in_use` of drivers/net/vxlan/vxlan_core.c).
    fn check_vni(&self, vni: Vni, dstport: [u8; 2]) -> Result<()> {
        for other in self.instances.iter().filter(|other| other.instance.dstport == dstport) {
            if other.maps.vnis.get(&vni.get())?.is_some() && other.runs_at_all()? {
                let (name, dstport) = (&other.name, other.dstport());
                return Err(Error::State {
                    what: format!("VNI {vni}"),
                    why: format!("is instance {name}'s already, on the same UDP port ({dstport})"),
                    hint: Some(format!("remove it there first: vxbpf -i {name} vni del {vni}")),
                });
            }
        }
        Ok(())
    }

    /// Fails if one has the interface as its underlay or helper device, or as a port: one of two would see none of the frames
    /// that come in by it.
    fn check_port(&self, link: &Link) -> Result<()> {
        let what = || format!("interface {}", link.name);
        for other in &self.instances {
            let name = &other.name;
            if link.index == other.instance.ifindex && other.runs(FROM_UNDERLAY, link.index)? {
                return Err(Error::state(what(), format!("is the underlay of instance {name}")));
            }
            let is_helper = [other.instance.helper, other.instance.helper6].contains(&link.index);
            if is_helper && other.runs(FROM_HELPER, link.index)? {
                return Err(Error::state(what(), format!("is a helper device of instance {name}")));
            }
        }
        self.check_underlay(link)
    }

    /// Fails if one has the interface as a port.
    pub(super) fn check_underlay(&self, link: &Link) -> Result<()> {
        for other in &self.instances {
            let Some(port) = other.maps.ports.get(&link.index)? else { continue };
            if other.runs(FROM_PORT, link.index)? {
                let (name, dev) = (&other.name, names::from_bytes(&port.name));
                return Err(Error::State {
                    what: format!("interface {}", link.name),
                    why: format!("is a port of instance {name} (in VNI {})", port.vni),
                    hint: Some(format!("take it away there first: vxbpf -i {name} port del {dev}")),
                });
            }
        }
        Ok(())
    }
}

impl Dataplane {
    /// Fails if another instance has the VNI. Call in a session.
    pub(super) fn check_vni_is_free(&mut self, vni: Vni) -> Result<()> {
        let dstport = self.instance.dstport;
        self.others()?.check_vni(vni, dstport)
    }

    /// Fails if another instance has the interface. Call in a session.
    pub(super) fn check_port_is_free(&mut self, link: &Link) -> Result<()> {
        self.others()?.check_port(link)
    }

    /// Whether it hears what comes in by its underlay, or sends what waits on its helper device or is flooded from there.
    fn runs_at_all(&self) -> Result<bool> {
        Ok(self.runs(FROM_UNDERLAY, self.instance.ifindex)?
            || self.runs(FROM_HELPER, self.instance.helper)?)
    }

    /// The others, asked once a session.
    fn others(&mut self) -> Result<&Others> {
        let others = match self.others.take() {
            Some(others) => others,
            None => {
                let here = NetNs::current()?;
                let ours = self.instance.netns;
                let netns =
                    if here.inode() == ours { Some(here) } else { netns::find(ours).ok().map(|(it, _)| it) };
                netns.map(|netns| Others::beside(&self.name, netns)).transpose()?.unwrap_or_default()
            }
        };
        Ok(self.others.insert(others))
    }
}
