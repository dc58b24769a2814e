//! `vxbpf -batch`: thousands of commands in one process, and what becomes of those that fail.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    process::{Child, Stdio},
};

use vxbpf_tests::{
    command::{Said, binary},
    topology::{Backend, Node, Overlay, Plan, Switch},
    wait,
};

/// An instance with a VNI.
fn node(switch: &Switch, run: &str) -> Node {
    let mut node = Node::create(switch, 1);
    node.start(run);
    node.ok("vni add 42 name vxlan1");
    node
}

fn mac(number: u32) -> String {
    let [_, a, b, c] = number.to_be_bytes();
    format!("02:42:00:{a:02x}:{b:02x}:{c:02x}")
}

/// Lines about so many stations, behind ten VTEPs.
fn stations(verb: &str, count: u32) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let vtep = 3 + number % 10;
        writeln!(text, "fdb {verb} {} dev vxlan1 dst 192.168.104.{vtep} self", mac(number)).unwrap();
        text
    })
}

#[track_caller]
fn fine(said: &Said) {
    assert!(said.is_ok() && said.stderr.is_empty(), "{said:?}");
}

/// How many entries of a kind there are.
fn count(node: &Node, object: &str) -> usize {
    node.json(&format!("{object} show")).as_array().unwrap().len()
}

#[test]
fn ten_thousand_stations_come_and_go() {
    let switch = Switch::create();
    let node = node(&switch, "");
    fine(&node.batch("", &stations("add", 10_000)));
    assert_eq!(count(&node, "fdb"), 10_000);
    let station = &node.json(&format!("fdb get {} vni 42", mac(9_999)))[0];
    assert_eq!(
        (&station["dst"], &station["state"]),
        (&"192.168.104.12".into(), &"permanent".into()),
        "{station}"
    );
    let vteps = node.json("vtep show");
    let named: Vec<_> = vteps.as_array().unwrap().iter().map(|vtep| vtep["named"].as_u64()).collect();
    assert_eq!(named, [Some(1_000); 10]);

    // All of them again, and half of them elsewhere.
    fine(&node.batch("", &stations("replace", 10_000)));
    let elsewhere: String =
        (0..5_000).map(|n| format!("fdb replace {} dst 192.168.104.99 vni 42\n", mac(n))).collect();
    fine(&node.batch("", &elsewhere));
    let named = |addr: &str| {
        let vteps = node.json("vtep show");
        let vtep = vteps.as_array().unwrap().iter().find(|vtep| vtep["addr"] == addr);
        vtep.and_then(|vtep| vtep["named"].as_u64())
    };
    assert_eq!((named("192.168.104.3"), named("192.168.104.99")), (Some(500), Some(5_000)));

    // From a file, and with a destination that must be the right one.
    let path = std::env::temp_dir().join(node.netns.name());
    let gone: String = (0..10_000).map(|n| format!("fdb del {} vni 42\n", mac(n))).collect();
    fs::write(&path, gone).unwrap();
    fine(&node.vxbpf(&format!("-b {}", path.display())));
    fs::remove_file(path).unwrap();
    assert_eq!((count(&node, "fdb"), count(&node, "vtep")), (0, 0));
}

#[test]
fn a_batch_ends_at_the_line_that_fails_unless_it_is_forced() {
    let switch = Switch::create();
    let node = node(&switch, "");
    let text = "# Stations.\n\
        fdb add 02:00:00:00:00:01 dst 192.168.104.3 vni 42\n\
        fdb add 02:00:00:00:00:01 dst 192.168.104.4 vni 42 # again\n\
        \n\
        fdb add 02:00:00:00:00:02 dst 192.168.104.3 \\\n    vni 42\n\
        fdb add 02:00:00:00:00:03 dst 192.168.104 vni 42\n\
        neigh add 12.12.12.3 lladdr 02:00:00:00:00:02 dev vxlan1 nud permanent\n";
    let again = "error: -:3: FDB entry 02:00:00:00:00:01 in VNI 42 exists\n";
    let said = node.batch("", text);
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (Some(1), "", again));
    assert_eq!((count(&node, "fdb"), count(&node, "neigh")), (1, 0));

    node.ok("fdb flush");
    let said = node.batch("-force", text);
    assert_eq!(said.code, Some(1), "{said:?}");
    let (first, second) = said.stderr.split_at(again.len());
    assert_eq!(first, again);
    assert!(second.starts_with("error: -:7: dst: \"192.168.104\" is not an IP address\n"), "{second}");
    assert_eq!((count(&node, "fdb"), count(&node, "neigh")), (2, 1));
}

