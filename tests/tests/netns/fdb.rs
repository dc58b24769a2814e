//! The verbs of the FDB, with the meanings of `bridge fdb`, and the one event of each change.

use vxbpf::dataplane::{Dataplane, Events, InstanceName};
use vxbpf_common::{
    event::{Event, KIND_ADD, KIND_AGE, KIND_CHANGE, KIND_DELETE, KIND_LEARN, KIND_MOVE},
    fdb::{STATE_PERMANENT, STATE_STATIC},
};
use vxbpf_tests::{
    packet::Frame,
    topology::{Backend, Node, Overlay, Plan, Switch},
    wait,
};

/// An event in a few words. Ports have no names here.
fn words(event: &Event) -> String {
    let place = |ifindex: u32, remote: vxbpf_common::Addr| match (ifindex, remote.is_none()) {
        (0, true) => "nowhere".to_owned(),
        (0, false) => remote.to_string(),
        _ => "port".to_owned(),
    };
    let state = |state: u8| match state {
        STATE_PERMANENT => "permanent",
        STATE_STATIC => "static",
        _ => "dynamic",
    };
    let (here, before) = (place(event.ifindex, event.remote), place(event.old_ifindex, event.old_remote));
    let (state, old_state) = (state(event.state), state(event.old_state));
    let what = match event.kind {
        KIND_ADD => format!("add {here} {state}"),
        KIND_CHANGE => format!("change {before} {old_state} -> {here} {state}"),
        KIND_DELETE => format!("delete {here}"),
        KIND_AGE => format!("age {here}"),
        KIND_LEARN => format!("learn {here}"),
        KIND_MOVE => format!("move {before} -> {here}"),
        kind => format!("kind {kind}"),
    };
    let mut last = event.mac.to_string().split_off(15);
    if event.mac.is_zero() {
        last = "flood".to_owned();
    }
    let port = u16::from_be_bytes(event.dstport);
    let odd = |differs: bool, text: String| if differs { text } else { String::new() };
    let dst_vni = odd(event.dst_vni != 42 && event.ifindex == 0, format!(" vni {}", event.dst_vni));
    let port = odd(port != 4789 && port != 0, format!(" port {port}"));
    format!("{last}: {what}{dst_vni}{port}")
}

/// The events of a node. Its daemon must be gone, which would read them.
fn events(node: &Node) -> Events {
    let name: InstanceName = node.netns.name().parse().unwrap();
    let mut events = Dataplane::open(&name).unwrap().events().unwrap();
    events.by_ref().for_each(drop);
    events
}

