//! Multicast groups of the underlay, as far as the rest of the host has to do with them. What they are for stands in the
//! conformance tests.

use nix::sys::signal::Signal;
use vxbpf_tests::{
    command::must_in,
    scratch::Netns,
    topology::{Backend, Overlay, Plan},
};

const GROUP: &str = "239.1.1.42";

fn overlay() -> Overlay {
    let overlay = Overlay::create(&Plan { nodes: &[(Backend::Vxbpf, 1)], ..Plan::default() });
    overlay.nodes[0].must(&format!("ip route add {GROUP}/32 dev eth1"));
    overlay
}

#[test]
fn groups_are_left_when_the_instance_goes_also_one_that_was_killed() {
    for killed in [false, true] {
        let mut overlay = overlay();
        let node = &mut overlay.nodes[0];
        for vni in [43, 44] {
            node.ok(&format!("vni add {vni} group {GROUP}"));
        }
        let listens = |netns: &Netns| must_in(netns, "ip maddr show dev eth1").contains(GROUP);
        assert!(listens(&node.netns));
        if killed {
            node.daemon().kill();
            assert!(listens(&node.netns), "the kernel is the member");
            node.ok("detach");
        } else {
            node.daemon().signal(Signal::SIGTERM);
            assert!(node.daemon().wait_end().success());
        }
        assert!(!listens(&node.netns));
        let links = node.must("ip -o link");
        assert!(!links.contains("type vxlan") && !links.contains(": vx12b5g"), "{links}");
    }
}

#[test]
fn what_others_on_the_host_send_to_a_group_of_ours_leaves_as_before() {
    let overlay = overlay();
    let node = &overlay.nodes[0];
    node.ok(&format!("vni add 43 group {GROUP}"));
    let way = node.must(&format!("ip route get {GROUP}"));
    assert!(way.contains(&format!("dev eth1 src {}", node.vtep)), "{way}");
}
