//! The measurements of loading, of the first packet and of continuity play, and count right.

use vxbpf_tests::bench::{
    contender::Contender,
    continuity, first_packet, loading,
    measure::{Measure, Sample, Settings, Wire},
};

const SETTINGS: Settings = Settings { rounds: 1, quick: true, wire: Wire::Mtu, client_cpu: 0, server_cpu: 1 };

/// Plays two rounds of a measurement with a contender; gives the second.
#[track_caller]
fn play(measure: &dyn Measure, contender: Contender) -> Sample {
    let name = format!("{} of {}", measure.id(), contender.name());
    let mut rounds = measure.prepare(contender, &SETTINGS).unwrap_or_else(|e| panic!("{name}: {e:#}"));
    let mut round = || rounds.play().unwrap_or_else(|e| panic!("{name}: {e:#}"));
    round();
    round()
}

#[test]
fn entries_are_loaded_and_they_are_all_there() {
    let measures = loading::all();
    assert_eq!(
        measures.iter().map(|measure| measure.id()).collect::<Vec<_>>(),
        ["loading-100k", "loading-1m"]
    );
    for contender in measures[0].contenders() {
        assert!(play(&*measures[0], contender).value > 0.0);
    }
}

#[test]
fn the_first_packet_arrives() {
    for measure in first_packet::all() {
        for contender in measure.contenders() {
            assert!(play(&*measure, contender).value > 0.0);
        }
    }
}

#[test]
fn no_packet_is_lost_on_any_occasion() {
    let mut ids = Vec::new();
    for measure in continuity::all() {
        let sample = play(&*measure, Contender::VxbpfTc);
        assert_eq!(sample.value, 0.0, "{}: {sample:?}", measure.id());
        ids.push(measure.id());
    }
    assert_eq!(ids, ["lost-kill", "lost-restart", "lost-upgrade", "lost-reapply", "lost-churn"]);
}