/// Runs lines, each with the events that it is to bring about; one that is to fail has none, and its error instead.
fn check(node: &Node, events: &mut Events, rows: &[(&str, Result<&[&str], &str>)]) {
    let mut wrong = String::new();
    for (line, expected) in rows {
        let said = node.vxbpf(line);
        let told: Vec<_> = events.map(|event| words(&event)).collect();
        let fine = match expected {
            Ok(events) => said.is_ok() && told == *events,
            Err(error) => !said.is_ok() && said.stderr.contains(error) && told.is_empty(),
        };
        if !fine {
            wrong += &format!("{line}\n  told {told:?}\n  not  {expected:?}\n  {said:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Numbers are remotes.
const ROWS: &[(&str, Result<&[&str], &str>)] = &[
    // A station is in one place.
    ("fdb add 02:00:00:00:00:01 dst 10.0.0.2 dev vxlan1", Ok(&["01: add 10.0.0.2 permanent"])),
    ("fdb add 02:00:00:00:00:01 dst 10.0.0.2 dev vxlan1", Err("exists")),
    ("fdb add 02:00:00:00:00:01 dst 10.0.0.3 dev vxlan1", Err("exists")),
    ("fdb append 02:00:00:00:00:01 dst 10.0.0.3 dev vxlan1", Err("has one destination")),
    ("fdb replace 02:00:00:00:00:01 dst 10.0.0.2 dev vxlan1", Ok(&[])),
    (
        "fdb replace 02:00:00:00:00:01 dst 10.0.0.4 port 4790 dev vxlan1 vni 43 static",
        Ok(&["01: change 10.0.0.2 permanent -> 10.0.0.4 static vni 43 port 4790"]),
    ),
    (
        "fdb replace 02:00:00:00:00:01 dst 10.0.0.4 port 4790 dev vxlan1 vni 43 dynamic",
        Ok(&["01: change 10.0.0.4 static -> 10.0.0.4 dynamic vni 43 port 4790"]),
    ),
    ("fdb add 02:00:00:00:00:01 dst 10.0.0.4 dev vxlan1", Err("exists")),
    (
        "fdb replace 02:00:00:00:00:01 port-dev veth1 vni 42",
        Ok(&["01: change 10.0.0.4 dynamic -> port permanent"]),
    ),
    (
        "fdb replace 02:00:00:00:00:01 src_vni 42 vni 43 dst 10.0.0.4 port 4790",
        Ok(&["01: change port permanent -> 10.0.0.4 permanent vni 43 port 4790"]),
    ),
    ("fdb replace 02:00:00:00:00:03 dst 10.0.0.4 dev vxlan1", Ok(&["03: add 10.0.0.4 permanent"])),
    // Deleting takes what is named, and what is not named is the default.
    ("fdb del 02:00:00:00:00:01 dst 10.0.0.99 dev vxlan1", Err("does not exist")),
    ("fdb del 02:00:00:00:00:01 dst 10.0.0.4 dev vxlan1", Err("src_vni 42 vni 43 port 4790")),
    (
        "fdb del 02:00:00:00:00:01 dst 10.0.0.4 port 4790 src_vni 42 vni 43",
        Ok(&["01: delete 10.0.0.4 vni 43 port 4790"]),
    ),
    ("fdb del 02:00:00:00:00:01 dev vxlan1", Err("does not exist")),
    ("fdb del 02:00:00:00:00:03 dev vxlan1", Ok(&["03: delete 10.0.0.4"])),
    // The flood list.
    ("fdb add 00:00:00:00:00:00 dst 10.0.0.2 vni 42", Ok(&["flood: add 10.0.0.2 permanent"])),
    ("fdb add 00:00:00:00:00:00 dst 10.0.0.3 vni 42", Err("exists")),
    ("fdb append 00:00:00:00:00:00 dst 10.0.0.3 vni 42", Ok(&["flood: add 10.0.0.3 permanent"])),
    ("fdb append 00:00:00:00:00:00 dst 10.0.0.3 vni 42", Ok(&[])),
    (
        "fdb append 00:00:00:00:00:00 dst 10.0.0.3 vni 42 static",
        Ok(&["flood: change 10.0.0.3 permanent -> 10.0.0.3 static"]),
    ),
    (
        "fdb append 00:00:00:00:00:00 dst 10.0.0.3 port 5000 vni 42",
        Ok(&["flood: add 10.0.0.3 permanent port 5000"]),
    ),
    (
        "fdb append 00:00:00:00:00:00 dst 10.0.0.3 dev vxlan1 vni 77",
        Ok(&["flood: add 10.0.0.3 permanent vni 77"]),
    ),
    ("fdb replace 00:00:00:00:00:00 dst 10.0.0.9 vni 42", Err("cannot be replaced")),
    ("fdb del 00:00:00:00:00:00 dst 10.0.0.99 vni 42", Err("does not exist")),
    ("fdb del 00:00:00:00:00:00 dst 10.0.0.3 vni 42", Ok(&["flood: delete 10.0.0.3"])),
    ("fdb del 00:00:00:00:00:00 dst 10.0.0.3 vni 42", Err("src_vni 42 vni 42 port 5000")),
    (
        "fdb del 00:00:00:00:00:00 vni 42",
        Ok(&["flood: delete 10.0.0.2", "flood: delete 10.0.0.3 port 5000", "flood: delete 10.0.0.3 vni 77"]),
    ),
    ("fdb del 00:00:00:00:00:00 vni 42", Err("does not exist")),
    // Groups.
    ("fdb add 01:00:5e:00:00:05 dst 10.0.0.3 vni 42", Ok(&["05: add 10.0.0.3 permanent"])),
    ("fdb add 01:00:5e:00:00:05 dst 10.0.0.4 vni 42", Err("exists")),
    ("fdb append 01:00:5e:00:00:05 dst 10.0.0.4 vni 42", Ok(&["05: add 10.0.0.4 permanent"])),
    ("fdb append ff:ff:ff:ff:ff:ff dst 10.0.0.4 vni 42", Ok(&["ff: add 10.0.0.4 permanent"])),
    ("fdb replace 01:00:5e:00:00:05 dst 10.0.0.5 vni 42", Err("cannot be replaced")),
    ("fdb replace 01:00:5e:00:00:06 dst 10.0.0.5 vni 42", Err("cannot be replaced")),
    ("fdb del 01:00:5e:00:00:05 dst 10.0.0.3 vni 42", Ok(&["05: delete 10.0.0.3"])),
    ("fdb del 01:00:5e:00:00:05 dst 10.0.0.4 vni 42", Ok(&["05: delete 10.0.0.4"])),
    ("fdb get 01:00:5e:00:00:05 vni 42", Err("does not exist")),
    // Flushing: lists only by their MAC or by a VTEP.
    ("fdb add 02:00:00:00:00:0a dst 10.0.0.4 vni 42", Ok(&["0a: add 10.0.0.4 permanent"])),
    ("fdb add 02:00:00:00:00:0b dst 10.0.0.5 vni 42 static", Ok(&["0b: add 10.0.0.5 static"])),
    ("fdb add 02:00:00:00:00:0c dst 10.0.0.5 vni 42 dynamic", Ok(&["0c: add 10.0.0.5 dynamic"])),
    ("fdb flush vni 42 dynamic", Ok(&["0c: delete 10.0.0.5"])),
    ("fdb flush vni 43", Ok(&[])),
    ("fdb flush dst 10.0.0.4", Ok(&["0a: delete 10.0.0.4", "ff: delete 10.0.0.4"])),
    ("fdb append ff:ff:ff:ff:ff:ff dst 10.0.0.4 vni 42", Ok(&["ff: add 10.0.0.4 permanent"])),
    ("fdb flush", Ok(&["0b: delete 10.0.0.5"])),
    ("fdb flush mac ff:ff:ff:ff:ff:ff", Ok(&["ff: delete 10.0.0.4"])),
    // With their port, and with their VNI.
    ("fdb add 02:00:00:00:00:0d port-dev veth1 vni 42", Ok(&["0d: add port permanent"])),
    ("port del veth1", Ok(&["0d: delete port"])),
    ("fdb add 02:00:00:00:00:0e dst 10.0.0.4 vni 42", Ok(&["0e: add 10.0.0.4 permanent"])),
    ("fdb append 01:00:5e:00:00:05 dst 10.0.0.4 vni 42", Ok(&["05: add 10.0.0.4 permanent"])),
    ("fdb append 00:00:00:00:00:00 dst 10.0.0.4 vni 42", Ok(&["flood: add 10.0.0.4 permanent"])),
    ("vni del 42", Ok(&["0e: delete 10.0.0.4", "05: delete 10.0.0.4", "flood: delete 10.0.0.4"])),
];

#[test]
fn verbs_mean_what_they_mean_to_the_kernel_and_each_change_is_told_once() {
    let switch = Switch::create();
    let mut node = Node::create(&switch, 1);
    node.add_pod([12, 12, 12, 2].into(), "02:42:c0:a8:00:02".parse().unwrap());
    node.start("");
    for line in ["vni add 42 name vxlan1", "vni add 43", "port add veth1 vni 42"] {
        node.ok(line);
    }
    node.daemon().kill();
    check(&node, &mut events(&node), ROWS);
    assert_eq!(node.json("fdb show"), serde_json::json!([]));
    assert_eq!(node.json("vtep show"), serde_json::json!([]));
}

#[test]
fn the_same_lines_as_a_batch_mean_and_tell_the_same() {
    let switch = Switch::create();
    let mut node = Node::create(&switch, 1);
    node.add_pod([12, 12, 12, 2].into(), "02:42:c0:a8:00:02".parse().unwrap());
    node.start("");
    node.daemon().kill();
    let mut events = events(&node);
    let mut text = "vni add 42 name vxlan1\nvni add 43\nport add veth1 vni 42\n".to_owned();
    let (mut errors, mut changes) = (Vec::new(), Vec::new());
    for (number, (line, expected)) in (4..).zip(ROWS) {
        text += &format!("{line}\n");
        match expected {
            Ok(events) => changes.extend(events.iter().map(|event| (*event).to_owned())),
            Err(error) => errors.push((format!("error: -:{number}: "), error)),
        }
    }
    let said = node.batch("-force", &text);
    assert_eq!(said.code, Some(1), "{said:?}");
    let told: Vec<_> = events.by_ref().map(|event| words(&event)).collect();
    assert_eq!(told, changes);
    let mut lines = said.stderr.lines();
    for (place, why) in errors {
        let error = lines.find(|line| line.starts_with("error: ")).unwrap_or_default();
        let hint = said.stderr.split(error).nth(1).and_then(|rest| rest.lines().nth(1)).unwrap_or_default();
        assert!(
            error.starts_with(&place) && (error.contains(why) || hint.contains(why)),
            "{error}: not {place}{why}"
        );
    }
    assert_eq!(lines.find(|line| line.starts_with("error: ")), None);
    for object in ["vni", "fdb", "vtep"] {
        assert_eq!(
            node.json(&format!("{object} show")).as_array().map(Vec::len),
            Some(usize::from(object == "vni"))
        );
    }
}

#[test]
fn what_frames_bring_about_and_what_time_takes_is_told_once_too() {
    let nodes = &[(Backend::Vxbpf, 2), (Backend::Kernel, 1), (Backend::Kernel, 1)];
    let mut overlay = Overlay::create(&Plan { nodes, vni: "ageing 1", ..Plan::default() });
    overlay.node(1).daemon().kill();
    let node = &overlay.nodes[0];
    let mut events = events(node);
    let station = "02:42:00:00:09:09".parse().unwrap();
    let mut told = |expected: &[&str]| {
        for what in expected {
            let seen = wait::for_some(what, wait::SOON, || events.next());
            assert_eq!(words(&seen), *what);
        }
        assert_eq!(events.next(), None, "after {expected:?}");
    };
    let speak = |node, pod| {
        let pod = overlay.pod(node, pod);
        pod.send(&vec![Frame::new(station, vxbpf_common::Mac::BROADCAST).bytes(); 3]);
    };
    speak(2, 1);
    told(&["09: learn 192.168.104.3"]);
    speak(3, 1);
    told(&["09: move 192.168.104.3 -> 192.168.104.4"]);
    speak(1, 1);
    told(&["09: move 192.168.104.4 -> port"]);
    // A learned station is there like any other.
    assert!(node.vxbpf(&format!("fdb add {station} dst 192.168.104.3 vni 42")).stderr.contains("exists"));
    node.ok(&format!("fdb replace {station} dst 192.168.104.3 vni 42 dynamic"));
    told(&["09: change port dynamic -> 192.168.104.3 dynamic"]);
    wait::expect("it to age", wait::SOON, || node.station(station).is_null());
    // Expired is gone: it can be added.
    node.ok(&format!("fdb add {station} dst 192.168.104.3 vni 42 dynamic"));
    told(&["09: age 192.168.104.3", "09: add 192.168.104.3 dynamic"]);
    wait::expect("it to age", wait::SOON, || node.station(station).is_null());
    Dataplane::open(&node.netns.name().parse().unwrap()).unwrap().sweep().unwrap();
    told(&["09: age 192.168.104.3"]);
}

#[test]
fn the_daemon_tells_of_commands_in_its_log() {
    let switch = Switch::create();
    let mut node = Node::create(&switch, 1);
    node.start("");
    node.ok("vni add 42");
    node.ok("fdb add 02:00:00:00:00:01 dst 192.168.104.3 vni 42");
    node.ok("fdb append 01:00:5e:00:00:05 dst 192.168.104.4 vni 42");
    node.ok("fdb del 02:00:00:00:00:01 vni 42");
    for line in [
        "added 02:00:00:00:00:01 in VNI 42 behind 192.168.104.3, permanent",
        "added remote of group 01:00:5e:00:00:05 in VNI 42: 192.168.104.4, permanent",
        "removed 02:00:00:00:00:01 in VNI 42 behind 192.168.104.3",
    ] {
        node.daemon().wait_log(line);
        assert_eq!(node.daemon().log().matches(line).count(), 1);
    }
}