#[test]
fn a_table_that_gets_full_is_said_of_the_line_that_has_no_room() {
    let switch = Switch::create();
    let config = std::env::temp_dir().join(format!("{}.toml", switch.netns.name()));
    fs::write(&config, "[limits]\nfdb = 3\nvteps = 2\nneigh = 2\n").unwrap();
    let node = node(&switch, &format!("--config {}", config.display()));
    fs::remove_file(config).unwrap();
    let add =
        |station: u8, vtep: u8| format!("fdb add 02:00:00:00:00:0{station} dst 192.168.104.{vtep} vni 42\n");
    // Room is found where an entry goes before.
    let text = [
        add(1, 3),
        add(2, 3),
        add(3, 3),
        "fdb del 02:00:00:00:00:01 vni 42\n".to_owned(),
        add(4, 4),
        add(5, 3),
    ];
    let said = node.batch("", &(text.concat() + &add(6, 3)));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.starts_with("error: -:6: the FDB is full (3 entries)\nhint: "), "{said:?}");
    let macs = |node: &Node| -> Vec<String> {
        let entries = node.json("fdb show");
        entries
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["mac"].as_str().unwrap()[16..].to_owned())
            .collect()
    };
    assert_eq!(macs(&node), ["2", "3", "4"]);
    assert_eq!(count(&node, "vtep"), 2);

    let text = ["fdb del 02:00:00:00:00:02 vni 42\n".to_owned(), add(7, 5), add(8, 3), add(9, 3)];
    let said = node.batch("-force", &text.concat());
    let errors: Vec<_> = said.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(
        errors,
        ["error: -:2: the VTEP table is full (2 entries)", "error: -:4: the FDB is full (3 entries)"]
    );
    assert_eq!(macs(&node), ["3", "4", "8"]);
}

#[test]
fn all_kinds_of_commands_stand_in_a_batch_and_each_finds_what_those_before_it_made() {
    let switch = Switch::create();
    let mut node = Node::create(&switch, 1);
    node.add_pod([12, 12, 12, 2].into(), "02:42:c0:a8:00:02".parse().unwrap());
    node.start("");
    let text = "vni add 42 name vxlan1\n\
        fdb append 00:00:00:00:00:00 dst 192.168.104.3 dev vxlan1\n\
        port add veth1 vni 42\n\
        fdb add 02:00:00:00:00:01 dst 192.168.104.4 dev vxlan1\n\
        fdb add 02:42:c0:a8:00:02 port-dev veth1 vni 42\n\
        vtep deny 192.168.104.9 vni 42\n\
        -j fdb show dst 192.168.104.4\n\
        neigh add 12.12.12.9 lladdr 02:00:00:00:00:01 vni 42\n\
        neigh\n\
        vni set 42 name vxlan2\n\
        fdb del 02:00:00:00:00:01 dev vxlan2\n\
        fdb flush vni 42\n";
    let said = node.batch("", text);
    fine(&said);
    let lines: Vec<_> = said.stdout.lines().collect();
    assert!(
        lines[0].starts_with("[{\"mac\":\"02:00:00:00:00:01\",\"vni\":42,\"dst\":\"192.168.104.4\""),
        "{lines:?}"
    );
    assert!(lines[2].starts_with("12.12.12.9"), "{lines:?}");
    assert_eq!(*lines.last().unwrap(), "1 entry removed");
    assert_eq!((count(&node, "fdb"), count(&node, "port"), count(&node, "vtep")), (1, 1, 2));

    for (line, error) in [
        ("run --iface eth1", "error: -:1: command: not one that can stand in a batch\n"),
        ("-b x", "error: -:1: batch: not one that can stand in a batch\n"),
        ("-i other fdb show", "error: -:1: instance is given twice\n"),
    ] {
        let said = node.batch("", line);
        assert!(said.code == Some(1) && said.stderr.starts_with(error), "{line}: {said:?}");
    }
    let said = node.vxbpf("-b /nonexistent");
    assert!(said.stderr.starts_with("error: open batch /nonexistent: "), "{said:?}");
}

