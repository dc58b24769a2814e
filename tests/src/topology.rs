//! Nodes joined by a bridge in a namespace of its own, with pods behind them: an overlay of VNI 42, carried by the
//! binary under test or by the kernel.

use std::net::{IpAddr, Ipv4Addr};

use vxbpf::netdev::{self, End};
use vxbpf_common::Mac;

use crate::{
    command::{Said, must_in, vxbpf_batch_in, vxbpf_in},
    daemon::Daemon,
    pod::Pod,
    reaper,
    scratch::Netns,
};

/// What forwards on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The binary under test.
    Vxbpf,
    /// A VXLAN device of the kernel and a bridge.
    Kernel,
}

/// The network that joins the nodes.
#[derive(Debug)]
pub struct Switch {
    /// Its namespace; the bridge is `br0`.
    pub netns: Netns,
}

impl Switch {
    /// Makes a network that joins nobody yet.
    #[track_caller]
    pub fn create() -> Self {
        reaper::arm();
        let netns = Netns::create().expect("create a namespace");
        netns.run(|| Ok(netdev::create_bridge("br0")?)).expect("create a bridge");
        Self { netns }
    }

    /// Gives a namespace an interface in this network, whose other end is `port`.
    #[track_caller]
    pub fn plug(&self, port: &str, netns: &Netns, dev: &str, addr: Ipv4Addr) {
        let end = |name, netns| End { name, netns, mac: None, mtu: 1500 };
        let joined = self.netns.run(|| {
            netdev::create_veth(&end(port, None), &end(dev, Some(netns.ns())))?;
            let port = netdev::link(port)?.index;
            netdev::enslave(port, netdev::link("br0")?.index)?;
            Ok(netdev::set_up(port)?)
        });
        joined.expect("join the network");
        let addressed = netns.run(|| {
            let dev = netdev::link(dev)?.index;
            netdev::add_address(dev, IpAddr::V4(addr), 24)?;
            Ok(netdev::set_up(dev)?)
        });
        addressed.expect("set up an interface");
    }
}

/// A host of the overlay. Its underlay interface is `eth1`.
#[derive(Debug)]
pub struct Node {
    /// The daemon of its instance, when the binary under test forwards.
    pub daemon: Option<Daemon>,
    /// Its namespace; the instance has the same name.
    pub netns: Netns,
    /// Its address in the underlay.
    pub vtep: Ipv4Addr,
    /// Its pods.
    pub pods: Vec<Pod>,
}

impl Node {
    /// Makes a host that forwards nothing yet.
    #[track_caller]
    pub fn create(switch: &Switch, number: u8) -> Self {
        let netns = Netns::create().expect("create a namespace");
        let vtep = Ipv4Addr::new(192, 168, 104, 1 + number);
        switch.plug(&format!("node{number}"), &netns, "eth1", vtep);
        netns.run(|| Ok(netdev::set_up(netdev::link("lo")?.index)?)).expect("set the loopback up");
        Self { daemon: None, netns, vtep, pods: Vec::new() }
    }

    /// Starts the daemon, with words for `run`.
    #[track_caller]
    pub fn start(&mut self, run: &str) {
        // The old one first: dropped, it would take the instance along.
        self.daemon = None;
        self.daemon = Some(Daemon::start(&self.netns, self.netns.name(), &format!("--iface eth1 {run}")));
    }

    /// Starts a daemon for the instance of one that has ended.
    #[track_caller]
    pub fn take_over(&mut self, run: &str) {
        self.daemon.take().expect("the node has a daemon").abandon();
        self.daemon = Some(Daemon::start(&self.netns, self.netns.name(), &format!("--iface eth1 {run}")));
    }

