//! The kernel's VXLAN device on the other end, both ways round.

#![allow(clippy::unwrap_used, reason = "a panic is the report, in what tests share as well")]

use vxbpf_tests::{
    pod::Pod,
    raw::Capture,
    topology::{
        Backend::{self, Kernel, Vxbpf},
        Overlay, Plan,
    },
    traffic::transfer,
};

/// A few megabytes: many GSO segments, and the window wide open.
const BYTES: usize = 6 << 20;

fn overlay(nodes: &[(Backend, u8)]) -> Overlay {
    Overlay::create(&Plan { nodes, ..Plan::default() })
}

/// Everything that a user would do, between all nodes.
#[track_caller]
fn assert_works_together(overlay: &Overlay) {
    // Nothing is known: ARP is flooded, stations are learned on all sides.
    overlay.ping_all();
    for (number, node) in (1..).zip(&overlay.nodes) {
        for (other, there) in (1..).zip(&overlay.nodes).filter(|(other, _)| *other != number) {
            for pod in &there.pods {
                assert_learned(overlay, number, pod, other);
            }
        }
        assert!(node.pods.iter().all(|pod| !pod.must("ip neigh show").contains("FAILED")));
    }
    let (here, there, third) = (overlay.pod(1, 1), overlay.pod(2, 1), overlay.pod(3, 1));
    for (from, to) in [(here, there), (there, here), (here, third), (third, here)] {
        transfer(from, to, BYTES);
    }
    // Inner fragments, and the largest packet that fits.
    here.must(&format!("ping -n -q -c 2 -i 0.05 -W 5 -s 4000 {}", there.addr));
    there.must(&format!("ping -n -q -c 2 -i 0.05 -W 5 -s 4000 {}", here.addr));
    here.must(&format!("ping -n -q -c 2 -i 0.05 -W 5 -M do -s 1422 {}", third.addr));
}

/// A node knows a pod to be behind another node.
#[track_caller]
fn assert_learned(overlay: &Overlay, number: usize, pod: &Pod, behind: usize) {
    let (node, vtep) = (&overlay.nodes[number - 1], overlay.nodes[behind - 1].vtep.to_string());
    if node.daemon.is_some() {
        let station = node.station(pod.mac);
        assert_eq!((&station["dst"], &station["state"]), (&vtep.into(), &"dynamic".into()), "{station}");
    } else {
        let entries = node.must("bridge fdb show dev vxlan1");
        let line = format!("{} dst {vtep} self", pod.mac);
        assert!(entries.contains(&line), "node {number} lacks {line:?}:\n{entries}");
    }
}

#[test]
fn one_node_of_ours_among_kernels() {
    assert_works_together(&overlay(&[(Vxbpf, 2), (Kernel, 1), (Kernel, 2)]));
}

#[test]
fn one_kernel_among_nodes_of_ours() {
    assert_works_together(&overlay(&[(Kernel, 2), (Vxbpf, 1), (Vxbpf, 2)]));
}

#[test]
fn the_outer_headers_look_like_the_kernels() {
    let overlay = overlay(&[(Vxbpf, 1), (Kernel, 1)]);
    overlay.ping_all();
    let (here, there) = (overlay.pod(1, 1), overlay.pod(2, 1));
    let outer = |node: usize, from: &Pod, to: &Pod| {
        let capture = Capture::start(
            &overlay.nodes[node].netns,
            "eth1",
            "udp dst port 4789 and udp[8:4] == 0x08000000",
        );
        assert!(from.pings(to));
        capture.wait_for(1).remove(0)
    };
    let (ours, kernels) = (outer(1, here, there), outer(0, there, here));
    assert_eq!(ours.len(), kernels.len());
    // Type, version and length, TOS.
    assert_eq!(ours[12..18], kernels[12..18]);
    // TTL, protocol; DF is ours only.
    assert_eq!((ours[22], ours[23]), (64, 17));
    assert_eq!((ours[20] & 0x40, kernels[20] & 0x40), (0x40, 0));
    // UDP port and length, no checksum; VXLAN.
    assert_eq!(ours[36..50], kernels[36..50]);
    assert_eq!(ours[40..42], [0, 0]);
    assert!(u16::from_be_bytes([ours[34], ours[35]]) >= 49152, "the source port is the flow's");
}
