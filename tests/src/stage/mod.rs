//! A stage: nodes and pods on which a behaviour is tried, whoever forwards there.
//!
//! Its verbs mean the same with the kernel as with the binary under test, so that a behaviour is written once. Counts
//! are exact: see [`Watch`] for where frames are looked for, [`crate::pulse`] for when the counting may end.

mod cast;
mod changes;
mod crafted;
mod crowd;
mod entry;
mod flush;
mod neighbour;
mod node;
mod option;
mod vxlan;
mod watch;

use std::{
    cell::{Cell, RefCell},
    net::{IpAddr, Ipv4Addr},
    panic::resume_unwind,
    thread::{self, ScopedJoinHandle},
};

use vxbpf_common::Mac;

pub use cast::{Hook, Players, Underlay};
pub use changes::{Changes, Told};
pub use crafted::Crafted;
pub use crowd::Crowd;
pub use entry::{At, Entry};
pub use node::{Node, device};
pub use option::Opt;
pub use vxlan::{DSTPORT, Vxlan};
pub use watch::{Place, Watch};

use crate::{
    command::must_in,
    packet::Frame,
    pod::Pod,
    pulse::{Pulse, stay_on_one_cpu},
    raw,
    scratch::setting,
    topology::{self, Switch},
};

/// The VNI of all pods, unless a behaviour says otherwise.
pub const VNI: u32 = 42;

/// Everybody.
pub const BROADCAST: Mac = Mac::new([0xff; 6]);

/// What a behaviour needs to be there.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Pods of each node, all in [`VNI`].
    pub pods: &'static [u8],
    /// Options of [`VNI`] on all nodes.
    pub options: &'static [Opt],
    /// Whether the nodes have each other in their flood lists.
    pub flood: bool,
}

impl Plan {
    /// Nodes with so many pods, that know each other by their flood lists. Everything else is learned.
    pub const fn pods(pods: &'static [u8]) -> Self {
        Self { pods, options: &[], flood: true }
    }

    /// The same with options.
    pub const fn with(self, options: &'static [Opt]) -> Self {
        Self { options, ..self }
    }

    /// The same with empty flood lists.
    pub const fn without_flood_lists(self) -> Self {
        Self { flood: false, ..self }
    }
}

fn vtep(underlay: Underlay, number: u8) -> IpAddr {
    underlay.addr(Ipv4Addr::new(192, 168, 104, 1 + number))
}

/// Nodes, pods and what joins them.
pub struct Stage {
    /// The nodes, in order; number 1, the node under test, is first.
    pub nodes: Vec<Node>,
    /// The underlay; the nodes are on its ports `node1`, `node2` and so on.
    pub switch: Switch,
    /// Who plays.
    pub players: Players,
    /// Over what.
    pub underlay: Underlay,
    pulse: Pulse,
    next: Cell<u32>,
    /// UDP ports on which packets are taken for VXLAN.
    pub dstports: RefCell<Vec<u16>>,
}

impl Stage {
    /// Sets it up.
    #[track_caller]
    pub fn create(players: Players, underlay: Underlay, plan: &Plan) -> Self {
        stay_on_one_cpu().expect("stay on one CPU");
        let switch = Switch::create();
        // All at once: a node mostly waits for the kernel while it comes and goes.
        let nodes = thread::scope(|scope| {
            let each = (1..).zip(plan.pods).map(|(number, pods)| {
                scope.spawn({
                    let switch = &switch;
                    move || Self::node(switch, players, underlay, number, *pods, plan)
                })
            });
            let threads: Vec<_> = each.collect();
            let join =
                |thread: ScopedJoinHandle<'_, Node>| thread.join().unwrap_or_else(|e| resume_unwind(e));
            threads.into_iter().map(join).collect()
        });
        let pulse = Pulse::start().expect("a pulse");
        let (next, dstports) = (Cell::new(1), RefCell::new(vec![DSTPORT]));
        Self { nodes, switch, players, underlay, pulse, next, dstports }
    }