    /// The daemon.
    #[track_caller]
    pub fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("the node has a daemon")
    }

    /// Makes a pod, behind no port yet.
    #[track_caller]
    pub fn add_pod(&mut self, addr: Ipv4Addr, mac: Mac) {
        let port = format!("veth{}", self.pods.len() + 1);
        self.pods.push(Pod::create(&self.netns, &port, addr, mac));
    }

    /// Runs a command for its instance, in its namespace.
    #[track_caller]
    pub fn vxbpf(&self, line: &str) -> Said {
        vxbpf_in(&self.netns, self.netns.name(), line)
    }

    /// The same; it must succeed. Gives its standard output.
    #[track_caller]
    pub fn ok(&self, line: &str) -> String {
        let said = self.vxbpf(line);
        assert!(said.is_ok(), "vxbpf {line}: {said:?}");
        said.stdout
    }

    /// The same, as JSON.
    #[track_caller]
    pub fn json(&self, line: &str) -> serde_json::Value {
        let said = self.vxbpf(&format!("-j {line}"));
        assert!(said.is_ok(), "vxbpf -j {line}: {said:?}");
        said.json()
    }

    /// Runs commands for its instance as one batch, with a line of options.
    #[track_caller]
    pub fn batch(&self, options: &str, text: &str) -> Said {
        vxbpf_batch_in(&self.netns, self.netns.name(), options, text)
    }

    /// Runs a line of words in its namespace; it must succeed.
    #[track_caller]
    pub fn must(&self, line: &str) -> String {
        must_in(&self.netns, line)
    }

    /// How often it dropped a frame for this reason.
    #[track_caller]
    pub fn drops(&self, reason: &str) -> u64 {
        let stats = self.json("stats drops");
        stats["drops"][reason].as_u64().unwrap_or_else(|| panic!("no count of {reason} in {stats}"))
    }

    /// The FDB entry of a station in VNI 42, or null.
    #[track_caller]
    pub fn station(&self, mac: Mac) -> serde_json::Value {
        self.json(&format!("fdb show vni 42 mac {mac}"))
            .get_mut(0)
            .map_or(serde_json::Value::Null, serde_json::Value::take)
    }

    /// Makes it forward between its pods in VNI 42.
    #[track_caller]
    fn carry(&mut self, backend: Backend, plan: &Plan<'_>) {
        match backend {
            Backend::Vxbpf => {
                self.start(plan.run);
                self.ok(&format!("vni add 42 name vxlan1 {}", plan.vni));
                for pod in &self.pods {
                    self.ok(&format!("port add {} vni 42 {}", pod.port, plan.port));
                }
            }
            Backend::Kernel => {
                let device = format!("vxlan1 type vxlan id 42 dstport 4789 local {} noudpcsum", self.vtep);
                self.must("ip link add br0 type bridge mcast_snooping 0");
                self.must(&format!("ip link add {device}"));
                for port in self.pods.iter().map(|pod| pod.port.as_str()).chain(["vxlan1"]) {
                    self.must(&format!("ip link set {port} master br0 up"));
                }
                self.must("ip link set br0 up");
            }
        }
    }

    /// Has it send to another node what is for everybody.
    #[track_caller]
    pub fn flood_to(&self, vtep: Ipv4Addr) {
        if self.daemon.is_some() {
            self.ok(&format!("fdb append 00:00:00:00:00:00 dst {vtep} vni 42"));
        } else {
            self.must(&format!("bridge fdb append 00:00:00:00:00:00 dev vxlan1 dst {vtep} self permanent"));
        }
    }
}

/// What kind of overlay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan<'a> {
    /// The nodes: what forwards, and how many pods.
    pub nodes: &'a [(Backend, u8)],
    /// More words for `run --iface eth1`.
    pub run: &'a str,
    /// More words for `vni add 42 name vxlan1`.
    pub vni: &'a str,
    /// More words for `port add DEV vni 42`.
    pub port: &'a str,
}

/// Nodes that know each other by their flood lists, and pods. Everything else is learned.
#[derive(Debug)]
pub struct Overlay {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// What joins them.
    pub switch: Switch,
}

impl Overlay {
    /// Makes it.
    #[track_caller]
    pub fn create(plan: &Plan<'_>) -> Self {
        let switch = Switch::create();
        let mut nodes = Vec::new();
        for (number, (backend, pods)) in (1..).zip(plan.nodes) {
            let mut node = Node::create(&switch, number);
            for pod in 1..=*pods {
                node.add_pod(
                    Ipv4Addr::new(12, 12, 12, 16 * number + pod),
                    Mac::new([2, 0x42, 0, 0, number, pod]),
                );
            }
            node.carry(*backend, plan);
            nodes.push(node);
        }
        for (i, node) in nodes.iter().enumerate() {
            for (_, other) in nodes.iter().enumerate().filter(|(j, _)| *j != i) {
                node.flood_to(other.vtep);
            }
        }
        Self { nodes, switch }
    }

    /// One pod on each of two nodes that the binary under test forwards for.
    #[track_caller]
    pub fn pair() -> Self {
        Self::create(&Plan { nodes: &[(Backend::Vxbpf, 1), (Backend::Vxbpf, 1)], ..Plan::default() })
    }

    /// A pod, by the numbers of its node and of itself there, from 1.
    #[track_caller]
    pub fn pod(&self, node: usize, pod: usize) -> &Pod {
        &self.nodes[node - 1].pods[pod - 1]
    }

    /// A node, by its number from 1.
    #[track_caller]
    pub fn node(&mut self, number: usize) -> &mut Node {
        &mut self.nodes[number - 1]
    }

    /// All pods, node by node.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.nodes.iter().flat_map(|node| &node.pods)
    }

    /// Pings from every pod to every other.
    #[track_caller]
    pub fn ping_all(&self) {
        let mut lost = Vec::new();
        for from in self.pods() {
            for to in self.pods().filter(|to| to.addr != from.addr) {
                if !from.pings(to) {
                    lost.push(format!("{} to {}", from.addr, to.addr));
                }
            }
        }
        assert!(lost.is_empty(), "pings that were not answered: {lost:?}");
    }
}
