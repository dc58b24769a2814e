//! Wrong commands to a running instance: what they say, how they end, and that they change nothing.

use std::fs;

use vxbpf_tests::{
    command::{Said, binary, limited, run_in, vxbpf_in},
    scratch::Netns,
    topology::{Node, Switch},
};

const MAC: &str = "02:42:c0:a8:00:03";

/// An instance with small tables, a VNI, a port, and one entry of each kind.
fn node(switch: &Switch) -> Node {
    let mut node = Node::create(switch, 1);
    node.add_pod([12, 12, 12, 2].into(), "02:42:c0:a8:00:02".parse().unwrap());
    node.must("ip link add spare type veth peer name peer");
    node.must("ip link add spare2 type veth peer name peer2");
    let config = std::env::temp_dir().join(format!("{}.toml", node.netns.name()));
    let limits = "[limits]\nvnis = 3\ngroups = 1\nports = 1\nfdb = 3\nneigh = 1\nvteps = 2\n";
    fs::write(&config, limits).unwrap();
    node.start(&format!("--config {}", config.display()));
    fs::remove_file(config).unwrap();
    for line in [
        "vni add 42 name vxlan1",
        "vni add 43 name vxlan2",
        "port add veth1 vni 42",
        &format!("fdb add {MAC} dst 192.168.104.3 vni 42"),
        "fdb append 00:00:00:00:00:00 dst 192.168.104.3 vni 42",
        &format!("neigh add 12.12.12.3 lladdr {MAC} vni 42"),
    ] {
        node.ok(line);
    }
    node
}

/// Everything that commands can change.
fn state(node: &Node) -> String {
    ["vni show", "port show", "fdb show", "neigh show", "vtep show"].map(|line| node.ok(line)).join("\n")
}

/// Whether a command failed as it should: exit status, and how stderr begins.
fn complaint(line: &str, said: &Said, code: i32, stderr: &str) -> Option<String> {
    let fine = said.code == Some(code) && said.stdout.is_empty() && said.stderr.starts_with(stderr);
    let lines = said.stderr.lines().count();
    let shape = lines == 1 || (lines == 2 && said.stderr.contains("\nhint: "));
    (!fine || !shape).then(|| format!("{line}\n  said     {said:?}\n  expected {code} {stderr:?}\n"))
}

