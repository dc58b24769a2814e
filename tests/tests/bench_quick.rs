//! The whole benchmark runs, at a glance (`--quick`), and everyone delivers in every measurement what was sent. Its
//! figures, of a debug build on a machine that does other things, are judged by nobody.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
};

use vxbpf_tests::bench::{measure::Measure, model::Run, suite};

/// Names of contenders by measurement.
type Entries = BTreeMap<String, Vec<&'static str>>;

#[test]
fn a_look_has_every_contender_in_every_measurement_deliver_what_it_should() {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("run.json");
    let mut bench = Command::new(env!("CARGO_BIN_EXE_vxbpf-bench"));
    bench.args(["--quick", "--rounds", "1", "--json"]).arg(&json).stdin(Stdio::null());
    let output = bench.output().unwrap();
    let said = format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");

    let run: Run = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    let failures: Vec<_> = run.failures().map(|(measured, who, why)| (&measured.id, who, why)).collect();
    assert!(failures.is_empty(), "{failures:?}\n{said}");
    let entry = |measure: &dyn Measure| {
        (measure.id(), measure.contenders().iter().map(|contender| contender.name()).collect())
    };
    let wanted: Entries = suite::wanted(&[]).iter().map(|measure| entry(measure.as_ref())).collect();
    let played = run.measurements.iter().map(|measured| {
        let delivered = measured.entrants.iter().filter(|entrant| entrant.rounds.len() == 1);
        (measured.id.clone(), delivered.map(|entrant| entrant.contender.name()).collect())
    });
    assert_eq!(played.collect::<Entries>(), wanted, "{said}");
    assert!(run.programs.iter().all(|program| program.instructions > 0), "{:?}", run.programs);
    assert!(said.contains("A look (--quick), not a measurement"), "{said}");
}
