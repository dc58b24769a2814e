//! The life of an instance: its daemon may die, be replaced, be told to end, and read its file again.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::net::UnixDatagram,
    path::PathBuf,
    time::Duration,
};

use aya::maps::{Array, Map, MapData};
use nix::sys::signal::Signal;
use vxbpf_tests::{
    command::{line_in, vxbpf_in},
    daemon::Daemon,
    scratch::Scrap,
    topology::{Node, Overlay, Switch},
    traffic::Numbered,
    wait,
};

/// Nothing of the node's instance is on the host.
#[track_caller]
fn assert_gone(node: &Node) {
    let name = node.netns.name();
    for path in ["bpf/NAME", "NAME.lock", "NAME.daemon"] {
        let path = PathBuf::from("/run/vxbpf").join(path.replace("NAME", name));
        assert!(!path.exists(), "{} is left", path.display());
    }
    let links = node.must("ip -o link show");
    assert!(!links.contains("vxbpf"), "{links}");
    let filters = node.must("ip -d link show");
    assert!(!filters.contains("xdp"), "{filters}");
    let said = node.vxbpf("status");
    assert_eq!(said.code, Some(1));
    assert!(
        said.stderr.starts_with(&format!("error: instance {name} is not running\nhint: ")),
        "{}",
        said.stderr
    );
}

#[test]
fn killing_the_daemons_under_traffic_and_taking_over_loses_no_packet() {
    let mut overlay = Overlay::pair();
    overlay.ping_all();
    let there = Numbered::start(overlay.pod(1, 1), overlay.pod(2, 1));
    let back = Numbered::start(overlay.pod(2, 1), overlay.pod(1, 1));
    there.go_on(200);
    overlay.node(1).daemon().kill();
    overlay.node(2).daemon().kill();
    there.go_on(500);
    let status = overlay.node(1).json("status");
    assert!(status["daemon"].is_null(), "{status}");
    for number in [1, 2, 1] {
        overlay.node(number).take_over("");
        assert!(overlay.node(number).daemon().log().contains("took over the running instance"));
        there.go_on(200);
        if number == 1 {
            overlay.node(1).daemon().kill();
        }
    }
    assert!(there.stop() > 1000);
    back.stop();
    overlay.node(1).take_over("");
    let pid = overlay.node(1).daemon().pid();
    assert_eq!(overlay.node(1).json("status")["daemon"], pid);
    overlay.ping_all();
}

/// The generation of the tables, as far as user space moves it.
fn generation(node: &Node) -> u64 {
    let pin = format!("/run/vxbpf/bpf/{}/GENERATION", node.netns.name());
    let map = Map::from_map_data(MapData::from_pin(pin).unwrap()).unwrap();
    Array::<_, u64>::try_from(map).unwrap().get(&0, 0).unwrap()
}

/// Or what programs remember from before a change would be believed again, once as many changes came after.
#[test]
fn the_generation_of_the_tables_goes_on_when_an_instance_is_taken_over() {
    let mut overlay = Overlay::pair();
    for remote in [77, 78, 79] {
        overlay.node(1).ok(&format!("fdb replace 02:00:00:00:00:01 vni 42 dst 192.168.104.{remote}"));
    }
    let before = generation(overlay.node(1));
    assert!(before >= 3, "{before}");
    overlay.node(1).daemon().kill();
    overlay.node(1).take_over("");
    let after = generation(overlay.node(1));
    assert!(after > before, "{before}, then {after}");
}

#[test]
fn a_daemon_that_keeps_leaves_forwarding_to_the_next_run() {
    let mut overlay = Overlay::pair();
    overlay.ping_all();
    overlay.node(1).daemon().kill();
    overlay.node(1).take_over("--keep");
    let traffic = Numbered::start(overlay.pod(1, 1), overlay.pod(2, 1));
    traffic.go_on(100);
    overlay.node(1).daemon().signal(Signal::SIGTERM);
    let end = overlay.node(1).daemon().wait_end();
    assert!(end.success(), "{end}");
    traffic.go_on(300);
    overlay.node(1).take_over("");
    traffic.go_on(200);
    traffic.stop();
}

