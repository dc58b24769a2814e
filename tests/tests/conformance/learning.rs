//! Learning: where stations are, found out from what they send.

use std::time::{Duration, Instant};

use vxbpf_common::Mac;
use vxbpf_tests::{
    stage::{
        At, BROADCAST, Opt,
        Place::{self, Pod},
        Plan, Stage, VNI, device,
    },
    wait,
};

use crate::behaviour::{Behaviour, Group};

pub(crate) const GROUP: Group = Group { title: "Learning", behaviours: BEHAVIOURS };

/// A station that is nowhere, and in whose name anybody may speak.
const STATION: Mac = Mac::new([2, 0x42, 0, 0, 9, 9]);

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::new("stations are learned from remotes and from ports, and what is for them comes to them alone", |stage| {
        let [near, far] = [stage.pod(1, 1).mac, stage.pod(2, 1).mac];
        speak(stage, (1, 1), near, &[Pod(1, 2), Pod(2, 1), Pod(3, 1), stage.wire(1, 2), stage.wire(1, 3)]);
        speak(stage, (2, 1), far, &[Pod(1, 1), Pod(1, 2), Pod(3, 1), stage.wire(2, 1), stage.wire(2, 3)]);
        // To a remote, from a remote, and between ports.
        comes(stage, (1, 2), far, &[Pod(2, 1), stage.wire(1, 2)]);
        comes(stage, (2, 1), near, &[Pod(1, 1), stage.wire(2, 1)]);
        comes(stage, (3, 1), near, &[Pod(1, 1), stage.wire(3, 1)]);
        comes(stage, (1, 2), near, &[Pod(1, 1)]);
        let node = stage.node_at(1);
        let learned = node.entry(far).unwrap();
        assert_eq!((learned.at, learned.state.as_str()), (At::Remote(stage.vtep(2)), "dynamic"));
        let learned = node.entry(near).unwrap();
        assert_eq!((learned.at, learned.state.as_str()), (At::Port("veth1".into()), "dynamic"));
    })
    .plan(Plan::pods(&[2, 1, 1]))
    .fails_if("`learn.rs` enters nothing"),
    Behaviour::new("a station that is heard behind another remote moves there, as often as it does", |stage| {
        for home in [2, 3, 2] {
            say(stage, (usize::from(home), 1), STATION);
            comes(stage, (1, 1), STATION, &[Pod(home.into(), 1), stage.wire(1, home)]);
            assert_eq!(stage.node_at(1).entry(STATION).unwrap().at, At::Remote(stage.vtep(home)));
        }
    })
    .plan(Plan::pods(&[1, 1, 1]))
    .fails_if("`learn.rs` keeps where a station was heard first"),
    Behaviour::new("a station moves between ports, and between ports and remotes", |stage| {
        let homes = [(1, 1), (1, 2), (2, 1), (1, 2), (2, 1), (1, 1)];
        for home in homes {
            say(stage, home, STATION);
            let mut to = vec![Pod(home.0, home.1)];
            if home.0 == 2 {
                to.push(stage.wire(1, 2));
            }
            comes(stage, (1, 3), STATION, &to);
        }
    })
    .plan(Plan::pods(&[3, 1]))
    .fails_if("`learn.rs` moves a station between remotes only"),
    Behaviour::new("a permanent or static station behind a remote stays there, and frames from others in its name are dropped", |stage| {
        let node = stage.node_at(1);
        let mut dropped = 0;
        for state in ["permanent", "static"] {
            node.fdb_ok(&format!("replace {STATION} dev {} dst {} self {state}", device(VNI), stage.vtep(2)));
            // In its name from where it is: this is heard.
            speak(stage, (2, 1), STATION, &[Pod(1, 1), Pod(3, 1), stage.wire(2, 1), stage.wire(2, 3)]);
            // From elsewhere it is not, but by node 3.
            speak(stage, (3, 1), STATION, &[Pod(2, 1), stage.wire(3, 1), stage.wire(3, 2)]);
            dropped += 10;
            assert_eq!(node.drops("station_pinned").unwrap_or(dropped), dropped);
            say(stage, (2, 1), STATION);
comes(stage, (1, 1), STATION, &[Pod(2, 1), stage.wire(1, 2)]);
            let entry = node.entry(STATION).unwrap();
            assert_eq!((entry.at, entry.state.as_str()), (At::Remote(stage.vtep(2)), state));
        }
    })
    .plan(Plan::pods(&[1, 1, 1]))
    .fails_if("`learn.rs` takes static entries for dynamic ones, or passes the frame on"),
    Behaviour::new("a static station keeps its place whoever speaks in its name, a port or a remote", |stage| {
        let node = stage.node_at(1);
        // Behind a remote, against a port.
        node.fdb_ok(&format!("replace {STATION} dev {} dst {} self static", device(VNI), stage.vtep(2)));
        let ours = node.is_ours();
        let all = [Pod(1, 2), Pod(2, 1), stage.wire(1, 2)];
        speak(stage, (1, 1), STATION, if ours { &[] } else { &all });
        let to = [Pod(2, 1), stage.wire(1, 2)];
        comes(stage, (1, 2), STATION, if ours { &to } else { &[Pod(1, 1)] });
        // Behind a port, against a remote and another port.
        if ours {
            node.fdb_ok(&format!("del {STATION} vni {VNI}"));
        }
        node.fdb_port(VNI, STATION, "veth1");
        let heard = [stage.wire(2, 1), Pod(1, 1), Pod(1, 2)];
        speak(stage, (2, 1), STATION, if ours { &heard[..1] } else { &heard });
        let heard = [Pod(1, 1), Pod(2, 1), stage.wire(1, 2)];
            speak(stage, (1, 2), STATION, if ours { &[] } else { &heard });
        assert_eq!(node.drops("station_pinned").unwrap_or(30), 30);
        if ours {
say(stage, (1, 1), STATION);
            comes(stage, (2, 1), STATION, &[Pod(1, 1), stage.wire(2, 1)]);
        }
    })
    .plan(Plan::pods(&[2, 1]))
    .differs("All stations are in one FDB. The kernel's bridge has an FDB of its own, whose static entries move, and which does not see that the VXLAN device has the station behind a remote.")
    .fails_if("`learn.rs` compares remotes only"),
    Behaviour::new("a station ages by what it sends, however much is sent to it; a static one does not", ageing)
        .plan(Plan::pods(&[2, 1]))
        .fails_if("`encap.rs` notes the sending to a station in `updated`, or `ageing.rs` lets everything live"),
    Behaviour::new("a VNI that does not learn floods for ever, enters nothing and drops nothing", |stage| {
        let node = stage.node_at(1);
        let [near, far] = [stage.pod(1, 1).mac, stage.pod(2, 1).mac];
        let all = [Pod(1, 2), Pod(2, 1), Pod(3, 1), stage.wire(1, 2), stage.wire(1, 3)];
        say(stage, (2, 1), far);
        say(stage, (1, 1), near);
        comes(stage, (1, 1), far, &all);
        assert!(node.entry(far).is_none() && node.entry(near).is_none());
        // What was entered by hand is used, and not defended.
        node.fdb_ok(&format!("replace {STATION} dev {} dst {} self static", device(VNI), stage.vtep(2)));
        speak(stage, (3, 1), STATION, &[Pod(1, 1), Pod(1, 2), Pod(2, 1), stage.wire(3, 1), stage.wire(3, 2)]);
    })
    .plan(Plan::pods(&[2, 1, 1]).with(&[Opt::Learning(false)]))
    .fails_if("`learn.rs` does not ask whether the VNI learns"),
    Behaviour::new("learning is switched off and on again while the VNI is in use", |stage| {
        let node = stage.node_at(1);
        node.set_vni(VNI, Opt::Learning(false));
        say(stage, (2, 1), STATION);
        assert!(node.entry(STATION).is_none());
        node.set_vni(VNI, Opt::Learning(true));
        say(stage, (2, 1), STATION);
        assert_eq!(node.entry(STATION).unwrap().at, At::Remote(stage.vtep(2)));
    })
    .fails_if("`vni set` takes no notice of `learning`"),
    Behaviour::new("a VNI learns no more stations than its limit, and forwards all the same", limit)
        .plan(Plan::pods(&[1, 1]).with(&[Opt::Limit(4)]))
        .differs("The limit counts what is learned, behind ports as well; the kernel's `maxaddress` counts all entries of the VXLAN device, the flood list as one.")
        .fails_if("`learn.rs` does not ask for the limit"),
    Behaviour::new("stations behind a port are gone when it is no port any more, and when its interface goes", |stage| {
        let node = stage.node_at(1);
        for removed in [false, true] {
            for (pod, station) in [(1, STATION), (2, stage.pod(1, 2).mac)] {
                say(stage, (1, pod), station);
                assert!(node.entry(station).is_some());
            }
            if removed {
                node.must("ip link del veth1");
            } else {
                node.del_port("veth1");
            }
            wait::expect("the station to be gone", wait::SOON, || node.entry(STATION).is_none());
            assert!(node.entry(stage.pod(1, 2).mac).is_some(), "the other port's is still there");
            if !removed {
                node.add_port("veth1", VNI, &[]);
            }
        }
    })
    .plan(Plan::pods(&[2, 1]))
    .fails_if("`port del` leaves the FDB alone"),
];