#[test]
fn wrong_commands_say_what_is_wrong_and_change_nothing() {
    let switch = Switch::create();
    let node = node(&switch);
    let before = state(&node);
    let rows: &[(&str, i32, &str)] = &[
        // Grammar.
        ("frobnicate", 2, "error: unknown command \"frobnicate\"\nhint: "),
        ("fdb add 02:42 dst 192.168.104.3 vni 42", 2, "error: \"02:42\" is not a MAC address: "),
        (
            "fdb add 02:42:c0:a8:00:04 dst 192.168.104 vni 42",
            2,
            "error: dst: \"192.168.104\" is not an IP address",
        ),
        ("vni add 16777216", 2, "error: \"16777216\" is not a VNI: a number from 0 to 16777215\n"),
        ("port add veth1", 2, "error: missing: vni VNI\nhint: "),
        // What is not there.
        ("vni set 44 ageing 1", 1, "error: VNI 44 does not exist\nhint: add it first: vxbpf vni add 44\n"),
        ("vni del 44", 1, "error: VNI 44 does not exist\n"),
        ("vni show 44", 1, "error: VNI 44 does not exist\n"),
        ("port add nope vni 42", 1, "error: interface nope does not exist\n"),
        ("port add spare vni 44", 1, "error: VNI 44 does not exist\nhint: add it first: "),
        ("port del spare", 1, "error: port spare does not exist\n"),
        ("port show spare", 1, "error: port spare does not exist\n"),
        ("fdb add 02:42:c0:a8:00:04 dst 192.168.104.3 vni 44", 1, "error: VNI 44 does not exist\nhint: "),
        (
            "fdb add 02:42:c0:a8:00:04 dst 192.168.104.3 dev nope",
            1,
            "error: dev nope: no VNI has that name\nhint: ",
        ),
        (
            "fdb del 02:42:c0:a8:00:04 vni 42",
            1,
            "error: FDB entry 02:42:c0:a8:00:04 in VNI 42 does not exist\n",
        ),
        (
            "fdb del 02:42:c0:a8:00:03 dst 192.168.104.9 vni 42",
            1,
            "error: FDB entry 02:42:c0:a8:00:03 to 192.168.104.9 in VNI 42 does not exist\n",
        ),
        (
            "fdb del 00:00:00:00:00:00 dst 192.168.104.9 vni 42",
            1,
            "error: FDB entry 00:00:00:00:00:00 to 192.168.104.9 in VNI 42 does not exist\n",
        ),
        (
            "fdb get 02:42:c0:a8:00:04 vni 42",
            1,
            "error: FDB entry 02:42:c0:a8:00:04 in VNI 42 does not exist\n",
        ),
        (
            "fdb add 02:42:c0:a8:00:04 port-dev spare vni 42",
            1,
            "error: port spare does not exist\nhint: add it first: vxbpf port add spare vni 42\n",
        ),
        ("neigh del 12.12.12.4 vni 42", 1, "error: "),
        ("neigh add 12.12.12.4 lladdr 02:42:c0:a8:00:04 vni 44", 1, "error: VNI 44 does not exist\nhint: "),
        ("vtep allow 192.168.104.3 vni 44", 1, "error: VNI 44 does not exist\nhint: "),
        ("stats port spare", 1, "error: port spare does not exist\n"),
        ("stats vni 44", 1, "error: VNI 44 does not exist\n"),
        // What is there.
        ("vni add 42", 1, "error: VNI 42 exists\n"),
        ("vni set 43 name vxlan1", 1, "error: VNI name vxlan1 (it is VNI 42's) exists\n"),
        ("vni del 42", 1, "error: VNI 42 has ports: veth1\nhint: remove them first: vxbpf port del veth1\n"),
        ("port add veth1 vni 43", 1, "error: port veth1 (in VNI 42) exists\n"),
        (
            "fdb add 02:42:c0:a8:00:03 dst 192.168.104.4 vni 42",
            1,
            "error: FDB entry 02:42:c0:a8:00:03 in VNI 42 exists\n",
        ),
        (
            "fdb add 00:00:00:00:00:00 dst 192.168.104.4 vni 42",
            1,
            "error: FDB entry 00:00:00:00:00:00 in VNI 42 exists\nhint: append adds one more destination\n",
        ),
        ("neigh add 12.12.12.3 lladdr 02:42:c0:a8:00:04 vni 42", 1, "error: "),
        // What cannot be.
        (
            "fdb add 02:42:c0:a8:00:04 dst 192.168.104.2 vni 42",
            1,
            "error: VTEP 192.168.104.2 is this instance's own",
        ),
        (
            "fdb add 02:42:c0:a8:00:04 dst fd00::1 vni 42",
            1,
            "error: VTEP fd00::1 is IPv6, and this instance has no IPv6 address\nhint: give the underlay interface one,",
        ),
        (
            "fdb add 02:42:c0:a8:00:04 dst 239.1.1.1 vni 42",
            1,
            "error: VTEP 239.1.1.1 is a multicast group, which is an option of the VNI\nhint: vxbpf vni set VNI group 239.1.1.1\n",
        ),
        (
            "fdb append 00:00:00:00:00:00 dst 0.0.0.0 vni 42",
            1,
            "error: VTEP 0.0.0.0 is not a unicast address\n",
        ),
        (
            "fdb append 00:00:00:00:00:00 dst 127.0.0.1 vni 42",
            1,
            "error: VTEP 127.0.0.1 is not a unicast address\n",
        ),
        (
            "fdb replace 01:00:5e:00:00:01 dst 192.168.104.3 vni 42",
            1,
            "error: the list of 01:00:5e:00:00:01 in VNI 42 cannot be replaced: it may have many remotes\nhint: ",
        ),
        (
            "fdb replace 00:00:00:00:00:00 dst 192.168.104.3 vni 42",
            1,
            "error: the flood list of VNI 42 cannot be replaced: it may have many remotes\nhint: ",
        ),
        (
            "fdb del 01:00:5e:00:00:01 vni 42",
            1,
            "error: FDB entry 01:00:5e:00:00:01 in VNI 42 does not exist\n",
        ),
        (
            "fdb del 02:42:c0:a8:00:03 dst 192.168.104.3 port 4790 vni 42",
            1,
            "error: FDB entry 02:42:c0:a8:00:03 to 192.168.104.3 in VNI 42 has another VNI or port on the wire\n\
             hint: name them: src_vni 42 vni 42 port 4789\n",
        ),
        (
            "fdb add 01:00:5e:00:00:01 port-dev veth1 vni 42",
            1,
            "error: the list of 01:00:5e:00:00:01 in VNI 42 takes remotes; ",
        ),
        (
            "fdb append 02:42:c0:a8:00:04 dst 192.168.104.3 vni 42",
            1,
            "error: FDB entry 02:42:c0:a8:00:04 in VNI 42 has one destination; append is for the flood list",
        ),
        ("fdb add 02:42:c0:a8:00:04 port-dev veth1 vni 43", 1, "error: port veth1 is in VNI 42, not 43\n"),
        (
            "fdb add 00:00:00:00:00:00 port-dev veth1 vni 42",
            1,
            "error: the flood list of VNI 42 takes remotes; ",
        ),
        ("port add eth1 vni 42", 1, "error: interface eth1 is the underlay; it carries the tunnels\n"),
        ("port add vxbpf4789 vni 42", 1, "error: interface vxbpf4789 is our helper device\n"),
        ("port add lo vni 42", 1, "error: interface lo "),
        ("neigh add 12.12.12.4 lladdr 01:00:5e:00:00:01 vni 42", 1, "error: "),
        ("vtep deny 192.168.104.2 vni 42", 1, "error: VTEP 192.168.104.2 is this instance's own address\n"),
        ("vni set 42 name a/b", 1, "error: VNI name \"a/b\" must be 1 to 15 printable characters"),
    ];
    let mut wrong = String::new();
    for (line, code, stderr) in rows {
        wrong.extend(complaint(line, &node.vxbpf(line), *code, stderr));
        let now = state(&node);
        if now != before {
            wrong += &format!("{line}\n  changed the state:\n{now}\n  which was\n{before}\n");
            break;
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn full_tables_say_so_and_stay_as_they_are() {
    let switch = Switch::create();
    let node = node(&switch);
    for line in [
        "vni add 44",
        "fdb add 02:42:c0:a8:00:04 dst 192.168.104.3 vni 42",
        "fdb add 02:42:c0:a8:00:05 dst 192.168.104.3 vni 42",
        "fdb append 00:00:00:00:00:00 dst 192.168.104.4 vni 42",
        "fdb append 01:00:5e:00:00:01 dst 192.168.104.4 vni 42",
    ] {
        node.ok(line);
    }
    let mut before = state(&node);
    let rows = [
        ("vni add 45", "(3 entries)\nhint: "),
        ("port add spare vni 42", "(1 entries)\nhint: "),
        ("fdb add 02:42:c0:a8:00:06 dst 192.168.104.3 vni 42", "(3 entries)\nhint: "),
        ("neigh add 12.12.12.4 lladdr 02:42:c0:a8:00:04 vni 42", "(1 entries)\nhint: "),
        ("fdb append 00:00:00:00:00:00 dst 192.168.104.5 vni 42", "(2 entries)\nhint: "),
        ("fdb append 01:00:5e:00:00:02 dst 192.168.104.4 vni 42", "(1 entries)\nhint: "),
        ("vtep allow 192.168.104.5 vni 42", "(2 entries)\nhint: "),
    ];
    let mut wrong = String::new();
    for (line, contained) in rows {
        let said = node.vxbpf(line);
        wrong.extend(complaint(line, &said, 1, "error: "));
        if !said.stderr.contains(" is full ") || !said.stderr.contains(contained) {
            wrong += &format!("{line}\n  said     {said:?}\n");
        }
        let now = state(&node);
        if now != before {
            wrong += &format!("{line}\n  changed the state:\n{now}\n  which was\n{before}\n");
            before = now;
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn commands_to_an_instance_that_is_not_there_say_so() {
    let netns = Netns::create().unwrap();
    let name = netns.name();
    let mut wrong = String::new();
    for line in [
        "status",
        "detach",
        "vni add 42",
        "port show",
        "fdb show",
        "fdb add 02:42:c0:a8:00:03 dst 192.168.104.3 vni 42",
        "neigh show",
        "vtep show",
        "stats",
    ] {
        let expected = format!(
            "error: instance {name} is not running\nhint: start it with: vxbpf run --iface IFACE -i {name}\n"
        );
        wrong.extend(complaint(line, &vxbpf_in(&netns, name, line), 1, &expected));
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn who_is_not_root_is_told_so() {
    let netns = Netns::create().unwrap();
    // Others may not look into the directory of the build.
    let copy = std::env::temp_dir().join(netns.name());
    fs::copy(binary(), &copy).unwrap();
    let mut wrong = String::new();
    for line in ["status", "run --iface lo", "fdb show", "detach", "vni add 42"] {
        let mut command = limited("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy).args(line.split(' '));
        let said = run_in(&netns, command);
        wrong.extend(complaint(line, &said, 1, "error: "));
        if !said.stderr.ends_with("\nhint: run it as root\n") {
            wrong += &format!("{line}: {said:?}\n");
        }
    }
    fs::remove_file(copy).unwrap();
    assert!(wrong.is_empty(), "{wrong}");
}