#[test]
fn the_second_run_of_an_instance_fails_and_changes_nothing() {
    let mut overlay = Overlay::pair();
    let node = overlay.node(1);
    let (name, pid) = (node.netns.name().to_owned(), node.daemon().pid());
    let said = node.vxbpf("run --iface eth1");
    assert_eq!(said.code, Some(1), "{said:?}");
    let expected =
        format!("error: instance {name} is already running, process {pid}\nhint: stop it first (kill {pid})");
    assert!(said.stderr.contains(&expected), "{}", said.stderr);

    // A running instance is not taken away from its daemon either.
    let said = node.vxbpf("detach");
    assert_eq!(said.code, Some(1), "{said:?}");
    let expected = format!(
        "error: instance {name} has a daemon, process {pid}\n\
         hint: end it first: kill {pid} (without run --keep that detaches, too)\n"
    );
    assert_eq!(said.stderr, expected);
    overlay.ping_all();
}

#[test]
fn an_instance_is_not_taken_over_with_other_settings() {
    let mut overlay = Overlay::pair();
    overlay.ping_all();
    let node = overlay.node(1);
    node.daemon().kill();
    for (run, why) in [
        ("--iface veth1", "runs on eth1, not on veth1"),
        ("--iface eth1 --dstport 8472", "runs on UDP port 4789, not 8472"),
        ("--iface eth1 --local 10.1.1.1", "has the local address 192.168.104.2"),
        ("--iface eth1 --mode xdp", "runs in mode tc, not xdp"),
    ] {
        let said = node.vxbpf(&format!("run {run}"));
        assert_eq!(said.code, Some(1), "{run}: {said:?}");
        assert!(
            said.stderr.contains(&format!("error: instance {} {why}\nhint: ", node.netns.name())),
            "{said:?}"
        );
    }
    let elsewhere = &node.pods[0].netns;
    let said = vxbpf_in(elsewhere, node.netns.name(), "run --iface eth0");
    assert!(said.stderr.contains("runs in another network namespace (netns "), "{said:?}");
    overlay.ping_all();
}

#[test]
fn sigterm_and_sigint_leave_nothing() {
    let mut overlay = Overlay::pair();
    overlay.ping_all();
    for (number, signal) in [(1, Signal::SIGTERM), (2, Signal::SIGINT)] {
        let node = overlay.node(number);
        node.daemon().signal(signal);
        let end = node.daemon().wait_end();
        assert!(end.success(), "{end}: {}", node.daemon().log());
        assert_gone(node);
    }
    let before = overlay.pod(2, 1).received();
    assert!(!overlay.pod(1, 1).pings(overlay.pod(2, 1)));
    assert_eq!(overlay.pod(2, 1).received(), before);
}

#[test]
fn what_is_left_of_an_instance_whose_helper_device_is_gone_is_not_taken_over() {
    let mut overlay = Overlay::pair();
    overlay.node(1).daemon().kill();
    overlay.node(1).must("ip link del vxbpf4789");
    overlay.node(1).take_over("");
    assert!(overlay.node(1).daemon().log().contains("removed what was left"));
    let node = overlay.node(1);
    assert_eq!(node.json("vni show"), serde_json::json!([]), "it starts anew");
    node.must("ip link show vxbpf4789");
}

#[test]
fn forwarding_goes_on_when_it_is_turned_off_on_the_helper_device() {
    let mut overlay = Overlay::pair();
    overlay.ping_all();
    overlay.node(1).must("sysctl -qw net.ipv4.conf.vxbpf4789.forwarding=0");
    // Longer than a next hop is believed.
    std::thread::sleep(Duration::from_millis(1100));
    overlay.ping_all();
    assert_eq!(overlay.node(1).drops("no_route"), 0);
}

