//! Who may send: to whom, as whom, and from where.

use vxbpf_common::Mac;
use vxbpf_tests::{
    stage::{
        BROADCAST, Opt,
        Place::{self, Pod},
        Plan, Stage, VNI, device,
    },
    wait,
};

use crate::behaviour::{Behaviour, Group};

pub(crate) const GROUP: Group = Group { title: "Who may send", behaviours: BEHAVIOURS };

const STATION: Mac = Mac::new([2, 0x42, 0, 0, 9, 9]);

const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::new("a VTEP that nothing names may send", filter)
        .plan(Plan::pods(&[2, 1]).without_flood_lists())
        .differs("`vtep-filter known`, the default: only a VTEP that the FDB, the flood list or `vtep allow` names; the others are dropped, counted and not learned from. `vtep-filter any` is as the kernel, but for `vtep deny`.")
        .fails_if("`decap.rs` does not ask who sent"),
    Behaviour::new("with `vtep-filter any` everybody may send, and is learned from", |stage| {
        stage.node_at(2).flood_to(VNI, stage.vtep(1));
        stage.assert_comes((2, 1), &stage.frame(STATION, BROADCAST), 10, &[Pod(1, 1), stage.wire(2, 1)]);
        let back = stage.frame(stage.pod(1, 1).mac, STATION);
        stage.assert_comes((1, 1), &back, 10, &[Pod(2, 1), stage.wire(1, 2)]);
    })
    .plan(Plan::pods(&[1, 1]).without_flood_lists().with(&[Opt::AnyVtep]))
    .fails_if("`decap.rs` takes `any` for `known`"),
    Behaviour::new("a VTEP that may send to one VNI may not therefore send to another", |stage| {
        for node in &stage.nodes {
            node.del_port("veth2");
            node.add_vni(43, &[]);
            node.add_port("veth2", 43, &[]);
        }
        // In VNI 42 they name each other; in VNI 43 only the sender does.
        stage.node_at(2).flood_to(43, stage.vtep(1));
        arrives(stage, (2, 1), &[Pod(1, 1)], true);
        let ours = stage.node_at(1).is_ours();
        arrives(stage, (2, 2), &[Pod(1, 2)], !ours);
        assert_eq!(stage.node_at(1).drops("vtep_not_allowed").unwrap_or(10), 10);
    })
    .plan(Plan::pods(&[2, 2]))
    .differs("The same filter, which is each VNI's own.")
    .fails_if("the key of `VTEPS` leaves the VNI out"),
    Behaviour::new("who may not send is named in the log, with the command that allows it, at a limited rate", |stage| {
        stage.node_at(2).flood_to(VNI, stage.vtep(1));
        let frame = stage.frame(STATION, BROADCAST);
        let Some(daemon) = &stage.node_at(1).daemon else {
            stage.assert_comes((2, 1), &frame, 300, &[Pod(1, 1), stage.wire(2, 1)]);
            return;
        };
        stage.assert_comes((2, 1), &frame, 300, &[stage.wire(2, 1)]);
        let command = format!("vtep allow {} vni {VNI}", stage.vtep(2));
        wait::expect("a line in the log", wait::SOON, || daemon.log().contains(&command));
        let lines = daemon.log().lines().filter(|line| line.contains("vtep_not_allowed")).count();
        // One at once, and one for what came in the second after it, or two if that was slow.
        assert!(lines <= 3, "{}", daemon.log());
        assert_eq!(stage.node_at(1).drops("vtep_not_allowed"), Some(300));
        stage.node_at(1).ok(&command);
        arrives(stage, (2, 1), &[Pod(1, 1)], true);
    })
    .plan(Plan::pods(&[1, 1]).without_flood_lists())
    .differs("The kernel takes it and says nothing.")
    .fails_if("`daemon/drops.rs` gives each sample a line, or names no command"),
    Behaviour::new("isolated ports reach everybody but each other", |stage| {
        let node = stage.node_at(1);
        for port in ["veth1", "veth2"] {
            node.isolate(port, VNI);
        }
        let [one, open, far] = [stage.pod(1, 1).mac, stage.pod(1, 3).mac, stage.pod(2, 1).mac];
        let wire = stage.wire(1, 2);
        // Broadcasts, and thereby learning.
        stage.assert_comes((1, 1), &stage.frame(one, BROADCAST), 10, &[Pod(1, 3), Pod(2, 1), wire]);
        stage.assert_comes((1, 2), &stage.frame(stage.pod(1, 2).mac, BROADCAST), 10, &[Pod(1, 3), Pod(2, 1), wire]);
        stage.assert_comes((1, 3), &stage.frame(open, BROADCAST), 10, &[Pod(1, 1), Pod(1, 2), Pod(2, 1), wire]);
        let all = [Pod(1, 1), Pod(1, 2), Pod(1, 3), stage.wire(2, 1)];
        stage.assert_comes((2, 1), &stage.frame(far, BROADCAST), 10, &all);
        // Known stations.
        stage.assert_comes((1, 2), &stage.frame(stage.pod(1, 2).mac, one), 10, &[]);
        assert_eq!(node.drops("port_isolated").unwrap_or(10), 10);
        stage.assert_comes((1, 2), &stage.frame(stage.pod(1, 2).mac, open), 10, &[Pod(1, 3)]);
        stage.assert_comes((1, 3), &stage.frame(open, one), 10, &[Pod(1, 1)]);
        stage.assert_comes((1, 1), &stage.frame(one, far), 10, &[Pod(2, 1), wire]);
        stage.assert_comes((2, 1), &stage.frame(far, one), 10, &[Pod(1, 1), stage.wire(2, 1)]);
    })
    .plan(Plan::pods(&[3, 1]))
    .fails_if("`flood.rs` or `deliver.rs` does not ask whether ports are isolated"),
    Behaviour::new("a port locked to stations takes frames from them alone, and gives to it what is for it", |stage| {
        let node = stage.node_at(1);
        let (own, second, other) = (stage.pod(1, 1).mac, STATION, stage.pod(1, 2).mac);
        node.lock("veth1", VNI, &[own, second]);
        let all = [Pod(1, 2), Pod(2, 1), stage.wire(1, 2)];
        for station in [own, second] {
            stage.assert_comes((1, 1), &stage.frame(station, BROADCAST), 10, &all);
        }
        for impostor in [other, stage.pod(2, 1).mac, Mac::new([2, 0x42, 0, 0, 9, 1])] {
            stage.assert_comes((1, 1), &stage.frame(impostor, BROADCAST), 10, &[]);
        }
        assert_eq!(node.drops("mac_locked").unwrap_or(30), 30);
        stage.assert_comes((1, 2), &stage.frame(other, own), 10, &[Pod(1, 1)]);
        stage.assert_comes((1, 2), &stage.frame(other, BROADCAST), 10, &[Pod(1, 1), Pod(2, 1), stage.wire(1, 2)]);
    })
    .plan(Plan::pods(&[2, 1]))
    .fails_if("`encap.rs` does not ask for the lock"),
];

