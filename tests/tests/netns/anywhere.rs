//! Commands come from anywhere: another namespace, `ip netns exec`, or while the daemon is dead.

use std::process::Stdio;

use nix::sys::signal::Signal;
use vxbpf_tests::{
    command::{binary, limited, must_in, run_in},
    scratch::Netns,
    topology::{Node, Overlay, Switch},
    wait,
};

/// The line through `ip netns exec`, which hides what is mounted below `/sys`.
fn exec(netns: &Netns, instance: &str, line: &str) -> std::process::Command {
    let mut command = limited("ip");
    command.args(["netns", "exec", netns.name()]).arg(binary());
    command.args(line.split_whitespace()).args(["-i", instance]).env_remove("VXBPF_INSTANCE");
    command
}

#[test]
fn an_instance_is_started_and_commanded_under_ip_netns_exec() {
    let switch = Switch::create();
    let host = Netns::create().unwrap();
    let mut nodes = [Node::create(&switch, 1), Node::create(&switch, 2)];
    for (node, pod) in nodes.iter_mut().zip([2, 3]) {
        node.add_pod([12, 12, 12, pod].into(), format!("02:42:c0:a8:00:0{pod}").parse().unwrap());
    }
    let mut daemons = Vec::new();
    for node in &nodes {
        let mut run = exec(&node.netns, node.netns.name(), "run --iface eth1");
        daemons.push(run.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
        wait::expect("the instance", wait::SOON, || node.vxbpf("status").is_ok());
        for line in ["vni add 42 name vxlan1", "port add veth1 vni 42"] {
            let said = run_in(&host, exec(&node.netns, node.netns.name(), line));
            assert!(said.is_ok(), "{line}: {said:?}");
        }
    }
    for (node, other) in [(&nodes[0], &nodes[1]), (&nodes[1], &nodes[0])] {
        let line = format!("fdb append 00:00:00:00:00:00 dst {} dev vxlan1", other.vtep);
        let said = run_in(&host, exec(&node.netns, node.netns.name(), &line));
        assert!(said.is_ok(), "{line}: {said:?}");
    }
    assert!(nodes[0].pods[0].pings(&nodes[1].pods[0]));
    for (node, daemon) in nodes.iter().zip(&mut daemons) {
        let pid = node.json("status")["daemon"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        daemon.wait().unwrap();
        // What it pinned is not gone with its mounts.
        let said = run_in(&host, exec(&node.netns, node.netns.name(), "fdb show vni 42"));
        assert!(said.is_ok() && said.stdout.contains("00:00:00:00:00:00"), "{said:?}");
    }
    assert!(nodes[0].pods[0].pings(&nodes[1].pods[0]));
    for node in &nodes {
        let said = run_in(&host, exec(&node.netns, node.netns.name(), "detach"));
        assert!(said.is_ok(), "{said:?}");
        assert_eq!(node.vxbpf("status").code, Some(1));
    }
}

#[test]
fn an_instance_is_found_from_any_namespace_and_needs_no_daemon() {
    let mut overlay = Overlay::pair();
    overlay.node(1).daemon().kill();
    let elsewhere = Netns::create().unwrap();
    let node = overlay.node(1);
    node.add_pod([12, 12, 12, 99].into(), "02:42:00:00:01:63".parse().unwrap());
    let name = node.netns.name().to_owned();
    let from_elsewhere = |line: &str| {
        let said = vxbpf_tests::command::vxbpf_in(&elsewhere, &name, line);
        assert!(said.is_ok(), "{line}: {said:?}");
        said.stdout
    };
    from_elsewhere("port add veth2 vni 42");
    from_elsewhere("neigh add 12.12.12.50 lladdr 02:42:00:00:00:50 vni 42");
    from_elsewhere("fdb add 02:42:00:00:00:50 dst 192.168.104.3 vni 42");
    let status = from_elsewhere("status");
    assert!(status.contains(&format!("netns {name}")), "{status}");
    overlay.ping_all();
    from_elsewhere("port del veth2");
    from_elsewhere("detach");
    assert!(!must_in(&overlay.nodes[0].netns, "ip -o link").contains("vxbpf"));
}
