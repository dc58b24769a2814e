//! What is counted: what was sent and received, and drops that only real traffic provokes.

use std::{
    io::Write as _,
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use serde_json::Value;
use vxbpf_common::Mac;
use vxbpf_tests::{
    packet::Frame,
    topology::{Backend, Overlay, Plan},
    traffic::try_transfer,
    wait,
};

/// Six numbers of a row: packets and bytes received and sent, and drops.
#[track_caller]
fn numbers(rows: &Value, name: &str, value: &str) -> [u64; 6] {
    let row = rows.as_array().unwrap().iter().find(|row| row[name].to_string().trim_matches('"') == value);
    let row = row.unwrap_or_else(|| panic!("no {name} {value} in {rows}"));
    ["rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "rx_dropped", "tx_dropped"]
        .map(|field| row[field].as_u64().unwrap())
}

#[test]
fn vnis_ports_and_vteps_count_what_was_sent() {
    let nodes = &[(Backend::Vxbpf, 2), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    let node = &overlay.nodes[0];
    let [one, two, far] = [(1, 1), (1, 2), (2, 1)].map(|(node, pod)| overlay.pod(node, pod));
    for pod in [one, two] {
        node.ok(&format!("fdb add {} port-dev {} vni 42", pod.mac, pod.port));
    }
    node.ok(&format!("fdb add {} dst 192.168.104.3 vni 42", far.mac));
    let frames = |from: Mac, to: Mac, count: usize| vec![Frame::new(from, to).padded_to(100).bytes(); count];
    one.send(&frames(one.mac, two.mac, 3));
    one.send(&frames(one.mac, far.mac, 5));
    far.send(&frames(far.mac, two.mac, 7));
    wait::expect("the frames", wait::SOON, || (two.received(), far.received()) == (10, 5));
    let stats = node.json("stats");
    assert_eq!(numbers(&stats["ports"], "dev", "veth1"), [8, 800, 0, 0, 0, 0]);
    assert_eq!(numbers(&stats["ports"], "dev", "veth2"), [0, 0, 10, 1000, 0, 0]);
    assert_eq!(numbers(&stats["vteps"], "addr", "192.168.104.3"), [7, 700, 5, 500, 0, 0]);
    assert_eq!(numbers(&stats["vnis"], "vni", "42"), [7, 700, 5, 500, 0, 0]);
    // The same from each command that shows one of them.
    assert_eq!(node.json("stats port veth1")["ports"], Value::from(vec![stats["ports"][0].clone()]));
    assert_eq!(numbers(&node.json("port show"), "dev", "veth2")[2], 10);
    assert_eq!(node.json("stats vni 42")["vnis"], stats["vnis"]);
    assert_eq!(numbers(&node.json("stats vtep 192.168.104.3")["vteps"], "addr", "192.168.104.3")[0], 7);
}

#[test]
fn a_packet_too_big_for_the_path_is_dropped_and_counted() {
    let overlay = Overlay::pair();
    overlay.ping_all();
    let (from, to) = (overlay.pod(1, 1), overlay.pod(2, 1));
    let node = &overlay.nodes[0];
    from.must("ip link set eth0 mtu 1500");
    node.must("ip link set veth1 mtu 1500");
    from.must(&format!("ping -n -q -c 1 -W 5 -M do -s 1422 {}", to.addr));
    assert_eq!(node.drops("too_big"), 0);
    from.send(&vec![
        Frame::new(from.mac, to.mac).ipv4(from.addr, to.addr).udp(7, 7).padded_to(1465).bytes();
        2
    ]);
    wait::expect("the drops", wait::SOON, || node.drops("too_big") == 2);
    // What the route says counts as well.
    node.must("ip route replace 192.168.104.3/32 dev eth1 mtu lock 1300");
    std::thread::sleep(std::time::Duration::from_secs(2));
    from.send(&[Frame::new(from.mac, to.mac).ipv4(from.addr, to.addr).udp(7, 7).padded_to(1265).bytes()]);
    wait::expect("the drop", wait::SOON, || node.drops("too_big") == 3);
    from.send(&[Frame::new(from.mac, to.mac).ipv4(from.addr, to.addr).udp(7, 7).padded_to(1264).bytes()]);
    wait::expect("the frame", wait::SOON, || to.received() > 0);
    assert_eq!(node.drops("too_big"), 3);
}

#[test]
fn a_segmented_tunnel_inside_the_overlay_cannot_be_encapsulated_and_is_counted() {
    let overlay = Overlay::pair();
    overlay.ping_all();
    let (one, two) = (overlay.pod(1, 1), overlay.pod(2, 1));
    for (pod, other, addr) in [(one, two, 1), (two, one, 2)] {
        pod.must(&format!(
            "ip link add inner type vxlan id 7 dstport 4790 local {} remote {}",
            pod.addr, other.addr
        ));
        pod.must(&format!("ip address add 10.9.9.{addr}/24 dev inner"));
        pod.must("ip link set inner up");
    }
    one.must("ping -n -q -c 1 -W 5 10.9.9.2");
    assert_eq!(overlay.nodes[0].drops("encap_failed"), 0);
    assert!(one.must("ethtool -k eth0").contains("tx-udp_tnl-segmentation: on"));
    let to: Ipv4Addr = [10, 9, 9, 2].into();
    let listener = two.netns.run(|| Ok(TcpListener::bind((to, 0))?)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut client = one.netns.run(|| Ok(TcpStream::connect((to, port))?)).unwrap();
    let server = listener.accept().unwrap();
    client.write_all(&[7; 50_000]).unwrap();
    wait::expect("a drop, a documented limit (or correct ARCHITECTURE.md)", wait::SOON, || {
        overlay.nodes[0].drops("encap_failed") > 0
    });
    drop((client, server));
    // What it tells to do about it.
    for pod in [one, two] {
        pod.must("ethtool -K eth0 tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off");
    }
    try_transfer(&one.netns, &two.netns, to, 4 << 20).unwrap();
}
