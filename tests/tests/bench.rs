//! The benchmark counts right: who delivers all frames passes, whoever it is, and who loses one or changes one fails.

use anyhow::Result;
use vxbpf_limit::Traffic;
use vxbpf_tests::bench::{
    bed::Bed,
    code,
    contender::Contender,
    counter::Counter,
    generator::{BATCH, Generator},
    measure::{Settings, Wire},
    offer::{Offer, Taken},
};

const SETTINGS: Settings = Settings { rounds: 1, quick: true, wire: Wire::Mtu, client_cpu: 0, server_cpu: 0 };

const FRAMES: u32 = 10 * BATCH;

/// Has the first pod send, and counts in the second what looks like `expected`.
fn play(bed: &Bed, sent: &Traffic, expected: &Traffic) -> Result<Taken> {
    let counter = Counter::in_pod(bed, 1, expected)?;
    let generator = Generator::create(&bed.nodes[0], &bed.pods[0], sent, SETTINGS.client_cpu)?;
    Offer { generator, counter, batch: BATCH, copies: 1 }.play(&bed.pods[0], FRAMES)
}

/// All frames of a contender arrive, short ones and long ones, in one flow or many.
fn delivers(contender: Contender, wire: Wire) {
    let bed = Bed::create(contender, &Settings { wire, ..SETTINGS }).expect("make a bed");
    for (len, flows) in [(64, 1), (1400, 1000)] {
        let traffic = Traffic { len, flows, ..bed.traffic() };
        let taken = play(&bed, &traffic, &traffic).expect("all frames arrive");
        assert_eq!(taken.frames, u64::from(FRAMES));
        assert!(taken.rate() > 0.0);
    }
}

#[test]
fn the_kernel_delivers_all_frames() {
    delivers(Contender::Kernel, Wire::Mtu);
}

#[test]
fn a_bridge_delivers_all_frames() {
    delivers(Contender::Bridge, Wire::Mtu);
}

#[test]
fn ours_at_tc_delivers_all_frames() {
    delivers(Contender::VxbpfTc, Wire::Mtu);
}

#[test]
fn ours_at_xdp_delivers_all_frames() {
    delivers(Contender::VxbpfXdp, Wire::Mtu);
}

#[test]
fn the_limit_at_tc_delivers_all_frames() {
    delivers(Contender::LimitTc, Wire::Mtu);
}

#[test]
fn the_limit_at_xdp_delivers_all_frames() {
    delivers(Contender::LimitXdp, Wire::Mtu);
}

#[test]
fn all_frames_are_delivered_where_the_wire_carries_merged_ones() {
    delivers(Contender::Kernel, Wire::Gso);
    delivers(Contender::VxbpfTc, Wire::Gso);
}

#[test]
fn who_loses_frames_fails() {
    let bed = Bed::create(Contender::LimitTc, &SETTINGS).unwrap();
    bed.pods[1].must("ip link set eth0 down");
    let failed = play(&bed, &bed.traffic(), &bed.traffic()).unwrap_err();
    assert_eq!(failed.to_string(), "0 of 640 frames arrived");
}

#[test]
fn who_delivers_other_frames_fails() {
    let bed = Bed::create(Contender::LimitXdp, &SETTINGS).unwrap();
    let sent = bed.traffic();
    let others = [
        Traffic { len: sent.len + 1, ..sent },
        Traffic { destination: [2; 6], ..sent },
        Traffic { stations: 1, ..sent },
    ];
    for expected in others {
        let failed = play(&bed, &sent, &expected).unwrap_err();
        assert_eq!(failed.to_string(), "640 frames arrived that nobody sent");
    }
    let failed = play(&bed, &Traffic { flows: 2, ..sent }, &sent).unwrap_err();
    assert_eq!(failed.to_string(), "320 frames arrived that nobody sent");
}

#[test]
fn our_programs_have_their_length() {
    let bed = Bed::create(Contender::VxbpfTc, &SETTINGS).unwrap();
    let programs = code::of(&bed.nodes[0]).unwrap();
    let names: Vec<_> = programs.iter().map(|code| code.program.as_str()).collect();
    assert!(names.starts_with(&["announce", "from_helper", "from_port"]), "{names:?}");
    assert!(programs.iter().all(|code| code.instructions > 0), "{programs:?}");
}
