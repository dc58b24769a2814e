//! Who is where: nodes, pods and their addresses. Nothing here touches the system.

use std::net::Ipv4Addr;

use vxbpf_common::{Mac, Vni};

/// The overlay.
pub const VNI: Vni = Vni::from_wire([0, 0, 42]);
/// Its name, and that of the kernel's device.
pub const VNI_NAME: &str = "vxlan1";
/// Most nodes a lab can have.
pub const MOST_NODES: u8 = 16;

/// Every namespace of the lab begins with this.
pub(super) const PREFIX: &str = "vxbpf-lab-";
/// The namespace that joins the nodes.
pub(super) const NET: &str = "vxbpf-lab-net";
/// Length of the prefix of both networks.
pub(super) const PREFIX_LEN: u8 = 24;

/// The whole lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    nodes: Vec<Node>,
}

/// A host of the overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// From 1.
    pub number: u8,
    /// Its address in the underlay.
    pub vtep: Ipv4Addr,
    /// Its pods.
    pub pods: Vec<Pod>,
}

/// A station of the overlay, in a namespace of its own behind a veth pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// The node it is on.
    pub node: u8,
    /// Its name, unique on its node.
    pub name: &'static str,
    /// Its address in the overlay.
    pub addr: Ipv4Addr,
    /// Its MAC address.
    pub mac: Mac,
}

impl Topology {
    /// A lab of so many nodes, 2 to [`MOST_NODES`]: the tutorial's three, and more of the same kind.
    pub fn new(nodes: u8) -> Self {
        Self { nodes: (1..=nodes.clamp(2, MOST_NODES)).map(Node::new).collect() }
    }

    /// All nodes, in the order they join.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes that the overlay begins with, and those that join while it runs.
    pub fn founders_and_joiners(&self) -> (&[Node], &[Node]) {
        self.nodes.split_at(2)
    }

    /// All pods, node by node.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.nodes.iter().flat_map(|node| &node.pods)
    }
}

impl Node {
    fn new(number: u8) -> Self {
        let pod = |name, last, mac| Pod {
            node: number,
            name,
            addr: Ipv4Addr::new(12, 12, 12, last),
            mac: Mac::new([0x02, 0x42, 0xc0, 0xa8, 0x00, mac]),
        };
        let pods = match number {
            1 => vec![pod("pinkns", 2, 0x02), pod("skyns", 4, 0x04)],
            2 => vec![pod("pinkns", 3, 0x03)],
            3 => vec![pod("pinkns", 10, 0x0a), pod("skyns", 11, 0x0b)],
            n => vec![pod("pinkns", 100 + n, 0x64 + n)],
        };
        Self { number, vtep: Ipv4Addr::new(192, 168, 104, 1 + number), pods }
    }

    /// Its name.
    pub fn name(&self) -> String {
        format!("node{}", self.number)
    }

    /// Its namespace.
    pub fn netns(&self) -> String {
        netns_of(self.number)
    }

    /// Its instance, when vxbpf forwards.
    pub fn instance(&self) -> String {
        instance_of(self.number)
    }
}

impl Pod {
    /// Its name in the whole lab.
    pub fn full_name(&self) -> String {
        format!("node{}/{}", self.node, self.name)
    }

    /// Its namespace.
    pub fn netns(&self) -> String {
        format!("{}-{}", netns_of(self.node), self.name)
    }

    /// The node's end of its veth pair.
    pub fn port(&self) -> String {
        format!("veth-{}", self.name)
    }
}

/// The namespace of a node.
pub(super) fn netns_of(node: u8) -> String {
    format!("{PREFIX}node{node}")
}

/// The instance of a node.
pub(super) fn instance_of(node: u8) -> String {
    format!("lab{node}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn assert_unique<T: Eq + std::hash::Hash>(what: &str, all: impl IntoIterator<Item = T>) {
        let mut seen = HashSet::new();
        assert!(all.into_iter().all(|one| seen.insert(one)), "two {what} are the same");
    }

    #[test]
    fn nothing_is_given_out_twice_however_many_nodes() {
        for nodes in 2..=MOST_NODES {
            let lab = Topology::new(nodes);
            assert_eq!(lab.nodes().len(), usize::from(nodes));
            assert_unique("VTEPs", lab.nodes().iter().map(|node| node.vtep));
            assert_unique("addresses", lab.pods().map(|pod| pod.addr));
            assert_unique("MAC addresses", lab.pods().map(|pod| pod.mac));
            assert_unique(
                "namespaces",
                lab.nodes().iter().map(Node::netns).chain(lab.pods().map(Pod::netns)).chain([NET.to_owned()]),
            );
            for node in lab.nodes() {
                assert_unique("ports", node.pods.iter().map(Pod::port));
                assert!(node.pods.iter().all(|pod| pod.port().len() <= 15 && pod.mac.is_station()));
            }
        }
    }

    #[test]
    fn more_nodes_leave_the_others_as_they_are() {
        let most = Topology::new(MOST_NODES);
        for nodes in 2..MOST_NODES {
            assert_eq!(Topology::new(nodes).nodes(), &most.nodes()[..usize::from(nodes)]);
        }
    }

    #[test]
    fn three_nodes_are_the_tutorials() {
        let pods: Vec<String> = Topology::new(3)
            .pods()
            .map(|pod| format!("{} {} {}", pod.full_name(), pod.addr, pod.mac))
            .collect();
        let tutorial = [
            "node1/pinkns 12.12.12.2 02:42:c0:a8:00:02",
            "node1/skyns 12.12.12.4 02:42:c0:a8:00:04",
            "node2/pinkns 12.12.12.3 02:42:c0:a8:00:03",
            "node3/pinkns 12.12.12.10 02:42:c0:a8:00:0a",
            "node3/skyns 12.12.12.11 02:42:c0:a8:00:0b",
        ];
        assert_eq!(pods, tutorial);
        let vteps: Vec<String> = Topology::new(3).nodes().iter().map(|node| node.vtep.to_string()).collect();
        assert_eq!(vteps, ["192.168.104.2", "192.168.104.3", "192.168.104.4"]);
    }
}
