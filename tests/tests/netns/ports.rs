//! Ports that are not the end of a pod's veth.

use vxbpf_tests::{
    command::{line_in, must_in},
    scratch::{Netns, setting},
    topology::{Backend, Overlay, Plan},
    traffic::try_transfer,
};

#[test]
fn a_port_that_leads_to_the_host_itself_is_a_gateway() {
    let nodes = &[(Backend::Vxbpf, 1), (Backend::Vxbpf, 1)];
    let overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    let node = &overlay.nodes[0];
    node.must("ip link add gateway type veth peer name host");
    node.must("ip link set gateway up mtu 1450");
    node.must("ip address add 12.12.12.254/24 dev host");
    node.must("ip link set host up mtu 1450");
    node.ok("port add gateway vni 42");
    for pod in overlay.pods() {
        assert!(pod.reaches([12, 12, 12, 254].into()), "from {}", pod.addr);
        assert!(line_in(&node.netns, &format!("ping -n -q -c 1 -W 5 {}", pod.addr)).is_ok());
        try_transfer(&pod.netns, &node.netns, [12, 12, 12, 254].into(), 2 << 20).unwrap();
        try_transfer(&node.netns, &pod.netns, pod.addr, 2 << 20).unwrap();
    }
}

#[test]
fn stations_behind_a_bridge_behind_a_port_are_all_reached() {
    let overlay =
        Overlay::create(&Plan { nodes: &[(Backend::Vxbpf, 1), (Backend::Vxbpf, 1)], ..Plan::default() });
    let pod = overlay.pod(1, 1);
    // The pod becomes a switch with two stations.
    pod.must("ip address flush dev eth0");
    pod.must("ip link add br0 type bridge mcast_snooping 0");
    pod.must("ip link set br0 up");
    pod.must("ip link set eth0 master br0");
    let stations: Vec<Netns> = (0..2).map(|_| Netns::create().unwrap()).collect();
    for (number, station) in (1..).zip(&stations) {
        pod.must(&format!(
            "ip link add s{number} mtu 1450 type veth peer name eth0 mtu 1450 netns {}",
            station.name()
        ));
        pod.must(&format!("ip link set s{number} master br0 up"));
        must_in(station, &format!("ip address add 12.12.12.{}/24 dev eth0", 100 + number));
        must_in(station, "ip link set eth0 up");
    }
    let far = overlay.pod(2, 1);
    for (number, station) in (1..).zip(&stations) {
        let addr = [12, 12, 12, 100 + number].into();
        assert!(far.reaches(addr));
        try_transfer(station, &far.netns, far.addr, 2 << 20).unwrap();
        try_transfer(&far.netns, station, addr, 2 << 20).unwrap();
    }
    let known = overlay.nodes[1].json("fdb show vni 42 dynamic");
    assert_eq!(
        known.as_array().unwrap().iter().filter(|entry| entry["dst"] == "192.168.104.2").count(),
        2,
        "{known}"
    );
}

#[test]
fn a_pod_that_routes_onward_passes_on_what_was_merged() {
    let overlay =
        Overlay::create(&Plan { nodes: &[(Backend::Vxbpf, 1), (Backend::Vxbpf, 1)], ..Plan::default() });
    let (router, far) = (overlay.pod(1, 1), overlay.pod(2, 1));
    let behind = Netns::create().unwrap();
    router
        .must(&format!("ip link add lan mtu 1450 type veth peer name eth0 mtu 1450 netns {}", behind.name()));
    router.must("ip address add 10.20.0.1/24 dev lan");
    router.must("ip link set lan up");
    router.must("ethtool -K lan tso off gso off");
    router.netns.run(|| setting("net/ipv4/ip_forward", "1")).unwrap();
    for line in
        ["ip address add 10.20.0.2/24 dev eth0", "ip link set eth0 up", "ip route add default via 10.20.0.1"]
    {
        must_in(&behind, line);
    }
    far.must(&format!("ip route add 10.20.0.0/24 via {}", router.addr));
    try_transfer(&far.netns, &behind, [10, 20, 0, 2].into(), 8 << 20).unwrap();
    try_transfer(&behind, &far.netns, far.addr, 8 << 20).unwrap();
}
