//! The overlay carried by us: an instance with its daemon on each node, told of pods and nodes as a user would.

use std::net::IpAddr;

use vxbpf_common::Mac;

use super::{
    topology::{Node, VNI, VNI_NAME},
    up::Manner,
};
use crate::{
    dataplane::{
        Dataplane, Destination, FdbSpec, FdbState, InstanceName, Origin, PortOptions, Remote, VniOptions,
    },
    error::{Error, Result},
};

/// The handle on an instance of the lab.
pub(super) fn open(instance: &str) -> Result<Dataplane> {
    let name: InstanceName = instance.parse().map_err(|e: String| Error::invalid(instance, e))?;
    Dataplane::open(&name)
}

/// Makes a node forward for its pods; to be called in its namespace, with its daemon running.
pub(super) fn start(node: &Node) -> Result<()> {
    let mut dataplane = open(&node.instance())?;
    let options = VniOptions { name: Some(VNI_NAME.to_owned()), ..VniOptions::default() };
    dataplane.vni_add(VNI, &options, Origin::Command)?;
    for pod in &node.pods {
        let added = dataplane.port_add(&pod.port(), VNI, &PortOptions::default(), Origin::Command)?;
        for warning in added.warnings {
            tracing::warn!("{}: {warning}", node.name());
        }
    }
    Ok(())
}

/// Tells a node where the pods of others are; to be called in its namespace.
pub(super) fn introduce(node: &Node, others: &[&Node], manner: Manner) -> Result<()> {
    let mut dataplane = open(&node.instance())?;
    for other in others {
        for pod in &other.pods {
            let entry = behind(pod.mac, other);
            match manner {
                Manner::Add => dataplane.fdb_add(&entry, Origin::Command)?,
                Manner::Replace => dataplane.fdb_replace(&entry, Origin::Command)?,
            }
            dataplane.neigh_add(VNI, IpAddr::V4(pod.addr), pod.mac, Origin::Command)?;
        }
    }
    Ok(())
}

/// Has a node send to others what is for everybody; to be called in its namespace.
pub(super) fn flood(node: &Node, others: &[&Node]) -> Result<()> {
    let mut dataplane = open(&node.instance())?;
    others.iter().try_for_each(|other| dataplane.fdb_append(&behind(Mac::ZERO, other), Origin::Command))
}

fn behind(mac: Mac, node: &Node) -> FdbSpec {
    let remote = Remote { addr: IpAddr::V4(node.vtep), dst_vni: None, port: None };
    FdbSpec { vni: VNI, mac, to: Destination::Remote(remote), state: FdbState::Permanent }
}
