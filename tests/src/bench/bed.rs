//! What the contenders have in common: two nodes joined by one veth pair that stands for the wire, a pod on each, and
//! all that they need to know of each other, so that nothing is flooded or asked for.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
};

use anyhow::{Context as _, Result, ensure};
use vxbpf::netdev::{self, End, Offload};
use vxbpf_common::Mac;
use vxbpf_limit::Traffic;

use super::{
    contender::Contender,
    forward::Forward,
    measure::{Settings, Wire},
};
use crate::{
    command::{Said, batch_within, line_in, vxbpf_in},
    pod::Pod,
    reaper,
    scratch::Netns,
};

/// The interface of a node in the underlay.
pub const IFACE: &str = "eth1";
/// The node's end of its pod's veth pair.
pub const PORT: &str = "veth1";
/// The VNI that carries the traffic.
pub const VNI: u32 = vxbpf_limit::VNI;
/// The kernel's device for it.
pub const DEVICE: &str = "vxlan1";
/// The bridge of the contenders that have one.
pub const BRIDGE: &str = "br0";
/// A million entries take a minute; a busy machine may take several.
const BATCH_SECS: &str = "600";
/// What the wire carries.
const MTU: u32 = 1500;

/// A host.
#[derive(Debug)]
pub struct Node {
    /// What forwards, once it does. Before the namespace, which it is to be dropped before.
    pub forward: Option<Forward>,
    /// Its namespace; an instance of ours has the same name.
    pub netns: Netns,
    /// Its address in the underlay.
    pub vtep: Ipv4Addr,
    /// The MAC address of its interface there.
    pub mac: Mac,
}

impl Node {
    /// Runs a command of ours for its instance; it must succeed. Gives its standard output.
    pub fn ok(&self, line: &str) -> Result<String> {
        succeeded(&format!("vxbpf {line}"), vxbpf_in(&self.netns, self.netns.name(), line))
    }

    /// Runs a line of words in its namespace; it must succeed. Gives its standard output.
    pub fn must(&self, line: &str) -> Result<String> {
        must(&self.netns, line)
    }

    /// Runs lines of `ip` or `bridge` in its namespace, in one process; they must succeed.
    pub fn batch(&self, program: &str, lines: &[String]) -> Result<()> {
        succeeded(&format!("{program} -batch"), batch_within(&self.netns, BATCH_SECS, program, lines))
            .map(drop)
    }
}

fn must(netns: &Netns, line: &str) -> Result<String> {
    succeeded(line, line_in(netns, line))
}

fn succeeded(what: &str, said: Said) -> Result<String> {
    ensure!(said.is_ok(), "{what}: {}{}", said.stdout, said.stderr);
    Ok(said.stdout)
}

/// Two nodes and their pods. Removed when dropped.
#[derive(Debug)]
pub struct Bed {
    /// Who carries.
    pub contender: Contender,
    /// The nodes.
    pub nodes: [Node; 2],
    /// The pod of each.
    pub pods: [Pod; 2],
}

impl Bed {
    /// Makes all of it, and has the contender carry what one pod sends to the other.
    pub fn create(contender: Contender, settings: &Settings) -> Result<Self> {
        let mut bed = Self::lay(contender, settings)?;
        bed.start(0, "")?;
        bed.start(1, "")?;
        Ok(bed)
    }

    /// Makes it without anything that forwards.
    pub fn lay(contender: Contender, settings: &Settings) -> Result<Self> {
        reaper::arm();
        let netns = [Netns::create()?, Netns::create()?];
        let end = |netns| End { name: IFACE, netns, mac: None, mtu: MTU };
        netns[0].run(|| Ok(netdev::create_veth(&end(None), &end(Some(netns[1].ns())))?))?;
        let mut number = 0;
        let nodes = netns.map(|netns| {
            number += 1;
            a_node(netns, Ipv4Addr::new(192, 168, 104, number), settings.wire)
        });
        let [one, two] = nodes;
        let nodes = [one?, two?];
        for (here, there) in [(0, 1), (1, 0)] {
            let Node { vtep, mac, .. } = &nodes[there];
            nodes[here].must(&format!("ip neigh replace {vtep} lladdr {mac} dev {IFACE} nud permanent"))?;
        }
        let pods = [1, 2].map(|number| {
            let node = &nodes[usize::from(number) - 1];
            let (addr, mac) = (Ipv4Addr::new(12, 12, 12, number), Mac::new([2, 0x42, 0, 0, 0, number]));
            Pod::create(&node.netns, PORT, addr, mac)
        });
        let bed = Self { contender, nodes, pods };
        for (here, there) in [(0, 1), (1, 0)] {
            bed.pods[here].knows(&bed.pods[there]);
        }
        if matches!(contender, Contender::VxbpfXdp | Contender::LimitXdp) {
            bed.pods.iter().try_for_each(suit_xdp)?;
        }
        Ok(bed)
    }

    /// Has the contender carry on a node, by its index. `run`: more words for our `run`.
    pub fn start(&mut self, node: usize, run: &str) -> Result<()> {
        let forward = Forward::start(self, node, run)
            .with_context(|| format!("start {} on node {}", self.contender.name(), node + 1))?;
        self.nodes[node].forward = Some(forward);
        Ok(())
    }

    /// The same with a config file of ours, which others do without.
    pub fn start_with(&mut self, node: usize, config: &str) -> Result<()> {
        let file = std::env::temp_dir().join(format!("{}.toml", self.nodes[node].netns.name()));
        fs::write(&file, config).context("write a config file")?;
        let started = self.start(node, &format!("--config {}", file.display()));
        let _ = fs::remove_file(&file);
        started
    }

    /// One frame of the least length, again and again, from the first pod to the second: to be changed to what is wanted.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            len: 64,
            flows: 1,
            stations: 0,
            source: self.pods[0].mac.octets(),
            destination: self.pods[1].mac.octets(),
        }
    }

    /// The index of an interface of a node.
    pub fn index(&self, node: usize, dev: &str) -> Result<u32> {
        self.nodes[node].netns.run(|| Ok(netdev::link(dev)?.index))
    }
}

/// Sets up a node, whose interface in the underlay is there.
fn a_node(netns: Netns, vtep: Ipv4Addr, wire: Wire) -> Result<Node> {
    let mac = netns.run(|| {
        netdev::set_up(netdev::link("lo")?.index)?;
        // As a NIC: what it receives is merged, whoever carries. A veth does that with frames of a peer without TSO
        // (`veth_skb_is_eligible_for_gro`), and with frames of XDP.
        netdev::set_offload(IFACE, Offload::Gro, true)?;
        if wire == Wire::Mtu {
            netdev::set_offload(IFACE, Offload::Gso, false)?;
            netdev::set_offload(IFACE, Offload::Tso, false)?;
        }
        let iface = netdev::link(IFACE)?;
        netdev::add_address(iface.index, IpAddr::V4(vtep), 24)?;
        netdev::set_up(iface.index)?;
        let address = crate::raw::link_address(IFACE)?.addr().context("an Ethernet interface")?;
        Ok(Mac::new(address))
    })?;
    Ok(Node { forward: None, netns, vtep, mac })
}

/// What `port add … mode xdp` asks of a pod: frames that XDP redirects bring no checksum state, and reach an
/// interface only if that has a NAPI instance.
fn suit_xdp(pod: &Pod) -> Result<()> {
    pod.netns.run(|| Ok(netdev::set_offload("eth0", Offload::Gro, true)?))?;
    must(&pod.netns, "ethtool -K eth0 tx off txvlan off").map(drop)
}
