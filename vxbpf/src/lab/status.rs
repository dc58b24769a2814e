//! What goes on in the lab: per node its daemon, its FDB and its counters.

use std::net::IpAddr;

use vxbpf_common::{Mac, counters::Counters};

use super::{Backend, Node, State, VNI, VNI_NAME, vxbpf};
use crate::{
    dataplane::{FdbFilter, FdbState},
    error::Result,
    netdev,
    netns::NetNs,
};

/// The lab.
#[derive(Debug)]
pub struct LabStatus {
    /// What forwards.
    pub backend: Backend,
    /// Its nodes.
    pub nodes: Vec<NodeStatus>,
}

/// A node.
#[derive(Debug)]
pub struct NodeStatus {
    /// Who it is.
    pub node: Node,
    /// Its instance, when vxbpf forwards.
    pub instance: Option<String>,
    /// The daemon of its instance, if that lives.
    pub daemon: Option<u32>,
    /// Where stations are.
    pub fdb: Vec<Entry>,
    /// What the overlay carried: `rx` from the underlay, `tx` to it.
    pub counters: Counters,
    /// Frames dropped, by reason; only reasons that happened.
    pub drops: Vec<(&'static str, u64)>,
}

/// An FDB entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The station; zero is the flood list.
    pub mac: Mac,
    /// The VTEP it is behind.
    pub dst: Option<IpAddr>,
    /// The local port it is behind.
    pub dev: Option<String>,
    /// How long it stays.
    pub state: FdbState,
}

/// Looks at the lab that is up.
pub fn status() -> Result<LabStatus> {
    let state = State::of_running()?;
    let look = |node: &Node| {
        let netns = NetNs::named(&node.netns())?;
        netns.run(|| match state.backend {
            Backend::Vxbpf => look_vxbpf(node),
            Backend::Kernel => look_kernel(node),
        })?
    };
    let nodes = state.topology().nodes().iter().map(look).collect::<Result<_>>()?;
    Ok(LabStatus { backend: state.backend, nodes })
}

fn look_vxbpf(node: &Node) -> Result<NodeStatus> {
    let dataplane = vxbpf::open(&node.instance())?;
    let fdb = dataplane.fdb(&FdbFilter { vni: Some(VNI), ..FdbFilter::default() })?;
    let stats = dataplane.stats()?;
    let counters =
        stats.vnis.iter().find(|(vni, _)| *vni == VNI).map(|(_, counters)| *counters).unwrap_or_default();
    let drops =
        stats.drops.iter().filter(|(_, count)| *count > 0).map(|(reason, count)| (reason.name(), *count));
    Ok(NodeStatus {
        node: node.clone(),
        instance: Some(node.instance()),
        daemon: dataplane.status()?.daemon,
        fdb: fdb.into_iter().map(|e| Entry { mac: e.mac, dst: e.dst, dev: e.dev, state: e.state }).collect(),
        counters,
        drops: drops.collect(),
    })
}

fn look_kernel(node: &Node) -> Result<NodeStatus> {
    let vxlan = netdev::link(VNI_NAME)?.index;
    let entry = |entry: netdev::KernelFdb| Entry {
        mac: entry.mac,
        dst: Some(entry.dst),
        dev: None,
        state: if entry.permanent { FdbState::Permanent } else { FdbState::Dynamic },
    };
    Ok(NodeStatus {
        node: node.clone(),
        instance: None,
        daemon: None,
        fdb: netdev::fdb(vxlan)?.into_iter().map(entry).collect(),
        counters: netdev::counters(vxlan)?,
        drops: Vec::new(),
    })
}
