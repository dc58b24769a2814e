//! The tutorial's overlay, its entries made with the tutorial's own words.

use std::net::Ipv4Addr;

use vxbpf::lab::Topology;
use vxbpf_tests::topology::{Backend, Node, Overlay, Plan, Switch};

/// A node of the tutorial with its pods, which forwards between them.
fn node(switch: &Switch, number: u8) -> Node {
    let topology = Topology::new(3);
    let plan = &topology.nodes()[usize::from(number) - 1];
    let mut node = Node::create(switch, number);
    assert_eq!(node.vtep, plan.vtep);
    for pod in &plan.pods {
        node.add_pod(pod.addr, pod.mac);
    }
    node.start("");
    node.ok("vni add 42 name vxlan1");
    for pod in &node.pods {
        node.ok(&format!("port add {} vni 42", pod.port));
    }
    node
}

/// What the tutorial types on a node.
fn type_in(node: &Node, lines: &[&str]) {
    for line in lines {
        node.ok(line);
    }
}

#[test]
fn node_three_joins_a_running_overlay_and_all_pings_of_the_tutorial_are_answered() {
    let switch = Switch::create();
    let mut nodes = vec![node(&switch, 1), node(&switch, 2)];
    type_in(
        &nodes[0],
        &[
            "fdb add 02:42:c0:a8:00:03 dev vxlan1 self dst 192.168.104.3 vni 42 port 4789",
            "neigh add 12.12.12.3 lladdr 02:42:c0:a8:00:03 dev vxlan1 nud permanent",
        ],
    );
    type_in(
        &nodes[1],
        &[
            "fdb add 02:42:c0:a8:00:02 dev vxlan1 self dst 192.168.104.2 vni 42 port 4789",
            "fdb add 02:42:c0:a8:00:04 dev vxlan1 self dst 192.168.104.2 vni 42 port 4789",
            "neigh add 12.12.12.2 lladdr 02:42:c0:a8:00:02 dev vxlan1 nud permanent",
            "neigh add 12.12.12.4 lladdr 02:42:c0:a8:00:04 dev vxlan1 nud permanent",
        ],
    );
    let overlay = Overlay { nodes, switch };
    overlay.ping_all();

    let Overlay { nodes: founders, switch } = overlay;
    nodes = founders;
    nodes.push(node(&switch, 3));
    for node in &nodes[..2] {
        type_in(
            node,
            &[
                "fdb replace 02:42:c0:a8:00:0a dev vxlan1 self dst 192.168.104.4 vni 42 port 4789",
                "fdb replace 02:42:c0:a8:00:0b dev vxlan1 self dst 192.168.104.4 vni 42 port 4789",
                "neigh add 12.12.12.10 lladdr 02:42:c0:a8:00:0a dev vxlan1 nud permanent",
                "neigh add 12.12.12.11 lladdr 02:42:c0:a8:00:0b dev vxlan1 nud permanent",
            ],
        );
    }
    type_in(
        &nodes[2],
        &[
            "fdb replace 02:42:c0:a8:00:02 dev vxlan1 self dst 192.168.104.2 vni 42 port 4789",
            "fdb replace 02:42:c0:a8:00:04 dev vxlan1 self dst 192.168.104.2 vni 42 port 4789",
            "fdb replace 02:42:c0:a8:00:03 dev vxlan1 self dst 192.168.104.3 vni 42 port 4789",
            "neigh add 12.12.12.2 lladdr 02:42:c0:a8:00:02 dev vxlan1 nud permanent",
            "neigh add 12.12.12.4 lladdr 02:42:c0:a8:00:04 dev vxlan1 nud permanent",
            "neigh add 12.12.12.3 lladdr 02:42:c0:a8:00:03 dev vxlan1 nud permanent",
        ],
    );
    let overlay = Overlay { nodes, switch };
    overlay.ping_all();
    for node in &overlay.nodes {
        let entries = node.json("fdb show vni 42 permanent");
        assert!(entries.as_array().is_some_and(|all| !all.is_empty()), "{entries}");
    }
    // Without flood lists, all that was broadcast must have been answered by the ARP proxy.
    assert!(overlay.nodes.iter().all(|node| node.json("fdb show mac 00:00:00:00:00:00")[0].is_null()));
}

#[test]
fn pods_find_each_other_with_nothing_but_flood_lists() {
    let nodes = &[(Backend::Vxbpf, 2), (Backend::Vxbpf, 1), (Backend::Vxbpf, 2)];
    let overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    overlay.ping_all();
    for node in &overlay.nodes {
        for pod in overlay.pods() {
            let station = node.station(pod.mac);
            assert_eq!(station["state"], "dynamic", "{station}");
        }
    }
    let unreachable = Ipv4Addr::new(12, 12, 12, 200);
    assert!(!overlay.pod(1, 1).reaches(unreachable), "nobody has {unreachable}");
}
