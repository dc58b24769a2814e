//! Instances beside each other in one network namespace: they forward, and none takes what another has.

use std::net::Ipv4Addr;

use vxbpf_tests::{
    command::{Said, line_in, vxbpf_in},
    daemon::Daemon,
    scratch::{Netns, Scrap, fresh_name},
    topology::{Node, Switch},
};

use crate::names::rename;

/// A further instance in the namespace of a node.
struct Another<'a> {
    netns: &'a Netns,
    daemon: Daemon,
}

impl<'a> Another<'a> {
    #[track_caller]
    fn start(netns: &'a Netns, run: &str) -> Self {
        Self { netns, daemon: Daemon::start(netns, &fresh_name(), run) }
    }

    #[track_caller]
    fn vxbpf(&self, line: &str) -> Said {
        vxbpf_in(self.netns, self.daemon.instance(), line)
    }

    #[track_caller]
    fn ok(&self, line: &str) -> String {
        let said = self.vxbpf(line);
        assert!(said.is_ok(), "vxbpf {line}: {said:?}");
        said.stdout
    }

    /// It fails with these words, and changes nothing.
    #[track_caller]
    fn refuses(&self, line: &str, stderr: &str) {
        let state = || self.ok("vni show") + &self.ok("port show");
        let before = state();
        let said = self.vxbpf(line);
        assert_eq!((said.code, said.stderr.as_str()), (Some(1), stderr), "{line}");
        assert_eq!(state(), before, "{line}");
    }
}

/// A node with a VNI, a port in it, and a pod behind that; and another pod whose port is nobody's.
fn node(switch: &Switch, number: u8) -> Node {
    let mut node = Node::create(switch, number);
    for pod in [2 * number, 2 * number + 1] {
        node.add_pod([12, 12, 12, pod].into(), format!("02:42:c0:a8:00:0{pod}").parse().unwrap());
    }
    node.start("");
    node.ok("vni add 42");
    node.ok("port add veth1 vni 42");
    node
}

fn taken(vni: u32, first: &str) -> String {
    format!(
        "error: VNI {vni} is instance {first}'s already, on the same UDP port (4789)\n\
         hint: remove it there first: vxbpf -i {first} vni del {vni}\n"
    )
}

#[test]
fn instances_on_one_interface_forward_beside_each_other() {
    let switch = Switch::create();
    let (one, two) = (node(&switch, 1), node(&switch, 2));
    let others = [&one, &two].map(|node| Another::start(&node.netns, "--iface eth1"));
    for (other, remote) in others.iter().zip([two.vtep, one.vtep]) {
        other.ok("vni add 43");
        other.ok("port add veth2 vni 43");
        other.ok(&format!("fdb append 00:00:00:00:00:00 dst {remote} vni 43"));
    }
    one.flood_to(two.vtep);
    two.flood_to(one.vtep);
    assert!(one.pods[0].pings(&two.pods[0]) && one.pods[1].pings(&two.pods[1]));
    assert!(!one.pods[0].pings(&one.pods[1]));
}

#[test]
fn a_vni_is_one_instances_at_a_udp_port_as_the_kernel_has_it() {
    let switch = Switch::create();
    let mut one = node(&switch, 1);
    switch.plug("more", &one.netns, "eth2", Ipv4Addr::new(192, 168, 105, 2));
    // With programs that are not the ones it was started with.
    one.daemon().kill();
    one.take_over("");
    one.ok("vni add 44");

    let device = |name: &str, port: u16, dev: &str| {
        line_in(&one.netns, &format!("ip link add {name} type vxlan id 42 dstport {port} dev {dev}"))
    };
    assert!(device("first", 4790, "eth1").is_ok());
    assert!(!device("second", 4790, "eth1").is_ok() && !device("second", 4790, "eth2").is_ok());
    assert!(device("second", 4791, "eth1").is_ok());

    let first = one.netns.name();
    let same = Another::start(&one.netns, "--iface eth1");
    let mut elsewhere = Another::start(&one.netns, "--iface eth2");
    for other in [&same, &elsewhere] {
        other.refuses("vni add 42", &taken(42, first));
    }
    assert!(Another::start(&one.netns, "--iface eth1 --dstport 8472").vxbpf("vni add 42").is_ok());

    // Nor does an instance start whose file has it.
    let config = Scrap::new("toml");
    config.write("[[vni]]\nvni = 41\n[[vni]]\nvni = 42\n");
    let run = format!("--iface eth1 --config {}", config.path());
    let mut run = Daemon::spawn(&one.netns, &fresh_name(), &run);
    run.wait_log("hint: ");
    assert_eq!(run.wait_end().code(), Some(1));
    assert!(run.log().ends_with(&taken(42, first)), "{}", run.log());
    let status = vxbpf_in(&one.netns, run.instance(), "status");
    assert!(status.code == Some(1) && status.stderr.contains("is not running"), "{status:?}");

    // What the first gives away another may have.
    same.refuses("vni add 44", &taken(44, first));
    one.ok("vni del 44");
    same.ok("vni add 44");
    elsewhere.refuses("vni add 44", &taken(44, same.daemon.instance()));

    // What is left of one whose underlay is gone still has programs on its ports and on the helper device.
    elsewhere.ok("vni add 45");
    elsewhere.ok("port add veth2 vni 45");
    elsewhere.daemon.kill();
    one.must("ip link del eth2");
    same.refuses("vni add 45", &taken(45, elsewhere.daemon.instance()));
    let port = format!(
        "error: interface veth2 is a port of instance {0} (in VNI 45)\n\
         hint: take it away there first: vxbpf -i {0} port del veth2\n",
        elsewhere.daemon.instance()
    );
    same.refuses("port add veth2 vni 44", &port);
    elsewhere.ok("detach");
    same.ok("vni add 45");
    same.ok("port add veth2 vni 45");
}

#[test]
fn an_interface_is_one_instances_port_or_underlay() {
    let switch = Switch::create();
    let mut one = node(&switch, 1);
    switch.plug("more", &one.netns, "eth2", Ipv4Addr::new(192, 168, 105, 2));
    // Nobody is to follow its port to another name.
    one.daemon().kill();
    let other = Another::start(&one.netns, "--iface eth2 --dstport 8472");
    other.ok("vni add 43");
    let first = one.netns.name();
    rename(&one, "veth1", "renamed");
    let port = format!(
        "error: interface renamed is a port of instance {first} (in VNI 42)\n\
         hint: take it away there first: vxbpf -i {first} port del veth1\n"
    );
    other.refuses("port add renamed vni 43", &port);
    for (dev, is) in [("eth1", "the underlay"), ("vxbpf4789", "a helper device")] {
        let error = format!("error: interface {dev} is {is} of instance {first}\n");
        other.refuses(&format!("port add {dev} vni 43"), &error);
    }
    one.must("ip address add 192.168.106.1/24 dev renamed");
    let mut run = Daemon::spawn(&one.netns, &fresh_name(), "--iface renamed");
    run.wait_log("hint: ");
    assert_eq!(run.wait_end().code(), Some(1));
    assert_eq!(run.log(), port);
    one.ok("port del veth1");
    other.ok("port add renamed vni 43");
}
