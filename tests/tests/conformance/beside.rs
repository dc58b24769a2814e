//! Neighbours on the node: what else is there goes on as before.

use nix::sys::signal::Signal;
use vxbpf_tests::{
    command::line_in,
    stage::{BROADCAST, DSTPORT, Hook, Place::Pod, Players, Stage, VNI},
    traffic::{transfer, try_transfer_to},
};

use crate::behaviour::{Behaviour, Group};

pub(crate) const GROUP: Group = Group { title: "Neighbours on the node", behaviours: BEHAVIOURS };

/// Many segments.
const BYTES: usize = 1 << 20;

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::new("TCP and echoes between the hosts themselves go on beside the overlay", |stage| {
        prepare(stage);
        for (from, to) in [(1, 2), (2, 1)] {
            let (from, to) = (stage.node_at(from), stage.node_at(to));
            let ping = line_in(&from.netns, &format!("ping -n -q -c 3 -i 0.05 -W 5 {}", to.vtep));
            assert!(ping.is_ok(), "{ping:?}");
            try_transfer_to(&from.netns, &to.netns, to.vtep, BYTES).unwrap();
        }
        overlay_works(stage);
    })
    .fails_if("`decap.rs` drops what is not VXLAN"),
    Behaviour::new(
        "a VXLAN device of the kernel with another VNI on the same UDP port works beside it",
        |stage| {
            beside(stage, 77, DSTPORT);
        },
    )
    .fails_if("`decap.rs` drops a VNI that we do not have"),
    Behaviour::new(
        "a VXLAN device of the kernel with the same VNI on another UDP port works beside it",
        |stage| {
            beside(stage, VNI, 8472);
        },
    )
    .fails_if("`Outer4::is_udp_to` does not compare the UDP port"),
    Behaviour::new("VXLAN devices that were there before go on when it starts and when it ends", |stage| {
        prepare(stage);
        let nets = [(1, 77, DSTPORT), (2, VNI, 8472)];
        for (net, vni, dstport) in nets {
            devices(stage, net, vni, dstport);
        }
        for node in &mut stage.nodes {
            node.restart();
            if node.is_ours() {
                node.add_vni(VNI, &[]);
                node.add_port("veth1", VNI, &[]);
            }
        }
        for (node, other) in [(1, 2), (2, 1)] {
            if stage.node_at(node).is_ours() {
                stage.node_at(node).flood_to(VNI, stage.vtep(other));
            }
        }
        for (net, _, _) in nets {
            connected(stage, net);
        }
        overlay_works(stage);
        for node in stage.nodes.iter_mut().filter(|node| node.is_ours()) {
            node.host().daemon().signal(Signal::SIGTERM);
            assert!(node.host().daemon().wait_end().success());
        }
        for (net, _, _) in nets {
            connected(stage, net);
        }
    })
    .fails_if("`decap.rs` drops a VNI that we do not have"),
];

/// Frames that XDP sees must carry their checksums.
#[track_caller]
fn prepare(stage: &Stage) {
    if stage.players == Players::Ours(Hook::Xdp) {
        for node in &stage.nodes {
            node.must("ethtool -K eth1 tx off");
        }
    }
}

/// On both nodes, a VXLAN device of the kernel with an address of its own. Devices of one UDP port must agree in what they
/// receive (`VXLAN_F_RCV_FLAGS` in include/net/vxlan.h), the stage's too; our helper device agrees with those that have no
/// wishes.
#[track_caller]
fn devices(stage: &Stage, net: u8, vni: u32, dstport: u16) {
    for (number, other) in [(1u8, 2), (2, 1)] {
        let (node, remote) = (stage.node_at(number.into()), stage.vtep(other));
        node.script(&[
            format!(
                "ip link add dev{net} type vxlan id {vni} dstport {dstport} local {} remote {remote} {}",
                node.vtep,
                if node.is_ours() { "" } else { node.accepting() },
            ),
            format!("ip address add 10.7.{net}.{number}/24 dev dev{net}"),
            format!("ip link set dev{net} up"),
        ]);
    }
}

/// Pings and TCP through them, both ways.
#[track_caller]
fn connected(stage: &Stage, net: u8) {
    for (from, to) in [(1, 2), (2, 1)] {
        let addr = [10, 7, net, to];
        let (from, to) = (stage.node_at(from), stage.node_at(to.into()));
        let ping = line_in(&from.netns, &format!("ping -n -q -c 3 -i 0.05 -W 5 10.7.{net}.{}", addr[3]));
        assert!(ping.is_ok(), "{ping:?}");
        try_transfer_to(&from.netns, &to.netns, addr.into(), BYTES).unwrap();
    }
}

#[track_caller]
fn beside(stage: &Stage, vni: u32, dstport: u16) {
    prepare(stage);
    devices(stage, 1, vni, dstport);
    connected(stage, 1);
    overlay_works(stage);
    // And nothing of one comes to the other.
    connected(stage, 1);
}

#[track_caller]
fn overlay_works(stage: &Stage) {
    let frame = stage.frame(stage.pod(1, 1).mac, BROADCAST);
    stage.assert_comes((1, 1), &frame, 10, &[Pod(2, 1), stage.wire(1, 2)]);
    transfer(stage.pod(1, 1), stage.pod(2, 1), BYTES);
}
