//! Mode xdp, on veth: slower there than TC, but complete. And ports that are not veth.

use vxbpf_tests::{
    command::must_in,
    topology::{Backend, Node, Overlay, Plan, Switch},
    traffic::{transfer, try_transfer},
};

/// Nodes whose underlay and ports run XDP, but those after `xdp`, which run TC.
fn overlay(nodes: &[(Backend, u8)]) -> Overlay {
    let overlay = Overlay::create(&Plan { nodes, run: "--mode xdp", port: "mode xdp", ..Plan::default() });
    for number in 1..=nodes.len() {
        // A veth takes redirected frames only if its peer runs NAPI.
        must_in(&overlay.switch.netns, &format!("ethtool -K node{number} gro on"));
    }
    for pod in overlay.pods() {
        // Redirected frames carry no checksum state.
        pod.must("ethtool -K eth0 tx off gro on");
    }
    for node in overlay.nodes.iter().filter(|node| node.daemon.is_none()) {
        node.must("ethtool -K eth1 gro on");
    }
    overlay
}

#[test]
fn xdp_nodes_forward_to_each_other() {
    let overlay = overlay(&[(Backend::Vxbpf, 2), (Backend::Vxbpf, 1)]);
    let status = overlay.nodes[0].json("status");
    assert_eq!(status["mode"], "xdp", "{status}");
    assert_eq!(overlay.nodes[0].json("port show veth1")[0]["mode"], "xdp");
    overlay.ping_all();
    for (from, to) in [((1, 1), (2, 1)), ((2, 1), (1, 1)), ((1, 1), (1, 2))] {
        transfer(overlay.pod(from.0, from.1), overlay.pod(to.0, to.1), 1 << 20);
    }
    overlay.pod(1, 1).must(&format!("ping -n -q -c 2 -i 0.05 -W 5 -s 4000 {}", overlay.pod(2, 1).addr));
}

#[test]
fn xdp_nodes_and_kernels_understand_each_other() {
    let overlay = overlay(&[(Backend::Vxbpf, 1), (Backend::Kernel, 1)]);
    overlay.ping_all();
    transfer(overlay.pod(1, 1), overlay.pod(2, 1), 1 << 20);
    transfer(overlay.pod(2, 1), overlay.pod(1, 1), 1 << 20);
    // And the host behind the same interface.
    let (one, two) = (&overlay.nodes[0], &overlay.nodes[1]);
    two.must("ethtool -K eth1 tx off");
    one.must("ethtool -K eth1 tx off");
    try_transfer(&two.netns, &one.netns, one.vtep, 1 << 20).unwrap();
}

#[test]
fn xdp_on_a_node_and_tc_on_another_understand_each_other() {
    let switch = Switch::create();
    let mut nodes = [Node::create(&switch, 1), Node::create(&switch, 2)];
    for (node, (pod, mode)) in nodes.iter_mut().zip([(2, "xdp"), (3, "tc")]) {
        node.add_pod([12, 12, 12, pod].into(), format!("02:42:c0:a8:00:0{pod}").parse().unwrap());
        must_in(&switch.netns, &format!("ethtool -K node{} gro on", pod - 1));
        node.pods[0].must("ethtool -K eth0 tx off gro on");
        node.start(&format!("--mode {mode}"));
        node.ok("vni add 42");
        node.ok(&format!("port add veth1 vni 42 mode {mode}"));
    }
    nodes[0].flood_to(nodes[1].vtep);
    nodes[1].flood_to(nodes[0].vtep);
    let (one, two) = (&nodes[0].pods[0], &nodes[1].pods[0]);
    assert!(one.pings(two) && two.pings(one));
    transfer(one, two, 1 << 20);
    transfer(two, one, 1 << 20);
}

#[test]
fn xdp_where_the_driver_cannot_is_an_error_that_says_so() {
    let switch = Switch::create();
    let mut node = Node::create(&switch, 1);
    node.must("ip link add bridge0 type bridge");
    node.must("ip address add 10.1.1.1/24 dev bridge0");
    node.must("ip link set bridge0 up");
    let said = node.vxbpf("run --iface bridge0 --mode xdp");
    assert_eq!(said.code, Some(1), "{said:?}");
    let why = "the driver of bridge0 cannot run XDP natively\nhint: use mode tc\n";
    assert!(
        said.stderr.contains("error: attach from_underlay_xdp to bridge0: ") && said.stderr.ends_with(why),
        "{said:?}"
    );
    assert_eq!(node.vxbpf("status").code, Some(1), "nothing is left");

    node.start("");
    node.ok("vni add 42");
    let said = node.vxbpf("port add bridge0 vni 42 mode xdp");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.stderr.starts_with("error: attach from_port_xdp to bridge0: ") && said.stderr.ends_with(why),
        "{said:?}"
    );
    assert_eq!(node.json("port show").as_array().map(Vec::len), Some(0));
    // It can be one with TC.
    node.ok("port add bridge0 vni 42 mode auto");
    assert_eq!(node.json("port show bridge0")[0]["mode"], "tc");
}
