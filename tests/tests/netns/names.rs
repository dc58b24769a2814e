//! Interfaces get other names, and stay what they are.

use nix::sys::signal::Signal;
use vxbpf_tests::topology::{Node, Overlay, Switch};

/// Gives an interface another name.
#[track_caller]
pub(crate) fn rename(node: &Node, from: &str, to: &str) {
    for line in [format!("{from} down"), format!("{from} name {to}"), format!("{to} up")] {
        node.must(&format!("ip link set {line}"));
    }
}

/// The ports, by name and VNI.
#[track_caller]
fn ports(node: &Node) -> Vec<(String, u64)> {
    let ports = node.json("port show");
    let of = |port: &serde_json::Value| Some((port["dev"].as_str()?.to_owned(), port["vni"].as_u64()?));
    ports.as_array().unwrap().iter().map(|port| of(port).unwrap()).collect()
}

#[test]
fn a_renamed_port_is_known_by_its_new_name_and_goes_on() {
    let mut overlay = Overlay::pair();
    overlay.ping_all();
    let node = overlay.node(1);
    rename(node, "veth1", "fresh1");
    node.daemon().wait_log("interface veth1 is called fresh1 now");
    assert_eq!(ports(node), [("fresh1".to_owned(), 42)]);
    node.ok("stats port fresh1");
    node.ok("fdb add 02:42:00:00:77:01 port-dev fresh1 vni 42");
    let said = node.vxbpf("port show veth1");
    assert_eq!((said.code, said.stderr.as_str()), (Some(1), "error: port veth1 does not exist\n"));
    overlay.ping_all();

    // With the daemon dead, and taken over.
    let node = overlay.node(1);
    node.daemon().kill();
    rename(node, "fresh1", "veth9");
    node.take_over("");
    assert_eq!(ports(node), [("veth9".to_owned(), 42)]);
    assert!(node.ok("fdb show").contains("02:42:00:00:77:01"));
    overlay.ping_all();
    overlay.node(1).ok("port del veth9");
    assert!(!overlay.pod(1, 1).pings(overlay.pod(2, 1)));
}

#[test]
fn ports_that_change_their_names_stay_the_ports_they_are() {
    let switch = Switch::create();
    let mut node = Node::create(&switch, 1);
    node.add_pod([12, 12, 12, 2].into(), "02:42:c0:a8:00:02".parse().unwrap());
    node.add_pod([12, 12, 12, 3].into(), "02:42:c0:a8:00:03".parse().unwrap());
    node.start("");
    for (vni, port, mac) in [(42, "veth1", "02:42:00:00:77:01"), (43, "veth2", "02:42:00:00:77:02")] {
        node.ok(&format!("vni add {vni}"));
        node.ok(&format!("port add {port} vni {vni}"));
        node.ok(&format!("fdb add {mac} port-dev {port} vni {vni}"));
    }
    // With nobody who follows each step.
    node.daemon().kill();
    rename(&node, "veth1", "veth3");
    rename(&node, "veth2", "veth1");
    rename(&node, "veth3", "veth2");
    node.take_over("");
    assert_eq!(ports(&node), [("veth1".to_owned(), 43), ("veth2".to_owned(), 42)]);
    // And with somebody who comes to hear of all of it at once, and is to let go of the right one.
    node.daemon().signal(Signal::SIGSTOP);
    rename(&node, "veth2", "veth3");
    rename(&node, "veth1", "veth2");
    node.must("ip link del veth3");
    node.daemon().signal(Signal::SIGCONT);
    node.daemon().wait_log("its interface is gone");
    node.daemon().wait_log("interface veth1 is called veth2 now");
    assert_eq!(ports(&node), [("veth2".to_owned(), 43)]);
    let fdb = node.ok("fdb show");
    assert!(fdb.contains("02:42:00:00:77:02") && !fdb.contains("02:42:00:00:77:01"), "{fdb}");
}

#[test]
fn a_new_interface_with_the_old_name_of_a_port_does_not_take_its_place() {
    let mut overlay = Overlay::pair();
    overlay.ping_all();
    let node = overlay.node(1);
    node.daemon().kill();
    rename(node, "veth1", "fresh1");
    node.must("ip link add veth1 mtu 1450 type veth peer name peer mtu 1450");
    node.ok("port add veth1 vni 42");
    assert_eq!(ports(node), [("fresh1".to_owned(), 42), ("veth1".to_owned(), 42)]);
    overlay.ping_all();
}

#[test]
fn a_renamed_underlay_is_followed_and_taken_over() {
    let mut overlay = Overlay::pair();
    overlay.ping_all();
    let node = overlay.node(1);
    rename(node, "eth1", "wan");
    node.daemon().wait_log("interface eth1 is called wan now");
    assert_eq!(node.json("status")["iface"], "wan");
    overlay.ping_all();
    let node = overlay.node(1);
    node.daemon().kill();
    rename(node, "wan", "eth1");
    node.take_over("");
    assert!(node.daemon().log().contains("took over the running instance"), "{}", node.daemon().log());
    assert_eq!(node.json("status")["iface"], "eth1");
    overlay.ping_all();
}

#[test]
fn an_instance_whose_underlay_is_made_anew_under_its_name_is_not_taken_over() {
    let switch = Switch::create();
    let mut node = Node::create(&switch, 1);
    node.start("");
    node.ok("vni add 42");
    node.daemon().kill();
    node.must("ip link del eth1");
    switch.plug("again", &node.netns, "eth1", node.vtep);
    node.take_over("");
    assert!(node.daemon().log().contains("removed what was left of an instance"), "{}", node.daemon().log());
    assert_eq!(node.json("vni show"), serde_json::json!([]));
}
