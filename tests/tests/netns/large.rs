//! Large tables: thousands of VNIs, lists that are full.

use std::{fs, path::PathBuf};

use nix::sys::signal::Signal;
use vxbpf_tests::{
    topology::{Node, Switch},
    wait,
};

/// A config file, removed on drop.
struct Config(PathBuf);

impl Config {
    fn of(node: &Node, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{}-large.toml", node.netns.name()));
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn vni(number: usize, more: &str) -> String {
    format!("[[vni]]\nvni = {number}\n{more}\n")
}

#[test]
fn four_thousand_vnis_with_two_remotes_each_come_up_at_once_and_fit_the_default_tables() {
    let switch = Switch::create();
    let mut node = Node::create(&switch, 1);
    let text = |number: usize| {
        let (a, b) = (number / 200, number % 200 + 1);
        vni(number, &format!("name = 'net{number}'\nflood = ['192.168.104.3', '10.0.{a}.{b}']"))
    };
    // With VNI 0 and the last one.
    let all: String = (0..4095).map(text).chain([vni(16_777_215, "")]).collect();
    let config = Config::of(&node, &all);
    // Reading all tables for each of them would take a quarter of an hour; `start` waits half a minute.
    node.start(&format!("--config {}", config.0.display()));
    let vnis = node.json("vni show");
    assert_eq!(vnis.as_array().map(Vec::len), Some(4096));
    assert_eq!(node.json("fdb show").as_array().map(Vec::len), Some(2 * 4095));
    // Each has a row of counters of its own: traffic of one is not counted for another.
    let said = node.vxbpf("vni add 4096");
    assert!(said.stderr.starts_with("error: the VNI table is full (4096 entries)\nhint: "), "{said:?}");
}

#[test]
fn rows_of_counters_that_were_given_back_are_used_again_in_one_go() {
    let switch = Switch::create();
    let mut node = Node::create(&switch, 1);
    // A row is for all that has none; the others are for three VNIs with a remote each.
    let text = |first: usize| {
        let vnis = (first..first + 3).map(|number| vni(number, "flood = ['192.168.104.3']"));
        vnis.fold("[limits]\ncounters = 10\n".to_owned(), |all, vni| all + &vni)
    };
    let config = Config::of(&node, &text(1));
    node.start(&format!("--config {}", config.0.display()));
    // Three at a time: the new ones come before the old ones go, and one more is left.
    for (round, first) in [11, 21, 31].into_iter().enumerate() {
        fs::write(&config.0, text(first).replace("flood = ['192.168.104.3']", "")).unwrap();
        node.daemon().signal(Signal::SIGHUP);
        let shown = || node.json("vni show")[0]["vni"] == first;
        wait::expect("the new VNIs", wait::SOON, shown);
        assert_eq!(node.json("vni show").as_array().map(Vec::len), Some(3), "round {round}");
    }
    // Command by command, with fewer rows than commands.
    for _ in 0..8 {
        node.ok("fdb append 00:00:00:00:00:00 dst 192.168.104.3 vni 31");
        node.ok("fdb del 00:00:00:00:00:00 vni 31");
    }
    for number in 41..47 {
        node.ok(&format!("vni add {number}"));
    }
    let said = node.vxbpf("vni add 47");
    assert!(said.stderr.starts_with("error: the counter table is full (10 entries)\nhint: "), "{said:?}");
    assert!(said.stderr.contains("[limits] counters"), "{said:?}");
}

#[test]
fn a_list_has_256_remotes_and_says_when_it_is_full() {
    let switch = Switch::create();
    let mut node = Node::create(&switch, 1);
    let remotes: Vec<_> = (0..256).map(|n| format!("10.1.{}.{}", n / 128, n % 128 + 1)).collect();
    let quoted: Vec<_> = remotes.iter().map(|addr| format!("'{addr}'")).collect();
    let group: String = remotes
        .iter()
        .map(|addr| format!("[[vni.fdb]]\nmac = '01:00:5e:00:00:05'\ndst = '{addr}'\n"))
        .collect();
    let config = Config::of(&node, &vni(42, &format!("flood = [{}]\n{group}", quoted.join(", "))));
    node.start(&format!("--config {}", config.0.display()));
    let shown = node.json("fdb show vni 42");
    assert_eq!(shown.as_array().map(Vec::len), Some(512));
    for mac in ["00:00:00:00:00:00", "01:00:5e:00:00:05"] {
        let said = node.vxbpf(&format!("fdb append {mac} dst 10.2.0.1 vni 42"));
        assert!(said.stderr.contains("is full (256 entries)\nhint: remove a remote"), "{said:?}");
        // One less makes room for one more.
        node.ok(&format!("fdb del {mac} dst 10.1.0.77 vni 42"));
        node.ok(&format!("fdb append {mac} dst 10.2.0.1 vni 42"));
    }
    let counts = &node.json("vni show 42")[0];
    assert_eq!((&counts["remotes"], &counts["groups"]), (&256.into(), &1.into()));
    // All of it goes with the file's next version.
    fs::write(&config.0, vni(42, "")).unwrap();
    node.daemon().signal(Signal::SIGHUP);
    wait::expect("what commands entered alone", wait::SOON, || {
        node.json("fdb show vni 42").as_array().map(Vec::len) == Some(2)
    });
}