#[test]
fn what_was_learned_behind_a_vtep_goes_with_its_last_name_within_a_batch_too() {
    let nodes = &[(Backend::Vxbpf, 1), (Backend::Kernel, 1)];
    let mut overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    overlay.ping_all();
    let learned = overlay.pod(2, 1).mac;
    let node = overlay.node(1);
    assert_eq!(node.station(learned)["state"], "dynamic");
    let other = "02:42:00:00:09:09".parse().unwrap();
    let text = format!(
        "fdb add {other} dst 192.168.104.3 vni 42 dynamic\n\
         fdb del 00:00:00:00:00:00 dst 192.168.104.3 vni 42\n\
         fdb add {learned} dst 192.168.104.9 vni 42\n"
    );
    fine(&node.batch("", &text));
    assert_eq!(node.station(learned)["dst"], "192.168.104.9");
    // Somebody entered it: it stays.
    assert_eq!(node.station(other)["dst"], "192.168.104.3");
    let vteps = node.json("vtep show");
    assert_eq!((vteps[0]["addr"].as_str(), vteps.as_array().map(Vec::len)), (Some("192.168.104.9"), Some(1)));
}

/// A batch whose lines come slowly, ended when dropped.
struct Slow(Child);

impl Drop for Slow {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn lines_that_come_slowly_are_carried_out_as_they_come() {
    let switch = Switch::create();
    let node = node(&switch, "");
    let mut command = std::process::Command::new(binary());
    command.args(["-i", node.netns.name(), "-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut slow = Slow(node.netns.run(|| Ok(command.spawn()?)).unwrap());
    let mut stdin = slow.0.stdin.take().unwrap();
    for number in 1..=3 {
        // Half a line is not one yet.
        let text = format!("fdb add {} dst 192.168.104.3 vni 42\nfdb ", mac(number));
        stdin
            .write_all(text.strip_prefix("fdb ").filter(|_| number > 1).unwrap_or(&text).as_bytes())
            .unwrap();
        let there = || count(&node, "fdb") == number as usize;
        wait::expect("the line to be carried out", wait::SOON, there);
    }
    stdin.write_all(b"show").unwrap();
    drop(stdin);
    assert!(slow.0.wait().unwrap().success());
}

#[test]
fn a_file_may_have_entries_as_lines_and_is_followed_like_any_other() {
    let switch = Switch::create();
    let mut node = Node::create(&switch, 1);
    node.add_pod([12, 12, 12, 2].into(), "02:42:c0:a8:00:02".parse().unwrap());
    let path = std::env::temp_dir().join(format!("{}.toml", node.netns.name()));
    let write = |range: std::ops::Range<u32>, more: &str| {
        let lines = range.fold(String::new(), |mut lines, number| {
            writeln!(lines, "{} dst 192.168.104.{}", mac(number), 3 + number % 10).unwrap();
            lines
        });
        let port = "[[vni.port]]\ndev = \"veth1\"\n";
        let text = format!("[[vni]]\nvni = 42\nstations = \"\"\"\n{lines}{more}\"\"\"\n{port}");
        fs::write(&path, text).unwrap();
    };
    write(0..10_000, "02:42:c0:a8:00:02 dev veth1\n");
    node.start(&format!("--config {}", path.display()));
    assert_eq!(count(&node, "fdb"), 10_001);

    write(100..10_100, "");
    node.daemon().signal(nix::sys::signal::Signal::SIGHUP);
    node.daemon().wait_log(": reloaded");
    assert_eq!(count(&node, "fdb"), 10_000);
    assert!(node.station(mac(99).parse().unwrap()).is_null());
    assert_eq!(node.station(mac(10_099).parse().unwrap())["dst"], "192.168.104.12");
    let vteps = node.json("vtep show");
    let named: u64 = vteps.as_array().unwrap().iter().map(|vtep| vtep["named"].as_u64().unwrap()).sum();
    assert_eq!(named, 10_000);

    write(0..3, "02:42:c0:a8:00:02 dev nope\n");
    node.daemon().signal(nix::sys::signal::Signal::SIGHUP);
    node.daemon().wait_log("toml:7: vni.stations: fdb 02:42:c0:a8:00:02 vni 42: nope is no port of VNI 42");
    assert_eq!(count(&node, "fdb"), 10_000);
    fs::remove_file(path).unwrap();
}
