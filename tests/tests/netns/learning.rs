//! What is learned, for how long, and what is not to be unlearned.

use std::time::{Duration, Instant};

use serde_json::Value;
use vxbpf_common::Mac;
use vxbpf_tests::{
    packet::Frame,
    pod::Pod,
    topology::{Backend, Overlay, Plan},
    wait,
};

const STATION: Mac = Mac::new([2, 0x42, 0, 0, 9, 9]);
const BROADCAST: Mac = Mac::new([0xff; 6]);

fn frame(src: Mac, dst: Mac) -> Vec<u8> {
    Frame::new(src, dst).bytes()
}

/// Has a station be heard behind a pod's port.
fn speak(pod: &Pod, station: Mac) {
    pod.send(&[frame(station, BROADCAST)]);
}

/// Waits until a node believes a station to be there: `dst` or `dev`.
#[track_caller]
fn wait_at(overlay: &Overlay, node: usize, station: Mac, field: &str, place: &str) -> Value {
    let mut entry = Value::Null;
    let found = wait::until(wait::SOON, || {
        entry = overlay.nodes[node - 1].station(station);
        entry[field] == place
    });
    assert!(found, "{station} is not at {place} for node {node}: {entry}");
    entry
}

#[test]
fn stations_are_learned_from_both_sides_and_move() {
    let nodes = &[(Backend::Vxbpf, 2), (Backend::Vxbpf, 1), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    // Between remotes, from a remote to a port, between ports, and back.
    for (pod, field, place) in [
        (overlay.pod(2, 1), "dst", "192.168.104.3"),
        (overlay.pod(3, 1), "dst", "192.168.104.4"),
        (overlay.pod(1, 1), "dev", "veth1"),
        (overlay.pod(1, 2), "dev", "veth2"),
        (overlay.pod(3, 1), "dst", "192.168.104.4"),
    ] {
        speak(pod, STATION);
        let entry = wait_at(&overlay, 1, STATION, field, place);
        assert_eq!(entry["state"], "dynamic");
        // And frames for it go there, and nowhere else.
        let sender = if place == "veth1" { overlay.pod(1, 2) } else { overlay.pod(1, 1) };
        let quiet: Vec<_> = overlay.pods().filter(|p| p.addr != pod.addr && p.addr != sender.addr).collect();
        let before = (pod.received(), quiet.iter().map(|p| p.received()).sum::<u64>());
        sender.send(&vec![frame(sender.mac, STATION); 5]);
        wait::expect("five frames", wait::SOON, || pod.received() == before.0 + 5);
        assert_eq!(quiet.iter().map(|p| p.received()).sum::<u64>(), before.1);
    }
}

#[test]
fn what_is_permanent_or_static_never_moves() {
    let nodes = &[(Backend::Vxbpf, 1), (Backend::Kernel, 1), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, ..Plan::default() });
    let node = &overlay.nodes[0];
    let mut pinned = 0;
    for state in ["permanent", "static"] {
        node.ok(&format!("fdb replace {STATION} dst 192.168.104.3 vni 42 {state}"));
        let heard = overlay.pod(1, 1).received();
        speak(overlay.pod(2, 1), STATION);
        wait::expect("the frame", wait::SOON, || overlay.pod(1, 1).received() == heard + 1);
        for impostor in [overlay.pod(3, 1), overlay.pod(1, 1)] {
            pinned += 1;
            speak(impostor, STATION);
            wait::expect("the frame to be dropped", wait::SOON, || node.drops("station_pinned") == pinned);
        }
        let entry = node.station(STATION);
        assert_eq!((&entry["dst"], &entry["state"]), (&"192.168.104.3".into(), &state.into()));
    }
    // Behind a port, against a remote.
    node.ok(&format!("fdb replace {STATION} port-dev veth1 vni 42"));
    speak(overlay.pod(2, 1), STATION);
    wait::expect("the frame to be dropped", wait::SOON, || node.drops("station_pinned") == pinned + 1);
    assert_eq!(node.station(STATION)["dev"], "veth1");
}

