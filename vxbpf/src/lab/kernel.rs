//! The overlay as the tutorial builds it without us: a VXLAN device of the kernel and a bridge on each node.

use std::net::IpAddr;

use vxbpf_common::Mac;

use super::{
    topology::{Node, VNI, VNI_NAME},
    up::Manner,
};
use crate::{
    error::Result,
    netdev::{self, OnExisting},
};

const BRIDGE: &str = "br0";
const DSTPORT: u16 = 4789;

/// Makes a node forward; to be called in its namespace.
pub(super) fn start(node: &Node) -> Result<()> {
    netdev::create_bridge(BRIDGE)?;
    netdev::create_vxlan(VNI_NAME, VNI, DSTPORT, IpAddr::V4(node.vtep))?;
    let bridge = netdev::link(BRIDGE)?.index;
    for port in node.pods.iter().map(|pod| pod.port()).chain([VNI_NAME.to_owned()]) {
        let port = netdev::link(&port)?.index;
        netdev::enslave(port, bridge)?;
        netdev::set_up(port)?;
    }
    Ok(())
}

/// Tells a node where the pods of others are; to be called in its namespace.
pub(super) fn introduce(others: &[&Node], manner: Manner) -> Result<()> {
    let vxlan = netdev::link(VNI_NAME)?.index;
    let existing = match manner {
        Manner::Add => OnExisting::Fail,
        Manner::Replace => OnExisting::Replace,
    };
    for other in others {
        let vtep = IpAddr::V4(other.vtep);
        for pod in &other.pods {
            netdev::add_fdb(vxlan, pod.mac, vtep, existing)?;
            netdev::add_neighbour(vxlan, IpAddr::V4(pod.addr), pod.mac)?;
        }
    }
    Ok(())
}

/// Has a node send to others what is for everybody; to be called in its namespace.
pub(super) fn flood(others: &[&Node]) -> Result<()> {
    let vxlan = netdev::link(VNI_NAME)?.index;
    others
        .iter()
        .try_for_each(|other| netdev::add_fdb(vxlan, Mac::ZERO, IpAddr::V4(other.vtep), OnExisting::Append))
}