    #[track_caller]
    fn node(
        switch: &Switch,
        players: Players,
        underlay: Underlay,
        number: u8,
        pods: u8,
        plan: &Plan,
    ) -> Node {
        let (backend, hook) = players.on(number.into());
        let mut host = topology::Node::create(switch, number);
        if underlay == Underlay::V6 {
            host.netns.run(|| setting("net/ipv6/conf/eth1/disable_ipv6", "0")).expect("IPv6");
            host.must(&format!("ip address add {}/64 dev eth1 nodad", underlay.addr(host.vtep)));
        }
        for pod in 1..=pods {
            let addr = Ipv4Addr::new(12, 12, 12, 16 * number + pod);
            host.add_pod(addr, Mac::new([2, 0x42, 0, 0, number, pod]));
        }
        if let Players::Ours(Hook::Xdp) = players {
            for pod in &host.pods {
                // A veth takes redirected frames only if its peer runs NAPI, and they carry no checksum state.
                pod.must("ethtool -K eth0 tx off gro on");
            }
            must_in(&switch.netns, &format!("ethtool -K node{number} gro on"));
        }
        let node = Node::new(host, backend, hook, underlay);
        node.add_vni(VNI, plan.options);
        for pod in &node.pods {
            node.add_port(&pod.port, VNI, plan.options);
        }
        let others =
            (1..).zip(plan.pods).map(|(other, _)| other).filter(|other| *other != number && plan.flood);
        for other in others {
            node.flood_to(VNI, vtep(underlay, other));
        }
        node
    }

    /// Enters all nodes into each other's flood lists of a VNI.
    #[track_caller]
    pub fn flood_to_each_other(&self, vni: u32) {
        for node in &self.nodes {
            for other in self.nodes.iter().filter(|other| other.vtep != node.vtep) {
                node.flood_to(vni, other.vtep);
            }
        }
    }

    /// A node, by its number from 1.
    #[track_caller]
    pub fn node_at(&self, number: usize) -> &Node {
        &self.nodes[number - 1]
    }

    /// What a node tells of its FDB from now on.
    #[track_caller]
    pub fn changes(&mut self, number: usize) -> Changes {
        Changes::of(&mut self.nodes[number - 1])
    }

    /// A pod, by the numbers of its node and of itself there, from 1.
    #[track_caller]
    pub fn pod(&self, node: usize, pod: usize) -> &Pod {
        &self.node_at(node).pods[pod - 1]
    }

    /// The underlay's address of a node, also of one that is not there.
    pub fn vtep(&self, number: u8) -> IpAddr {
        vtep(self.underlay, number)
    }

    /// The wire from one node to another.
    pub fn wire(&self, from: usize, to: u8) -> Place {
        Place::Wire(from, self.vtep(to))
    }

    /// The wire from one node to a group.
    pub fn to_group(&self, from: usize, number: u8) -> Place {
        Place::Wire(from, self.underlay.group(number))
    }

    /// A frame that looks like no other of this stage. Of an ethertype that nobody answers.
    pub fn frame(&self, src: Mac, dst: Mac) -> Frame {
        let number = self.next.replace(self.next.get() + 1);
        Frame::new(src, dst).payload(format!("frame {number:06} of a conformance run, nobody answers it"))
    }

    /// Sends a frame so often from a pod.
    #[track_caller]
    pub fn send(&self, node: usize, pod: usize, frame: &Frame, count: usize) {
        self.pod(node, pod).send(&vec![frame.bytes(); count]);
    }

    /// Sends bytes as they are from an interface of a node, such as `eth1`.
    #[track_caller]
    pub fn send_from_node(&self, node: usize, dev: &str, frames: &[Vec<u8>]) {
        raw::send(&self.node_at(node).netns, dev, frames);
    }

    /// Listens everywhere from now on.
    #[track_caller]
    pub fn watch(&self) -> Watch<'_> {
        Watch::start(self)
    }

    /// Waits until everything that was sent is where it ends.
    #[track_caller]
    pub fn settle(&self) {
        self.pulse.settle().unwrap_or_else(|e| panic!("{e:#}"));
    }

    /// Sends a frame so often from a pod of [`Place::Pod`]; it comes as often to each of these places, and nowhere else.
    #[track_caller]
    pub fn assert_comes(&self, from: (usize, usize), frame: &Frame, count: usize, to: &[Place]) {
        let watch = self.watch();
        self.send(from.0, from.1, frame, count);
        let expected: Vec<_> = to.iter().map(|place| (*place, count)).collect();
        watch.assert(frame, &expected);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        thread::scope(|scope| {
            for node in self.nodes.drain(..) {
                scope.spawn(|| drop(node));
            }
        });
    }
}
