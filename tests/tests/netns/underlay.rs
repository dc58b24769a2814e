//! The underlay changes, and traffic follows within two seconds without a daemon.

use std::{net::Ipv4Addr, thread, time::Duration};

use vxbpf_tests::{
    command::must_in,
    scratch::{Netns, setting},
    topology::{Backend, Node, Overlay, Plan, Switch},
};

/// What a change may take to be followed.
const FOLLOWED: Duration = Duration::from_secs(2);

fn pair(backend: Backend) -> Overlay {
    let mut overlay =
        Overlay::create(&Plan { nodes: &[(Backend::Vxbpf, 1), (backend, 1)], ..Plan::default() });
    overlay.ping_all();
    // Only what the underlay does is of interest.
    overlay.pod(1, 1).knows(overlay.pod(2, 1));
    overlay.pod(2, 1).knows(overlay.pod(1, 1));
    for node in &mut overlay.nodes {
        if let Some(daemon) = &mut node.daemon {
            daemon.kill();
        }
    }
    overlay
}

#[test]
fn a_remote_with_a_new_mac_address_is_followed() {
    let overlay = pair(Backend::Kernel);
    let (one, two) = (&overlay.nodes[0], &overlay.nodes[1]);
    for mac in ["02:00:00:00:77:01", "02:00:00:00:77:02"] {
        two.must(&format!("ip link set eth1 address {mac}"));
        one.must(&format!("ip neigh replace {} lladdr {mac} dev eth1 nud permanent", two.vtep));
        thread::sleep(FOLLOWED);
        assert!(overlay.pod(1, 1).pings(overlay.pod(2, 1)), "{mac} was not followed");
    }
}

#[test]
fn our_own_new_mac_address_is_followed() {
    let overlay = pair(Backend::Vxbpf);
    let (one, two) = (&overlay.nodes[0], &overlay.nodes[1]);
    one.must("ip link set eth1 address 02:00:00:00:77:01");
    two.must(&format!("ip neigh flush to {}", one.vtep));
    thread::sleep(FOLLOWED);
    assert!(overlay.pod(1, 1).pings(overlay.pod(2, 1)));
    assert!(overlay.pod(2, 1).pings(overlay.pod(1, 1)));
}

#[test]
fn a_neighbour_that_goes_away_is_asked_for_again() {
    let overlay = pair(Backend::Vxbpf);
    overlay.nodes[0].must("ip neigh flush all");
    thread::sleep(FOLLOWED);
    assert!(overlay.pod(1, 1).pings(overlay.pod(2, 1)));
}

#[test]
fn a_route_to_another_interface_is_followed() {
    let second = Switch::create();
    let overlay = pair(Backend::Kernel);
    let (one, two) = (&overlay.nodes[0], &overlay.nodes[1]);
    second.plug("node1", &one.netns, "eth2", [192, 168, 105, 2].into());
    second.plug("node2", &two.netns, "eth2", [192, 168, 105, 3].into());
    for path in ["all", "eth2"] {
        // The answers come another way.
        two.netns.run(|| setting(&format!("net/ipv4/conf/{path}/rp_filter"), "0")).unwrap();
    }
    one.must(&format!("ip route replace {}/32 via 192.168.105.3 dev eth2 src {}", two.vtep, one.vtep));
    thread::sleep(FOLLOWED);
    let before = sent(one);
    assert!(overlay.pod(1, 1).pings(overlay.pod(2, 1)));
    assert!(sent(one) > before, "it still goes out of eth1");
}

/// Packets that left through the second interface.
fn sent(node: &Node) -> u64 {
    let stats: serde_json::Value = serde_json::from_str(&node.must("ip -s -j link show eth2")).unwrap();
    stats[0]["stats64"]["tx"]["packets"].as_u64().unwrap()
}

/// A router between two networks.
fn router(near: &Switch, far: &Switch, number: u8) -> Netns {
    let netns = Netns::create().unwrap();
    near.plug(&format!("router{number}"), &netns, "near", [192, 168, 104, 100 + number].into());
    far.plug(&format!("router{number}"), &netns, "far", [192, 168, 106, 100 + number].into());
    netns.run(|| setting("net/ipv4/ip_forward", "1")).unwrap();
    netns
}

#[test]
fn a_remote_behind_gateways_is_reached_through_the_one_of_the_route() {
    let (near, far) = (Switch::create(), Switch::create());
    let routers = [router(&near, &far, 1), router(&near, &far, 2)];
    let mut one = Node::create(&near, 1);
    one.add_pod([12, 12, 12, 1].into(), "02:42:00:00:01:01".parse().unwrap());
    let two = Netns::create().unwrap();
    let vtep = Ipv4Addr::new(192, 168, 106, 3);
    far.plug("node2", &two, "eth1", vtep);
    for line in [
        "ip route add 192.168.104.0/24 via 192.168.106.101",
        &format!("ip link add vxlan1 type vxlan id 42 dstport 4789 local {vtep} remote {}", one.vtep),
        "ip address add 12.12.12.2/24 dev vxlan1",
        "ip link set vxlan1 mtu 1450 up",
    ] {
        must_in(&two, line);
    }
    one.must("ip route add 192.168.106.0/24 via 192.168.104.101");
    one.start("");
    one.ok("vni add 42");
    one.ok("port add veth1 vni 42");
    one.flood_to(vtep);
    one.daemon().kill();
    let answered = || one.pods[0].reaches([12, 12, 12, 2].into());
    assert!(answered());
    // The other gateway; the first one forwards nothing to the remote any more.
    one.must("ip route replace 192.168.106.0/24 via 192.168.104.102");
    must_in(&routers[0], "ip route add blackhole 192.168.106.3/32");
    thread::sleep(FOLLOWED);
    assert!(answered(), "the new gateway was not followed");
    // No route at all, and one again.
    one.must("ip route del 192.168.106.0/24");
    thread::sleep(FOLLOWED);
    assert!(!answered());
    assert!(one.drops("no_route") > 0);
    one.must("ip route add 192.168.106.0/24 via 192.168.104.102");
    thread::sleep(FOLLOWED);
    assert!(answered());
}