#[test]
fn stations_age_with_the_daemon_dead() {
    let nodes = &[(Backend::Vxbpf, 2), (Backend::Kernel, 1)];
    let mut overlay = Overlay::create(&Plan { nodes, vni: "ageing 2", ..Plan::default() });
    overlay.node(1).daemon().kill();
    let learned = Instant::now();
    speak(overlay.pod(2, 1), STATION);
    wait_at(&overlay, 1, STATION, "dst", "192.168.104.3");
    wait::expect("the station to age", wait::SOON, || overlay.nodes[0].station(STATION).is_null());
    // The data path's clock is that of the last timer tick, up to 10 ms ago (`bpf_ktime_get_coarse_ns`, HZ=100).
    assert!(learned.elapsed() >= Duration::from_millis(1990), "too early: {:?}", learned.elapsed());
    let said = overlay.nodes[0].vxbpf(&format!("fdb get {STATION} vni 42"));
    assert_eq!(
        (said.code, said.stderr.as_str()),
        (Some(1), "error: FDB entry 02:42:00:00:09:09 in VNI 42 does not exist\n")
    );
    // The data path thinks the same: it floods.
    let others = [overlay.pod(1, 2), overlay.pod(2, 1)];
    let before = others.map(Pod::received);
    overlay.pod(1, 1).send(&[frame(overlay.pod(1, 1).mac, STATION)]);
    let flooded = || others.iter().zip(before).all(|(pod, before)| pod.received() == before + 1);
    wait::expect("the frame at everybody", wait::SOON, flooded);
}

#[test]
fn a_station_is_refreshed_by_what_it_sends_and_not_by_what_it_gets() {
    let nodes = &[(Backend::Vxbpf, 1), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, vni: "ageing 2", ..Plan::default() });
    let (here, there) = (overlay.pod(1, 1), overlay.pod(2, 1));
    speak(there, there.mac);
    speak(here, here.mac);
    wait_at(&overlay, 1, there.mac, "dst", "192.168.104.3");
    wait_at(&overlay, 1, here.mac, "dev", "veth1");
    let node = &overlay.nodes[0];
    let begin = Instant::now();
    let mut always_here = true;
    let mut silent_gone = false;
    while begin.elapsed() < Duration::from_secs(4) {
        // The one sends to the other, which is silent.
        here.send(&[frame(here.mac, there.mac)]);
        always_here &= node.station(here.mac)["dev"] == "veth1";
        silent_gone |= node.station(there.mac).is_null();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(silent_gone, "the silent one is still there");
    assert!(always_here, "the sender aged");
}

#[test]
fn a_vni_learns_no_more_than_its_limit() {
    let overlay = Overlay::create(&Plan { nodes: &[(Backend::Vxbpf, 2)], vni: "limit 4", ..Plan::default() });
    let (from, to) = (overlay.pod(1, 1), overlay.pod(1, 2));
    let frames: Vec<_> = (1..=10).map(|n| frame(Mac::new([2, 0x42, 0, 0, 8, n]), BROADCAST)).collect();
    from.send(&frames);
    wait::expect("the frames", wait::SOON, || to.received() == 10);
    let vni = &overlay.nodes[0].json("vni show 42")[0];
    assert_eq!((&vni["learned"], &vni["limit"]), (&4.into(), &4.into()));
    // Room that is made is used.
    overlay.nodes[0].ok("fdb flush vni 42 dynamic");
    assert_eq!(overlay.nodes[0].json("vni show 42")[0]["learned"], 0);
    from.send(&frames[5..7]);
    wait::expect("two more", wait::SOON, || to.received() == 12);
    assert_eq!(overlay.nodes[0].json("vni show 42")[0]["learned"], 2);
}

#[test]
fn a_vni_that_shall_not_learn_floods_for_ever() {
    let nodes = &[(Backend::Vxbpf, 2), (Backend::Kernel, 1)];
    let overlay = Overlay::create(&Plan { nodes, vni: "learning off", ..Plan::default() });
    overlay.ping_all();
    let entries = overlay.nodes[0].json("fdb show vni 42 dynamic");
    assert_eq!(entries.as_array().map(Vec::len), Some(0), "{entries}");
    let (bystander, before) = (overlay.pod(1, 2), overlay.pod(1, 2).received());
    overlay.pod(1, 1).send(&vec![frame(overlay.pod(1, 1).mac, overlay.pod(2, 1).mac); 3]);
    wait::expect("the flooded frames", wait::SOON, || bystander.received() == before + 3);
}
