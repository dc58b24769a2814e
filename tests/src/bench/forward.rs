//! What forwards on a node of the bed: each contender as its users would set it up, with its defaults.

use anyhow::Result;

use super::{
    bed::{BRIDGE, Bed, DEVICE, IFACE, Node, PORT, VNI},
    contender::Contender,
    limit::Limit,
};
use crate::{daemon::Daemon, scratch::setting};

/// What forwards. It ends when dropped, or goes with its namespace.
#[derive(Debug)]
pub enum Forward {
    /// The kernel, with a bridge.
    Bridge,
    /// The binary under test.
    Ours(Daemon),
    /// The programs that forward without encapsulation.
    Limit([Limit; 2]),
}

impl Forward {
    /// Starts it on a node of the bed, by its index.
    pub(super) fn start(bed: &Bed, node: usize, run: &str) -> Result<Self> {
        match bed.contender {
            Contender::Kernel => kernel(bed, node),
            Contender::Bridge => bridge(bed, node),
            Contender::VxbpfTc => ours(bed, node, "tc", run),
            Contender::VxbpfXdp => ours(bed, node, "xdp", run),
            Contender::LimitTc => {
                let netns = &bed.nodes[node].netns;
                Ok(Self::Limit([
                    Limit::tc_from_port(netns, PORT, IFACE)?,
                    Limit::tc_from_underlay(netns, IFACE, PORT)?,
                ]))
            }
            Contender::LimitXdp => {
                let netns = &bed.nodes[node].netns;
                Ok(Self::Limit([Limit::xdp(netns, PORT, IFACE)?, Limit::xdp(netns, IFACE, PORT)?]))
            }
        }
    }

    /// The daemon, if the binary under test forwards.
    pub fn daemon(&mut self) -> Option<&mut Daemon> {
        match self {
            Self::Ours(daemon) => Some(daemon),
            Self::Bridge | Self::Limit(_) => None,
        }
    }
}

/// Keeps the bridge of a node from handing its frames to iptables, as it does where that is built in or loaded: that is
/// no part of forwarding, and costs it a tenth.
fn without_iptables(node: &Node) -> Result<()> {
    node.netns.run(|| {
        for table in ["arptables", "iptables", "ip6tables"] {
            setting(&format!("net/bridge/bridge-nf-call-{table}"), "0")?;
        }
        Ok(())
    })
}

fn kernel(bed: &Bed, node: usize) -> Result<Forward> {
    let (here, there) = (&bed.nodes[node], &bed.nodes[1 - node]);
    without_iptables(here)?;
    // Without outer checksums, as ours: RFC 7348 section 5 says that they should be zero.
    here.batch(
        "ip",
        &[
            format!("link add {BRIDGE} type bridge"),
            format!("link add {DEVICE} type vxlan id {VNI} dstport 4789 local {} noudpcsum", here.vtep),
            format!("link set {DEVICE} master {BRIDGE} up"),
            format!("link set {PORT} master {BRIDGE} up"),
            format!("link set {BRIDGE} up"),
        ],
    )?;
    let (mine, other) = (bed.pods[node].mac, bed.pods[1 - node].mac);
    here.batch(
        "bridge",
        &[
            format!("fdb append 00:00:00:00:00:00 dev {DEVICE} dst {} self permanent", there.vtep),
            format!("fdb replace {other} dev {DEVICE} dst {} self static", there.vtep),
            format!("fdb replace {other} dev {DEVICE} master static"),
            format!("fdb replace {mine} dev {PORT} master static"),
        ],
    )?;
    Ok(Forward::Bridge)
}

fn bridge(bed: &Bed, node: usize) -> Result<Forward> {
    let here: &Node = &bed.nodes[node];
    without_iptables(here)?;
    here.batch(
        "ip",
        &[
            format!("link add {BRIDGE} type bridge"),
            format!("link set {IFACE} master {BRIDGE}"),
            format!("link set {PORT} master {BRIDGE} up"),
            format!("link set {BRIDGE} up"),
        ],
    )?;
    let (mine, other) = (bed.pods[node].mac, bed.pods[1 - node].mac);
    here.batch(
        "bridge",
        &[
            format!("fdb replace {other} dev {IFACE} master static"),
            format!("fdb replace {mine} dev {PORT} master static"),
        ],
    )?;
    Ok(Forward::Bridge)
}

fn ours(bed: &Bed, node: usize, mode: &str, run: &str) -> Result<Forward> {
    let (here, there) = (&bed.nodes[node], &bed.nodes[1 - node]);
    let words = format!("--iface {IFACE} --local {} --mode {mode} {run}", here.vtep);
    let daemon = Daemon::start(&here.netns, here.netns.name(), &words);
    here.ok(&format!("vni add {VNI} name {DEVICE}"))?;
    here.ok(&format!("port add {PORT} vni {VNI} mode {mode}"))?;
    let (mine, other) = (bed.pods[node].mac, bed.pods[1 - node].mac);
    here.ok(&format!("fdb append 00:00:00:00:00:00 dst {} vni {VNI}", there.vtep))?;
    here.ok(&format!("fdb add {other} dst {} vni {VNI} static", there.vtep))?;
    here.ok(&format!("fdb add {mine} port-dev {PORT} vni {VNI} static"))?;
    Ok(Forward::Ours(daemon))
}
