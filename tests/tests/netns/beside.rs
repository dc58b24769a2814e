//! What else is on the underlay's interface goes on as before: it is not ours.

use std::net::Ipv4Addr;

use vxbpf_tests::{
    command::line_in,
    topology::{Node, Overlay, Switch},
    traffic::{transfer, try_transfer},
};

const BYTES: usize = 2 << 20;

/// A VXLAN device of the kernel with an address of its own.
fn device(node: &Node, other: &Node, name: &str, vni: u32, dstport: u16, addr: Ipv4Addr) {
    let (local, remote) = (node.vtep, other.vtep);
    node.must(&format!(
        "ip link add {name} type vxlan id {vni} dstport {dstport} local {local} remote {remote}"
    ));
    node.must(&format!("ip address add {addr}/24 dev {name}"));
    node.must(&format!("ip link set {name} up"));
}

#[track_caller]
fn assert_connected(nodes: [&Node; 2], addrs: [Ipv4Addr; 2]) {
    for (from, to, addr) in [(0, 1, addrs[1]), (1, 0, addrs[0])] {
        let ping = line_in(&nodes[from].netns, &format!("ping -n -q -c 1 -W 5 {addr}"));
        assert!(ping.is_ok(), "{addr}: {ping:?}");
        try_transfer(&nodes[from].netns, &nodes[to].netns, addr, BYTES).unwrap();
    }
}

#[test]
fn tcp_to_the_host_itself_goes_on() {
    let overlay = Overlay::pair();
    overlay.ping_all();
    let [one, two] = &overlay.nodes[..] else { panic!("two nodes") };
    assert_connected([one, two], [one.vtep, two.vtep]);
    transfer(overlay.pod(1, 1), overlay.pod(2, 1), BYTES);
}

#[test]
fn vxlan_devices_of_the_kernel_work_beside_us() {
    let switch = Switch::create();
    let mut nodes = [Node::create(&switch, 1), Node::create(&switch, 2)];
    let [one, two] = &mut nodes;
    // Before we run: on our UDP port with another VNI, and on another port with our VNI.
    for (net, name, vni, dstport) in [(1, "before1", 77, 4789), (2, "before2", 42, 8472)] {
        device(one, two, name, vni, dstport, [10, 7, net, 1].into());
        device(two, one, name, vni, dstport, [10, 7, net, 2].into());
    }
    for (node, pod) in [(&mut *one, 2), (&mut *two, 3)] {
        node.add_pod([12, 12, 12, pod].into(), format!("02:42:c0:a8:00:0{pod}").parse().unwrap());
        node.start("");
        node.ok("vni add 42");
        node.ok("port add veth1 vni 42");
    }
    one.flood_to(two.vtep);
    two.flood_to(one.vtep);
    // And after.
    for (net, name, vni, dstport) in [(3, "after1", 78, 4789), (4, "after2", 42, 8473)] {
        device(one, two, name, vni, dstport, [10, 7, net, 1].into());
        device(two, one, name, vni, dstport, [10, 7, net, 2].into());
    }
    for net in 1..=4 {
        assert_connected([one, two], [[10, 7, net, 1].into(), [10, 7, net, 2].into()]);
    }
    assert!(one.pods[0].pings(&two.pods[0]));
    transfer(&one.pods[0], &two.pods[0], BYTES);
    // They are not ours to remove.
    one.daemon().signal(nix::sys::signal::Signal::SIGTERM);
    assert!(one.daemon().wait_end().success());
    for name in ["before1", "before2", "after1", "after2"] {
        one.must(&format!("ip link show {name}"));
    }
    assert_connected([one, two], [[10, 7, 1, 1].into(), [10, 7, 1, 2].into()]);
}