/// Ten broadcasts in the name of a station come to these places.
#[track_caller]
fn speak(stage: &Stage, from: (usize, usize), name: Mac, to: &[Place]) {
    stage.assert_comes(from, &stage.frame(name, BROADCAST), 10, to);
}

/// One broadcast in the name of a station, wherever it comes.
#[track_caller]
fn say(stage: &Stage, from: (usize, usize), name: Mac) {
    stage.send(from.0, from.1, &stage.frame(name, BROADCAST), 1);
    stage.settle();
}

/// Ten frames for a station come to these places.
#[track_caller]
fn comes(stage: &Stage, from: (usize, usize), station: Mac, to: &[Place]) {
    let frame = stage.frame(stage.pod(from.0, from.1).mac, station);
    stage.assert_comes(from, &frame, 10, to);
}

fn ageing(stage: &mut Stage) {
    const LIFE: Duration = Duration::from_secs(2);
    let learned = Instant::now();
    let node = stage.node_at(1);
    let (silent, silent_near, speaker) = (STATION, stage.pod(1, 2).mac, stage.pod(2, 1).mac);
    let (by_hand, pinned) = (Mac::new([2, 0x42, 0, 0, 9, 1]), Mac::new([2, 0x42, 0, 0, 9, 2]));
    for (station, state) in [(by_hand, "dynamic"), (pinned, "static")] {
        node.fdb_ok(&format!("replace {station} dev {} dst {} self {state}", device(VNI), stage.vtep(2)));
    }
    say(stage, (2, 1), silent);
    say(stage, (1, 2), silent_near);
    // Now, because the kernel looks for aged entries when this changes, and else every ten seconds.
    node.set_vni(VNI, Opt::Ageing(2));
    let gone = |station| node.entry(station).is_none();
    let mut early = None;
    wait::expect("the silent ones to age", wait::SOON, || {
        say(stage, (2, 1), speaker);
        // Sent to, not heard.
        for station in [silent, silent_near, by_hand] {
            stage.send(1, 1, &stage.frame(stage.pod(1, 1).mac, station), 1);
        }
        // To look takes time: what is gone then is early if it is early still.
        let missing = [silent, silent_near, by_hand].into_iter().find(|station| gone(*station));
        if learned.elapsed() < LIFE {
            early = early.or(missing);
        }
        assert!(!gone(speaker), "who speaks stays");
        gone(silent) && gone(silent_near) && gone(by_hand)
    });
    assert_eq!(early, None, "gone too early");
    assert!(!gone(pinned));
    // Forwarding thinks the same.
    let all = [Pod(1, 2), Pod(2, 1), stage.wire(1, 2)];
    comes(stage, (1, 1), silent, &all);
    // Node 2 knows this one to be behind node 1.
    comes(stage, (1, 1), silent_near, &[all[0], all[2]]);
    say(stage, (2, 1), speaker);
    comes(stage, (1, 1), speaker, &all[1..]);
}

fn limit(stage: &mut Stage) {
    let node = stage.node_at(1);
    let stations: Vec<_> = (1..=10).map(|number| Mac::new([2, 0x42, 0, 0, 8, number])).collect();
    let known = || {
        stations
            .iter()
            .filter(|station| {
                let entry = node.entry(**station);
                entry.is_some_and(|entry| matches!(entry.at, At::Remote(_)))
            })
            .count()
    };
    for station in &stations {
        speak(stage, (2, 1), *station, &[Pod(1, 1), stage.wire(2, 1)]);
    }
    // The flood list is the fourth.
    let most = if node.is_ours() { 4 } else { 3 };
    assert_eq!(known(), most);
    // Room that is made is used.
    node.fdb_ok(&format!("del {} dev {} dst {} self", stations[0], device(VNI), stage.vtep(2)));
    say(stage, (2, 1), stations[9]);
    assert_eq!(known(), most);
    assert!(node.entry(stations[9]).is_some());
}
