//! What the benchmark measures with sockets, and of ARP, is carried by all who take part.

use vxbpf_tests::bench::{
    arp,
    bed::Bed,
    contender::Contender,
    counter::Counter,
    generator::{BATCH, Generator},
    measure::{Measure, Settings, Wire},
    offer::Offer,
    rr, tcp, udp,
};

const SETTINGS: Settings = Settings { rounds: 1, quick: true, wire: Wire::Mtu, client_cpu: 0, server_cpu: 0 };

/// All contenders play a round.
fn is_played(measures: &[Box<dyn Measure>]) {
    for measure in measures {
        for contender in measure.contenders() {
            let who = format!("{} of {}", contender.name(), measure.id());
            let mut rounds =
                measure.prepare(contender, &SETTINGS).unwrap_or_else(|e| panic!("prepare {who}: {e:#}"));
            let sample = rounds.play().unwrap_or_else(|e| panic!("{who}: {e:#}"));
            assert!(sample.value > 0.0 && sample.cpu.is_some(), "{who}: {sample:?}");
        }
    }
}

#[test]
fn streams_are_carried() {
    is_played(&tcp::all()[..1]);
}

#[test]
fn requests_are_answered() {
    is_played(&rr::all());
}

#[test]
fn datagrams_are_carried() {
    is_played(&udp::all());
}

#[test]
fn arp_is_answered() {
    is_played(&arp::all());
}

#[test]
fn who_does_not_answer_fails() {
    let bed = Bed::create(Contender::VxbpfTc, &SETTINGS).unwrap();
    let [asker, asked] = &bed.pods;
    asked.must("ip link set eth0 down");
    let arp = arp::question_and_answer(asker, asked).unwrap();
    let counter = Counter::of_answers(&bed, 0, &arp).unwrap();
    let generator = Generator::asking(&bed.nodes[0], asker, &arp, SETTINGS.client_cpu).unwrap();
    let failed = Offer { counter, generator, batch: BATCH, copies: 1 }.play(asker, BATCH).unwrap_err();
    assert_eq!(failed.to_string(), "0 of 64 frames arrived");
}
