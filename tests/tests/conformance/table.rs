//! The table of a whole run, docs/CONFORMANCE.md. Nothing in it changes from one run to the next unless a behaviour
//! does: no times, no versions.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use vxbpf_tests::stage::{Hook, Players, Underlay};

use crate::behaviour::{Behaviour, Group};

/// Who says that the file is to be written.
const WRITE: &str = "VXBPF_CONFORMANCE";

/// A behaviour by its name, who played it, over what.
pub(crate) type Key = (&'static str, Players, Underlay);

/// Whether it held.
pub(crate) type Results = BTreeMap<Key, bool>;

/// Notes a result. One that does not end well ends as it began.
pub(crate) fn note(results: &Mutex<Results>, key: Key, held: bool) {
    if let Ok(mut results) = results.lock() {
        results.insert(key, held);
    }
}

const HEAD: &str = "\
# How vxbpf behaves beside the kernel

Written by `cargo xtask conformance`, which tries everything below: each behaviour is one stimulus and one
expectation, in `tests/tests/conformance/`, played in network namespaces by nodes of the kernel's VXLAN driver (if
that fails the test is wrong), by nodes of vxbpf in mode tc and in mode xdp, and by both together: one of ours
among kernels, and one kernel among ours. Frames are sent and heard through packet sockets, and counted in every
pod and on every wire.

| cell | means |
|---|---|
| yes | it holds, over every underlay it was tried over |
| differs | vxbpf does something else, deliberately: the note says what, and that is what was tried |
| n/a | not tried: XDP leaves this traffic to TC, or has no part in it |
| **FAILS** | it does not hold |

\"Fails if\" in a note is a change of the code with which the behaviour was seen to fail.
";

/// The whole file.
pub(crate) fn render(groups: &[Group], results: &Results) -> String {
    let mut text = HEAD.to_owned();
    for group in groups {
        let _ = write!(text, "\n## {}\n\n", group.title);
        text.push_str(
            "| behaviour | kernel | vxbpf tc | vxbpf xdp | mixed | note |\n|---|---|---|---|---|---|\n",
        );
        for behaviour in group.behaviours {
            let cells = [
                cell(behaviour, results, &[Players::Kernel]),
                cell(behaviour, results, &[Players::Ours(Hook::Tc)]),
                cell(behaviour, results, &[Players::Ours(Hook::Xdp)]),
                cell(behaviour, results, &[Players::OursAmongKernels, Players::KernelAmongOurs]),
            ];
            let _ = writeln!(text, "| {} | {} | {} |", behaviour.name, cells.join(" | "), remark(behaviour));
        }
    }
    text
}

fn cell(behaviour: &Behaviour, results: &Results, players: &[Players]) -> String {
    let of = |((name, who, _), _): &(&Key, &bool)| *name == behaviour.name && players.contains(who);
    let mine: Vec<_> = results.iter().filter(of).collect();
    let failed: Vec<_> = mine.iter().filter(|(_, held)| !**held).collect();
    if mine.is_empty() {
        return "n/a".to_owned();
    }
    if !failed.is_empty() {
        let who = failed.iter().map(|((_, who, underlay), _)| format!("{who}, {underlay}"));
        return format!("**FAILS** ({})", who.collect::<Vec<_>>().join("; "));
    }
    let kernel = players == [Players::Kernel];
    if behaviour.differs.is_some() && !kernel { "differs" } else { "yes" }.to_owned()
}

fn remark(behaviour: &Behaviour) -> String {
    let fails = (!behaviour.fails_if.is_empty()).then(|| format!("Fails if {}.", behaviour.fails_if));
    let parts: Vec<_> = behaviour.differs.map(sentence).into_iter().chain(fails).collect();
    parts.join(" ")
}

/// With a capital and a full stop.
fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CONFORMANCE.md")
}

/// Writes the file, or says why it is not what it should be.
pub(crate) fn keep(table: &str) -> Result<(), String> {
    let file = file();
    let before = fs::read_to_string(&file).unwrap_or_default();
    if before == table {
        return Ok(());
    }
    if std::env::var_os(WRITE).is_some_and(|wish| wish == "write") {
        let dir = file.parent().unwrap_or(Path::new("."));
        return fs::create_dir_all(dir)
            .and_then(|()| fs::write(&file, table))
            .map_err(|e| format!("error: write docs/CONFORMANCE.md: {e}"));
    }
    let old: Vec<_> = before.lines().collect();
    let new: Vec<_> = table.lines().collect();
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("-{line}\n"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+{line}\n"));
    let changes: String = gone.chain(come).collect();
    Err(format!(
        "error: docs/CONFORMANCE.md is not what this run found:\n{changes}hint: `cargo xtask conformance` writes it"
    ))
}