#[test]
fn detach_after_the_daemon_was_killed_leaves_nothing() {
    let mut overlay = Overlay::pair();
    overlay.ping_all();
    let node = overlay.node(1);
    node.daemon().kill();
    node.ok("detach");
    assert_gone(node);
    let said = node.vxbpf("detach");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(!overlay.pod(1, 1).pings(overlay.pod(2, 1)));
}

#[test]
fn a_run_that_fails_leaves_nothing() {
    let switch = Switch::create();
    let node = Node::create(&switch, 1);
    let config = Scrap::new("toml");
    config.write("[[vni]]\nvni = 42\nflood = [\"192.168.104.300\"]\n");
    node.must("ip link add bare type veth peer name peer");
    for (run, error) in [
        ("--iface nope", "error: interface nope does not exist\n"),
        ("--iface bare", "error: interface bare is down\nhint: set it up first: ip link set dev bare up\n"),
        ("--iface lo", "error: interface lo "),
        ("--iface eth1 --local ff02::1", "is not a unicast address\n"),
        ("--iface eth1 --local 127.0.0.1", "is not a unicast address\n"),
        ("--iface eth1 --local fe80::1", "is link-local; VTEPs have global addresses\n"),
        ("--iface eth1 --config /nonexistent.toml", "/nonexistent.toml"),
        (&format!("--iface eth1 --config {}", config.path()), "192.168.104.300"),
        ("--iface eth1 --metrics 192.0.2.1:9477", "192.0.2.1:9477"),
    ] {
        let said = node.vxbpf(&format!("run {run}"));
        assert_eq!(said.code, Some(1), "{run}: {said:?}");
        assert!(said.stderr.contains(error), "{run}: {}", said.stderr);
        assert_gone(&node);
    }
    node.must("ip link set bare up");
    let said = node.vxbpf("run --iface bare");
    assert!(said.stderr.contains("error: interface bare has no global address"), "{said:?}");
    assert_gone(&node);
}

#[test]
fn sighup_reads_the_file_again_and_a_bad_file_changes_nothing() {
    let switch = Switch::create();
    let mut node = Node::create(&switch, 1);
    node.add_pod([12, 12, 12, 2].into(), "02:42:c0:a8:00:02".parse().unwrap());
    let config = Scrap::new("toml");
    let vni =
        "[[vni]]\nvni = 42\nname = \"vxlan1\"\nflood = [\"192.168.104.3\"]\n[[vni.port]]\ndev = \"veth1\"\n";
    let station =
        |last: u8| format!("[[vni.fdb]]\nmac = \"02:42:c0:a8:00:0{last}\"\ndst = \"192.168.104.3\"\n");
    config.write(&format!("{vni}{}", station(3)));
    node.start(&format!("--config {}", config.path()));
    node.ok("fdb add 02:42:c0:a8:00:09 dst 192.168.104.9 vni 42");
    let macs = |node: &Node| -> Vec<String> {
        let entries = node.json("fdb show vni 42");
        let all = entries.as_array().unwrap().iter();
        all.map(|e| e["mac"].as_str().unwrap()[12..].to_owned()).collect()
    };
    assert_eq!(macs(&node), ["00:00", "00:03", "00:09"]);
    assert_eq!(node.json("port show veth1")[0]["vni"], 42);

    config.write(&format!("{vni}{}", station(4)));
    node.daemon().signal(Signal::SIGHUP);
    node.daemon().wait_log(": reloaded");
    assert_eq!(macs(&node), ["00:00", "00:04", "00:09"], "the command's entry stays, the file's changes");

    config.write(&format!("{vni}{}[[vni.port]]\ndev = \"nope\"\n", station(5)));
    node.daemon().signal(Signal::SIGHUP);
    node.daemon().wait_log("not reloaded, everything stays as it is");
    assert!(node.daemon().log().contains("interface nope does not exist"), "{}", node.daemon().log());
    assert_eq!(macs(&node), ["00:00", "00:04", "00:09"]);

    config.write("[[vni]]\nvni = 42\nname = \"vxlan1\"\nageing = true\n");
    node.daemon().signal(Signal::SIGHUP);
    node.daemon().wait_log(&format!("{}:4", config.path()));
    assert_eq!(macs(&node), ["00:00", "00:04", "00:09"]);
}

