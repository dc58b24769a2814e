//! The verbs of the FDB.

use std::net::IpAddr;

use vxbpf_common::Mac;
use vxbpf_tests::{
    stage::{
        At, BROADCAST, Changes, Entry, Opt,
        Place::{self, Pod},
        Plan, Stage, VNI, device,
    },
    wait,
};

use crate::behaviour::{Behaviour, Group, Hooks};

pub(crate) const GROUP: Group = Group { title: "FDB verbs", behaviours: BEHAVIOURS };

const STATION: Mac = Mac::new([2, 0x42, 0, 0, 9, 9]);
const OTHER: Mac = Mac::new([2, 0x42, 0, 0, 9, 10]);
const MULTICAST: Mac = Mac::new([1, 0, 0x5e, 0, 0, 0xfb]);
const ANOTHER: Mac = Mac::new([1, 0, 0x5e, 0, 0, 0xfc]);

const ANOTHER_VNI: u32 = 43;

/// A VTEP that no node has.
const ABSENT: u8 = 9;

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::new("add of an entry that exists fails, whatever its destination, and changes nothing", |stage| {
        let node = stage.node_at(1);
        let add = |mac: Mac, vtep: u8| node.fdb(&line(stage, "add", mac, vtep)).is_ok();
        assert!(add(STATION, 2) && !add(STATION, 2) && !add(STATION, 3));
        assert_eq!(remotes(stage, STATION), [(stage.vtep(2), "permanent".to_owned())]);
        // Not over a learned one either.
        stage.send(2, 1, &stage.frame(OTHER, BROADCAST), 1);
        wait::expect("it to be learned", wait::SOON, || !remotes(stage, OTHER).is_empty());
        assert!(!add(OTHER, 3));
        assert_eq!(remotes(stage, OTHER), [(stage.vtep(2), "dynamic".to_owned())]);
        // Nor a second remote of a list.
        assert!(add(MULTICAST, 2) && !add(MULTICAST, 3) && !add(Mac::ZERO, ABSENT));
        assert_eq!(remotes(stage, MULTICAST), [(stage.vtep(2), "permanent".to_owned())]);
    })
    .plan(Plan::pods(&[1, 1, 1]))
    .fails_if("`dataplane/fdb.rs` takes `add` of an entry that exists for `replace`"),
    Behaviour::new("append adds a remote to the flood list and to a group, once", |stage| {
        for mac in [Mac::ZERO, MULTICAST] {
            for vtep in [2, 3, 3, 2] {
                stage.node_at(1).fdb_ok(&line(stage, "append", mac, vtep));
            }
            let both = [2, 3].map(|number| (stage.vtep(number), "permanent".to_owned()));
            assert_eq!(remotes(stage, mac), both);
        }
        for dst in [BROADCAST, MULTICAST] {
            let frame = stage.frame(stage.pod(1, 1).mac, dst);
            let to = [Pod(2, 1), Pod(3, 1), stage.wire(1, 2), stage.wire(1, 3)];
            stage.assert_comes((1, 1), &frame, 10, &to);
        }
    })
    .plan(Plan::pods(&[1, 1, 1]).without_flood_lists().with(&[Opt::AnyVtep]))
    .fails_if("`dataplane/lists.rs` enters a remote that the list has once more"),
    Behaviour::new("a frame to a group with remotes of its own goes to those, and to all local ports", |stage| {
        let node = stage.node_at(1);
        node.fdb_ok(&line(stage, "append", MULTICAST, 3));
        let comes = |dst: Mac, to: &[Place]| {
            let frame = stage.frame(stage.pod(1, 1).mac, dst);
            stage.assert_comes((1, 1), &frame, 10, &[&[Pod(1, 2)], to].concat());
        };
        let only = [Pod(3, 1), stage.wire(1, 3)];
        let all = [Pod(2, 1), stage.wire(1, 2), Pod(3, 1), stage.wire(1, 3)];
        comes(MULTICAST, &only);
        comes(ANOTHER, &all);
        comes(BROADCAST, &all);
        // The broadcast address is a group like others.
        node.fdb_ok(&line(stage, "append", BROADCAST, 3));
        comes(BROADCAST, &only);
        comes(STATION, &all);
        // With its last remote the group is flooded again.
        for mac in [BROADCAST, MULTICAST] {
            node.fdb_ok(&line(stage, "del", mac, 3));
            comes(mac, &all);
        }
    })
    .plan(Plan::pods(&[2, 1, 1]))
    .fails_if("`flood.rs` sends to the flood list what is for a group with remotes"),
    Behaviour::new("a frame from a remote to a group with remotes goes to all local ports alone", |stage| {
        stage.node_at(1).fdb_ok(&line(stage, "append", MULTICAST, 3));
        let frame = stage.frame(stage.pod(2, 1).mac, MULTICAST);
        let to = [Pod(1, 1), Pod(1, 2), Pod(3, 1), stage.wire(2, 1), stage.wire(2, 3)];
        stage.assert_comes((2, 1), &frame, 10, &to);
    })
    .plan(Plan::pods(&[2, 1, 1]))
    .fails_if("`flood.rs` leaves out the ports where the group has remotes"),
    Behaviour::new("append of a unicast MAC never gives it a second remote", |stage| {
        let node = stage.node_at(1);
        node.fdb_ok(&line(stage, "add", STATION, 2));
        assert_eq!(node.fdb(&line(stage, "append", STATION, 3)).is_ok(), !node.is_ours());
        assert_eq!(node.fdb(&line(stage, "append", OTHER, 3)).is_ok(), !node.is_ours());
        assert_eq!(remotes(stage, STATION), [(stage.vtep(2), "permanent".to_owned())]);
    })
    .hooks(Hooks::Tc)
    .differs("refused, where the kernel ignores the second remote without a word and takes append of a new MAC for add")
    .fails_if("`dataplane/fdb.rs` takes `append` of a unicast MAC for `replace`"),
    Behaviour::new("replace makes an entry, and moves one that is there", |stage| {
        let node = stage.node_at(1);
        node.fdb_ok(&line(stage, "replace", STATION, 2));
        let frame = stage.frame(stage.pod(1, 1).mac, STATION);
        stage.assert_comes((1, 1), &frame, 10, &[Pod(2, 1), stage.wire(1, 2)]);
        for state in ["static", "dynamic", "permanent"] {
            node.fdb_ok(&format!("{} {}", line(stage, "replace", STATION, 3), word(state)));
            assert_eq!(remotes(stage, STATION), [(stage.vtep(3), state.to_owned())]);
        }
        let frame = stage.frame(stage.pod(1, 1).mac, STATION);
        stage.assert_comes((1, 1), &frame, 10, &[Pod(3, 1), stage.wire(1, 3)]);
    })
    .plan(Plan::pods(&[1, 1, 1]))
    .fails_if("`dataplane/fdb.rs` keeps the old remote on `replace`"),
    Behaviour::new("replace of the flood list or of a group is refused, and changes nothing", |stage| {
        let node = stage.node_at(1);
        node.fdb_ok(&line(stage, "append", MULTICAST, 2));
        for mac in [Mac::ZERO, MULTICAST, ANOTHER] {
            assert!(!node.fdb(&line(stage, "replace", mac, ABSENT)).is_ok());
        }
        let two = [(stage.vtep(2), "permanent".to_owned())];
        assert_eq!([remotes(stage, Mac::ZERO), remotes(stage, MULTICAST)], [&two, &two]);
        assert_eq!(remotes(stage, ANOTHER), []);
    })
    .hooks(Hooks::Tc)
    .fails_if("`dataplane/lists.rs` takes `replace` for `append`"),
    Behaviour::new("del takes one remote of a list, the last one the entry, and without a remote all", |stage| {
        let node = stage.node_at(1);
        for mac in [Mac::ZERO, MULTICAST] {
            for vtep in [2, 3, ABSENT] {
                node.fdb_ok(&line(stage, "append", mac, vtep));
            }
            node.fdb_ok(&line(stage, "del", mac, 3));
            let dsts: Vec<_> = remotes(stage, mac).into_iter().map(|(dst, _)| dst).collect();
            assert_eq!(dsts, [stage.vtep(2), stage.vtep(ABSENT)]);
            node.fdb_ok(&format!("del {mac} dev {} self", device(VNI)));
            assert_eq!(remotes(stage, mac), []);
            assert!(!node.fdb(&line(stage, "del", mac, 2)).is_ok());
        }
        node.fdb_ok(&line(stage, "add", STATION, 2));
        node.fdb_ok(&line(stage, "del", STATION, 2));
        assert!(!node.fdb(&line(stage, "del", STATION, 2)).is_ok());
    })
    .plan(Plan::pods(&[1, 1]).without_flood_lists())
    .hooks(Hooks::Tc)
    .fails_if("`dataplane/lists.rs` removes all remotes when one is meant"),
    Behaviour::new("del of a remote that an entry does not have removes nothing", |stage| {
        let node = stage.node_at(1);
        for mac in [STATION, MULTICAST] {
            node.fdb_ok(&format!("{} port 4790", line(stage, "add", mac, 2)));
            // Another address, and another port: what is not given is the default.
            for wrong in [line(stage, "del", mac, 3), line(stage, "del", mac, 2)] {
                assert_eq!(node.fdb(&wrong).is_ok(), !node.is_ours(), "{wrong}");
            }
            assert_eq!(remotes(stage, mac).len(), 1);
            node.fdb_ok(&format!("{} port 4790", line(stage, "del", mac, 2)));
            assert_eq!(remotes(stage, mac), []);
        }
    })
    .hooks(Hooks::Tc)
    .differs("fails and says what is there, where the kernel says nothing")
    .fails_if("`dataplane/fdb.rs` compares the address alone on `del`, not port and VNI"),
    Behaviour::new("get shows an entry, and fails where there is none", |stage| {
        let node = stage.node_at(1);
        node.fdb_ok(&line(stage, "add", STATION, 2));
        let said = node.fdb(&format!("get {STATION} dev {} self", device(VNI)));
        assert!(said.is_ok() && said.stdout.contains(&stage.vtep(2).to_string()), "{said:?}");
        assert!(!node.fdb(&format!("get {OTHER} dev {} self", device(VNI))).is_ok());
    })
    .hooks(Hooks::Tc)
    .fails_if("`cli/fdb.rs` shows an empty table where there is no entry"),
    Behaviour::new("an entry has a UDP port and an egress VNI of its own", |stage| {
        stage.dstports.borrow_mut().push(4790);
        let node = stage.node_at(1);
        let (dev, to) = (device(VNI), stage.vtep(2));
        node.fdb_ok(&format!("add {STATION} dev {dev} dst {to} port 4790 vni 99 self"));
        node.fdb_ok(&format!("append {MULTICAST} dev {dev} dst {to} port 4790 vni 99 self"));
        node.fdb_ok(&format!("append {MULTICAST} dev {dev} dst {to} self"));
        let expected = |state: &str| Some((Some(99), Some(4790), state.to_owned()));
        let seen = node.entry(STATION).map(|entry| (entry.vni, entry.port, entry.state));
        assert_eq!(seen, expected("permanent"));
        for (dst, ways) in [(STATION, vec![(4790, 99)]), (MULTICAST, vec![(4789, 42), (4790, 99)])] {
            let watch = stage.watch();
            let frame = stage.frame(stage.pod(1, 1).mac, dst);
            stage.send(1, 1, &frame, 1);
            let sent = watch.sent_by(1);
            let ports = stage.dstports.borrow();
            let packets = sent.iter().filter_map(|packet| vxbpf_tests::stage::Vxlan::parse(packet, &ports));
            let mut seen: Vec<_> = packets
                .filter(|packet| packet.inner == frame.bytes())
                .map(|packet| {
                    let [.., a, b, c, _] = packet.header;
                    (packet.dstport, u32::from_be_bytes([0, a, b, c]))
                })
                .collect();
            seen.sort_unstable();
            assert_eq!(seen, ways, "{dst}");
        }
    })
    .fails_if("`encap.rs` writes the instance's UDP port, or the VNI that the frame is from"),
    Behaviour::new("src_vni A vni B is in VNI A and has B on the wire", |stage| {
        let node = stage.node_at(1);
        let (dev, to) = (device(VNI), stage.vtep(2));
        node.fdb_ok(&format!("add {STATION} dev {dev} dst {to} src_vni {VNI} vni 99 self"));
        assert_eq!(node.entry(STATION).map(|entry| entry.vni), Some(Some(99)));
        // VNI 42 of the remote does not get it.
        let frame = stage.frame(stage.pod(1, 1).mac, STATION);
        stage.assert_comes((1, 1), &frame, 10, &[stage.wire(1, 2)]);
        node.fdb_ok(&format!("del {STATION} dev {dev} dst {to} src_vni {VNI} vni 99 self"));
        assert_eq!(node.entry(STATION), None);
    })
    .fails_if("`encap.rs` writes the VNI that the frame is from"),
    Behaviour::new("flush takes the entries in a state", |stage| {
        let node = stage.node_at(1);
        let fill = || {
            for (last, state) in [(1, "permanent"), (2, "static"), (3, "dynamic")] {
                let mac = Mac::new([2, 0x42, 0, 0, 8, last]);
                node.fdb_ok(&format!("{} {}", line(stage, "replace", mac, 2), word(state)));
            }
        };
        let left = || {
            let there = |last: &u8| node.entry(Mac::new([2, 0x42, 0, 0, 8, *last])).is_some();
            [1, 2, 3].into_iter().filter(there).collect::<Vec<_>>()
        };
        for (state, expected) in [("dynamic", [1, 2]), ("static", [1, 3])] {
            fill();
            node.fdb_ok(&format!("flush dev {} self {state}", device(VNI)));
            assert_eq!(left(), expected, "after {state}");
            assert_eq!(remotes(stage, Mac::ZERO).len(), 1, "after {state}");
        }
    })
    .hooks(Hooks::Tc)
    .fails_if("`dataplane/fdb_view.rs` leaves the state out of the filter"),
    Behaviour::new("show and flush by VNI mean the entries of that VNI alone", |stage| {
        let node = stage.node_at(1);
        let (ours, other) = (device(VNI), device(ANOTHER_VNI));
        node.add_vni(ANOTHER_VNI, &[]);
        node.flood_to(ANOTHER_VNI, stage.vtep(2));
        for (mac, dev) in [(STATION, &ours), (OTHER, &other), (STATION, &other)] {
            node.fdb_ok(&format!("add {mac} dev {dev} dst {} self", stage.vtep(2)));
        }
        let shown = |dev: &str| {
            let said = node.fdb(&format!("show dev {dev}"));
            assert!(said.is_ok(), "{said:?}");
            [Mac::ZERO, STATION, OTHER].map(|mac| said.stdout.contains(&mac.to_string()))
        };
        assert_eq!([shown(&ours), shown(&other)], [[true, true, false], [true, true, true]]);
        node.fdb_ok(&format!("flush dev {ours} self"));
        assert_eq!([shown(&ours), shown(&other)], [[node.is_ours(), false, false], [true, true, true]]);
    })
    .hooks(Hooks::Tc)
    .differs("flush leaves the flood list, and the lists of groups, unless it is given their MAC or a remote")
    .fails_if("`dataplane/fdb_view.rs` leaves the VNI out of the filter"),
    Behaviour::new("flush by remote takes stations behind it, and it out of lists", |stage| {
        let node = stage.node_at(1);
        node.fdb_ok(&line(stage, "add", STATION, 2));
        node.fdb_ok(&line(stage, "add", OTHER, 3));
        for mac in [Mac::ZERO, MULTICAST] {
            node.fdb_ok(&line(stage, "append", mac, 2));
            node.fdb_ok(&line(stage, "append", mac, 3));
        }
        node.flush_dst(stage.vtep(2));
        assert_eq!(remotes(stage, STATION), []);
        for mac in [OTHER, Mac::ZERO, MULTICAST] {
            assert_eq!(remotes(stage, mac), [(stage.vtep(3), "permanent".to_owned())]);
        }
    })
    .hooks(Hooks::Tc)
    .fails_if("`dataplane/fdb.rs` flushes lists only where their MAC is given"),
    Behaviour::new("each change by a command is told once, and what changes nothing is not told", |stage| {
        let mut changes = stage.changes(1);
        let (dev, absent) = (device(VNI), stage.vtep(ABSENT));
        let (two, three) = (stage.vtep(2), stage.vtep(3));
        let is = |mac, dst, state: &str| (false, mac, dst, state.to_owned());
        let gone = |mac, dst| (true, mac, dst, "permanent".to_owned());
        let rows = [
            (line(stage, "add", STATION, 2), vec![is(STATION, two, "permanent")]),
            (line(stage, "add", STATION, 3), vec![]),
            (line(stage, "replace", STATION, 2), vec![]),
            (line(stage, "replace", STATION, 3) + " static", vec![is(STATION, three, "static")]),
            (line(stage, "replace", STATION, 3) + " dynamic", vec![is(STATION, three, "dynamic")]),
            (line(stage, "replace", STATION, 3) + " port 4790", vec![is(STATION, three, "permanent")]),
            (line(stage, "del", STATION, 3) + " port 4790", vec![gone(STATION, three)]),
            (line(stage, "append", Mac::ZERO, ABSENT), vec![is(Mac::ZERO, absent, "permanent")]),
            (line(stage, "append", Mac::ZERO, ABSENT), vec![]),
            (line(stage, "replace", Mac::ZERO, ABSENT), vec![]),
            (line(stage, "del", Mac::ZERO, ABSENT), vec![gone(Mac::ZERO, absent)]),
            (line(stage, "append", MULTICAST, 2), vec![is(MULTICAST, two, "permanent")]),
            (line(stage, "append", MULTICAST, 3), vec![is(MULTICAST, three, "permanent")]),
            (format!("del {MULTICAST} dev {dev} self"), vec![gone(MULTICAST, two), gone(MULTICAST, three)]),
        ];
        for (line, expected) in rows {
            let said = stage.node_at(1).fdb(&line);
            assert_eq!(told(stage, &mut changes), expected, "{line}: {said:?}");
        }
        stage.node_at(1).fdb_ok(&(line(stage, "add", STATION, 2) + " static"));
        stage.node_at(1).fdb_ok(&format!("flush dev {dev} self static"));
        let both = [is(STATION, two, "static"), (true, STATION, two, "static".to_owned())];
        assert_eq!(told(stage, &mut changes), both);
    })
    .hooks(Hooks::Tc)
    .fails_if("`dataplane/fdb.rs` tells of a `replace` that changes nothing"),
    Behaviour::new("learning and moving a station are told once, however many frames it sends", |stage| {
        let mut changes = stage.changes(1);
        for number in [2_u8, 3, 2] {
            stage.send(number.into(), 1, &stage.frame(STATION, BROADCAST), 10);
            stage.settle();
            let expected = [(false, STATION, stage.vtep(number), "dynamic".to_owned())];
            assert_eq!(told(stage, &mut changes), expected);
        }
    })
    .plan(Plan::pods(&[1, 1, 1]).with(&[Opt::Ageing(300)]))
    .fails_if("`learn.rs` has a station told whenever it is heard where it was"),
    Behaviour::new("a station that ages out is told once", |stage| {
        let mut changes = stage.changes(1);
        stage.send(2, 1, &stage.frame(STATION, BROADCAST), 10);
        stage.settle();
        assert_eq!(told(stage, &mut changes), [(false, STATION, stage.vtep(2), "dynamic".to_owned())]);
        // The kernel looks every ten seconds (FDB_AGE_INTERVAL), our daemon too, which is gone here.
        let patience = wait::SOON * 2;
        wait::expect("it to age", patience, || remotes(stage, STATION).is_empty());
        stage.node_at(1).sweep();
        assert_eq!(told(stage, &mut changes), [(true, STATION, stage.vtep(2), "dynamic".to_owned())]);
    })
    .plan(Plan::pods(&[1, 1]).with(&[Opt::Ageing(1)]))
    .hooks(Hooks::Tc)
    .fails_if("`dataplane/sweep.rs` removes without telling"),
];

/// `VERB MAC dev DEVICE dst ADDR self`
fn line(stage: &Stage, verb: &str, mac: Mac, vtep: u8) -> String {
    format!("{verb} {mac} dev {} dst {} self", device(VNI), stage.vtep(vtep))
}

/// The state in iproute2's words, for which `permanent` is the default.
fn word(state: &str) -> &str {
    if state == "permanent" { "local" } else { state }
}

/// The remotes of an entry in node 1, and its states.
fn remotes(stage: &Stage, mac: Mac) -> Vec<(IpAddr, String)> {
    let entries = stage.node_at(1).fdb_show(VNI).into_iter();
    let remote = |entry: Entry| match entry.at {
        At::Remote(dst) => Some((dst, entry.state)),
        At::Port(_) => None,
    };
    entries.filter(|entry| entry.mac == mac).filter_map(remote).collect()
}

fn told(stage: &Stage, changes: &mut Changes) -> Vec<(bool, Mac, IpAddr, String)> {
    let told = changes.told(stage.node_at(1)).into_iter();
    told.map(|told| (told.gone, told.mac, told.dst, told.state)).collect()
}
