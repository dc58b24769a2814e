//! What both backends stand on: the namespaces, the wires between them, and their addresses.

use std::net::IpAddr;

use super::topology::{NET, Node, PREFIX_LEN, Pod};
use crate::{
    error::Result,
    netdev::{self, End, Offload},
    netns::{self, NetNs},
};

/// The node's interface in the underlay.
pub(super) const IFACE: &str = "eth1";

const BRIDGE: &str = "br0";
const UNDERLAY_MTU: u32 = 1500;
/// What is left of the underlay's after 50 bytes of outer headers.
const POD_MTU: u32 = 1450;

/// Makes the network that joins the nodes.
pub(super) fn create_net() -> Result<()> {
    create_netns(NET)?.run(|| netdev::create_bridge(BRIDGE))?
}

/// Makes a node with its pods. Nothing forwards between them yet.
pub(super) fn create_node(node: &Node) -> Result<NetNs> {
    let net = NetNs::named(NET)?;
    let netns = create_netns(&node.netns())?;
    let plug = node.name();
    let end = |name, netns| End { name, netns, mac: None, mtu: UNDERLAY_MTU };
    net.run(|| {
        netdev::create_veth(&end(&plug, None), &end(IFACE, Some(&netns)))?;
        let plug = netdev::link(&plug)?.index;
        netdev::enslave(plug, netdev::link(BRIDGE)?.index)?;
        segment_before(&node.name())?;
        netdev::set_up(plug)
    })??;
    netns.run(|| {
        let iface = netdev::link(IFACE)?.index;
        netdev::add_address(iface, IpAddr::V4(node.vtep), PREFIX_LEN)?;
        segment_before(IFACE)?;
        netdev::set_up(iface)?;
        node.pods.iter().try_for_each(create_pod)
    })??;
    Ok(netns)
}

/// Has a wire carry frames of its MTU, as one outside of this machine does. That is also what makes a veth receive
/// like a NIC, with GRO: it does so only from a peer without TSO (`veth_skb_is_eligible_for_gro`).
fn segment_before(end: &str) -> Result<()> {
    netdev::set_offload(end, Offload::Gso, false)?;
    netdev::set_offload(end, Offload::Tso, false)
}

/// Makes a pod; to be called in its node's namespace.
fn create_pod(pod: &Pod) -> Result<()> {
    let netns = create_netns(&pod.netns())?;
    let port = pod.port();
    let outside = End { name: &port, netns: None, mac: None, mtu: POD_MTU };
    let inside = End { name: "eth0", netns: Some(&netns), mac: Some(pod.mac), mtu: POD_MTU };
    netdev::create_veth(&outside, &inside)?;
    netdev::set_up(netdev::link(&port)?.index)?;
    netns.run(|| {
        let iface = netdev::link(inside.name)?.index;
        netdev::add_address(iface, IpAddr::V4(pod.addr), PREFIX_LEN)?;
        netdev::set_up(iface)
    })?
}

/// Makes a namespace with a loopback that is up.
fn create_netns(name: &str) -> Result<NetNs> {
    netns::create(name)?;
    let netns = NetNs::named(name)?;
    netns.run(|| netdev::set_up(netdev::link("lo")?.index))??;
    Ok(netns)
}
