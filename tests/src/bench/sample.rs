//! A run as tests of the report need one.

use super::{
    contender::Contender,
    measure::{Better, Settings, Wire},
    model::{Also, Entrant, Environment, FORM, Measured, Program, Round, Run},
};

/// A measurement of three rounds: kernel 100 k, ours four times that, the limit at TC five times, that at XDP failed.
pub(super) fn measured(id: &str) -> Measured {
    let entrant = |contender, factor: f64| {
        let rounds = [1.0, 0.98, 1.02].map(|noise| Round {
            value: 100_000.0 * factor * noise,
            cpu: Some(6_250.0 / factor),
            also: vec![Also { name: "lost".to_owned(), unit: "%".to_owned(), value: 0.0 }],
        });
        Entrant { contender, failed: None, rounds: rounds.into() }
    };
    let mut failed = entrant(Contender::LimitXdp, 9.0);
    failed.failed = Some("round 2: 900 of 1000 frames arrived".to_owned());
    Measured {
        id: id.to_owned(),
        title: format!("Sample of {id}"),
        unit: "frames/s".to_owned(),
        better: Better::More,
        cpu_per: Some("frame".to_owned()),
        seconds: 12.0,
        entrants: vec![
            entrant(Contender::Kernel, 1.0),
            entrant(Contender::VxbpfTc, 4.0),
            entrant(Contender::LimitTc, 5.0),
            failed,
        ],
    }
}

/// A run of measurements with these names.
pub(super) fn run(date: &str, ids: &[&str]) -> Run {
    Run {
        form: FORM,
        environment: Environment {
            date: date.parse().unwrap(),
            vxbpf: "0.1.0".to_owned(),
            commit: Some("0123456789ab".to_owned()),
            rustc: "rustc 1.95.0".to_owned(),
            kernel: "6.18.0".to_owned(),
            cpu: "A CPU".to_owned(),
            cores: 2,
            memory: 25_276_375_040,
            busy: 0.04,
            virtualised: true,
            mitigations: [("spectre_v1".to_owned(), "Mitigation: barriers".to_owned())].into(),
            sysctls: [("net.core.bpf_jit_enable".to_owned(), "1".to_owned())].into(),
            tools: [("iperf3".to_owned(), "iperf 3.12".to_owned())].into(),
        },
        settings: Settings { rounds: 3, quick: false, wire: Wire::Mtu, client_cpu: 0, server_cpu: 1 },
        programs: vec![Program {
            name: "xdp_from_port".to_owned(),
            instructions: 1234,
            verified: Some(5678),
        }],
        measurements: ids.iter().map(|id| measured(id)).collect(),
    }
}