#[test]
fn the_daemon_tells_systemd_of_its_state() {
    let switch = Switch::create();
    let node = Node::create(&switch, 1);
    let scrap = Scrap::new("socket");
    let config = Scrap::new("toml");
    config.write("[[vni]]\nvni = 42\n");
    let socket = UnixDatagram::bind(scrap.path()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let hear = |what: &str| {
        let mut bytes = [0; 4096];
        let mut heard = Vec::new();
        while !heard.iter().any(|line: &String| line.starts_with(what)) {
            let len = socket.recv(&mut bytes).unwrap_or_else(|e| panic!("{what}: {e}, heard {heard:?}"));
            heard.extend(String::from_utf8_lossy(&bytes[..len]).lines().map(str::to_owned));
        }
    };
    let line = format!("--iface eth1 --config {}", config.path());
    let mut daemon =
        Daemon::spawn_notifying(&node.netns, node.netns.name(), &line, Some(scrap.path().as_ref()));
    hear("READY=1");
    node.ok("status");
    daemon.signal(Signal::SIGHUP);
    hear("RELOADING=1");
    hear("READY=1");
    daemon.signal(Signal::SIGTERM);
    hear("STOPPING=1");
    assert!(daemon.wait_end().success());
}

#[test]
fn a_port_whose_interface_goes_away_disappears() {
    let mut overlay = Overlay::pair();
    overlay.ping_all();
    let node = overlay.node(1);
    node.must("ip link del veth1");
    wait::expect("the port to go", wait::SOON, || {
        node.json("port show").as_array().is_some_and(Vec::is_empty)
    });
    let left = node.json("fdb show vni 42");
    assert!(left.as_array().unwrap().iter().all(|entry| entry["dev"].is_null()), "{left}");
    let said = line_in(&node.netns, "ls /run/vxbpf/bpf");
    assert!(said.is_ok());
}

#[test]
fn a_daemon_whose_log_nobody_reads_any_more_goes_on() {
    let switch = Switch::create();
    let node = Node::create(&switch, 1);
    let (mut daemon, log) = Daemon::spawn_piped(&node.netns, node.netns.name(), "--iface eth1");
    let mut log = BufReader::new(log);
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    assert!(line.contains("ready: instance"), "{line}");
    drop(log);

    // All of this is told.
    daemon.signal(Signal::SIGHUP);
    node.ok("vni add 42");
    node.ok("fdb append 00:00:00:00:00:00 dst 192.168.104.3 vni 42");
    assert_eq!(node.json("status")["daemon"], daemon.pid());
    daemon.signal(Signal::SIGTERM);
    let ended = daemon.wait_end();
    assert!(ended.success(), "{ended}");
    assert_gone(&node);
}

#[test]
fn what_a_start_cannot_give_is_said() {
    let switch = Switch::create();
    let mut node = Node::create(&switch, 1);
    node.start("--local 192.0.2.77");
    assert!(node.daemon().log().contains(
        "WARN local address 192.0.2.77 is not one of this host's: what remotes send to it does not arrive"
    ));
    node.start("");
    assert!(!node.daemon().log().contains("WARN"), "{}", node.daemon().log());
    node.daemon().kill();
    let config = Scrap::new("toml");
    config.write("[limits]\nfdb = 10\n");
    node.take_over(&format!("--config {}", config.path()));
    let limits = "limits are fixed when the instance is first started; not changed";
    assert!(node.daemon().log().contains(limits), "{}", node.daemon().log());
    // With the same limits nothing is said, here and at a fresh start.
    config.write("[limits]\nfdb = 65536\n");
    node.daemon().kill();
    node.take_over(&format!("--config {}", config.path()));
    assert!(!node.daemon().log().contains("WARN"), "{}", node.daemon().log());
    node.ok("status");
    config.write("[limits]\nfdb = 10\n");
    node.start(&format!("--config {}", config.path()));
    assert!(!node.daemon().log().contains("WARN"), "{}", node.daemon().log());
}
