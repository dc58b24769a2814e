//! How vxbpf behaves, tried beside the kernel's VXLAN driver. Each behaviour is written once and played by nodes of
//! the kernel (the oracle: if that fails the test is wrong), by nodes of ours, and by both together.
//!
//! A whole run gives the table docs/CONFORMANCE.md: `cargo xtask conformance` writes it, and a run without that wish
//! fails if the file says something else. The names of the tests are sentences; any part of one filters.

#![allow(clippy::unwrap_used, reason = "a panic is the report, in what tests share as well")]

mod behaviour;
mod beside;
mod fdb;
mod flooding;
mod headers;
mod learning;
mod mtu;
mod multicast;
mod neighbours;
mod permission;
mod several;
mod strictness;
mod table;
mod underlay;
mod vlan;
mod words;

use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
};

use libtest_mimic::Trial;
use vxbpf_tests::stage::Stage;

use behaviour::Group;
use table::Results;

/// In the order of the table.
const GROUPS: &[Group] = &[
    fdb::GROUP,
    flooding::GROUP,
    learning::GROUP,
    headers::GROUP,
    strictness::GROUP,
    mtu::GROUP,
    neighbours::GROUP,
    underlay::GROUP,
    multicast::GROUP,
    several::GROUP,
    permission::GROUP,
    vlan::GROUP,
    beside::GROUP,
];

fn main() -> ExitCode {
    let (arguments, filters) = words::parse(std::env::args());
    let results = Arc::new(Mutex::new(Results::default()));
    let mut trials = Vec::new();
    for group in GROUPS {
        for behaviour in group.behaviours {
            for players in behaviour.players() {
                for &underlay in behaviour.underlays {
                    let name = format!("{}: {} [{players}, {underlay}]", group.title, behaviour.name);
                    let results = Arc::clone(&results);
                    trials.push(Trial::test(name, move || {
                        let key = (behaviour.name, players, underlay);
                        table::note(&results, key, false);
                        (behaviour.run)(&mut Stage::create(players, underlay, &behaviour.plan));
                        table::note(&results, key, true);
                        Ok(())
                    }));
                }
            }
        }
    }
    let all = trials.len();
    trials.retain(|trial| words::wanted(trial.name(), &filters));
    let whole = trials.len() == all && arguments.skip.is_empty() && !arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    if whole && conclusion.num_filtered_out == 0 {
        let table = table::render(GROUPS, &results.lock().unwrap());
        if let Err(why) = table::keep(&table) {
            use std::io::Write as _;
            // A closed terminal is not what this is about.
            let _ = writeln!(std::io::stderr(), "{why}");
            return ExitCode::FAILURE;
        }
    }
    conclusion.exit_code()
}