/// Whether ten broadcasts of a pod of node 2 come to these pods of node 1.
#[track_caller]
fn arrives(stage: &Stage, from: (usize, usize), pods: &[Place], yes: bool) {
    let mut to = vec![stage.wire(2, 1)];
    to.extend(pods.iter().filter(|_| yes));
    stage.assert_comes(from, &stage.frame(stage.pod(from.0, from.1).mac, BROADCAST), 10, &to);
}

fn filter(stage: &mut Stage) {
    let (node, remote, name) = (stage.node_at(1), stage.vtep(2), device(VNI));
    stage.node_at(2).flood_to(VNI, stage.vtep(1));
    let ours = node.is_ours();
    let mut dropped = 0;
    // The kernel always takes it.
    let mut may = |yes: bool| {
        arrives(stage, (2, 1), &[Pod(1, 1), Pod(1, 2)], yes || !ours);
        dropped += if yes { 0 } else { 10 };
        assert_eq!(node.drops("vtep_not_allowed").unwrap_or(dropped), dropped);
    };
    let ours_only = |line: &str| {
        if ours {
            node.ok(line);
        }
    };
    may(false);
    assert_eq!(node.entry(stage.pod(2, 1).mac).is_some(), !ours, "learned from who may not send");
    // Named by the flood list.
    node.flood_to(VNI, remote);
    may(true);
    node.flood_no_more(VNI, remote);
    // What was learned while it might send does not allow it.
    may(false);
    // Named by the FDB.
    node.fdb_ok(&format!("add {STATION} dev {name} dst {remote} self static"));
    may(true);
    node.fdb_ok(&format!("del {STATION} dev {name} dst {remote} self"));
    may(false);
    // Named by the list of who may.
    ours_only(&format!("vtep allow {remote} vni {VNI}"));
    may(true);
    ours_only(&format!("vtep deny {remote} vni {VNI}"));
    may(false);
    // Denied, whatever names it.
    node.flood_to(VNI, remote);
    may(false);
    node.flood_no_more(VNI, remote);
    ours_only(&format!("vni set {VNI} vtep-filter any"));
    may(false);
    ours_only(&format!("vtep allow {remote} vni {VNI}"));
    may(true);
}
