//! docs/BENCHMARKS.md and its charts, made from the runs that are kept and the notes about them.

mod targets;

use anyhow::Result;

use super::{
    archive::Archive,
    chart,
    contender::Contender,
    groups::{self, Group},
    header,
    measure::Wire,
    model::{Measured, Run},
    notes::{self, Note},
    table::{self, Cells},
    targets::TARGETS,
};

const INTRODUCTION: &str = "\
# Benchmarks

Written by `cargo xtask bench`, which measures vxbpf beside the kernel's VXLAN driver and beside the same path without
encapsulation, on one machine: two nodes and two pods in four network namespaces, joined by one veth pair as underlay.
What counts is what arrives in the receiving pod; who delivers fewer frames than were sent, or wrong ones, has failed
and has no figure. Learning, filters, ECN, counters and events are on, as shipped. Everyone is made ready, then rounds
alternate between them, so that what else happens on the machine meets all alike.

```
cargo xtask bench                     # everything; writes docs/benchmarks/DATE-mtu.json and this file
cargo xtask bench --wire gso          # the same with segmentation offload on the underlay
cargo xtask bench --quick             # a look of two minutes; writes nothing
cargo xtask bench frames tcp          # measurements by words of their names; writes nothing
cargo xtask bench --list              # what there is
cargo xtask bench --render            # this file again, from the runs that are kept
```

Compare ratios, not figures: all ends share the CPUs of one machine.
";

/// Makes the report of the runs that are kept. Gives what should be looked after.
pub fn write(archive: &Archive) -> Result<Vec<String>> {
    let runs = archive.runs()?;
    let notes = notes::parse(&archive.notes()?);
    archive.remove_charts()?;
    let (text, charts, complaints) = render(&runs, &notes)?;
    for (name, svg) in charts {
        archive.write(&format!("benchmarks/{name}"), &svg)?;
    }
    archive.write("BENCHMARKS.md", &text)?;
    Ok(complaints)
}

/// Charts by file name.
type Charts = Vec<(String, String)>;

fn render(runs: &[Run], notes: &[Note]) -> Result<(String, Charts, Vec<String>)> {
    let mut text = INTRODUCTION.to_owned();
    let mut charts = Charts::new();
    let judged: Vec<&Run> = runs.iter().filter(|run| run.settings.wire == Wire::Mtu).collect();
    let (section, complaints) = targets::section(&judged, notes);
    text += &section;
    for note in notes.iter().filter(|note| TARGETS.iter().all(|target| target.id != note.heading)) {
        text += &format!("\n## {}\n\n{}\n", note.heading, note.text);
    }
    text += &who();
    for wire in [Wire::Mtu, Wire::Gso] {
        if let Some(run) = runs.iter().find(|run| run.settings.wire == wire) {
            text += &results(run, &mut charts)?;
        }
    }
    Ok((text, charts, complaints))
}

fn who() -> String {
    let mut text = "\n## Who is compared\n\n".to_owned();
    for contender in Contender::ALL {
        text += &format!("- {}: {}.\n", naming(contender), contender.about());
    }
    text += "\nIn the tables below, `x kernel` and `x limit` are medians over the kernel's median and over that of the \
             limit at the\nsame hook; of times, less than 1 is better. The spread is from the smallest to the largest \
             round. CPU time is that of the\nwhole machine: generator, both nodes and both pods.\n";
    text
}

/// A run in full.
fn results(run: &Run, charts: &mut Charts) -> Result<String> {
    let wire = run.settings.wire.name();
    let mut text = format!("\n## Wire {wire}, {}\n\n", run.environment.date.strftime("%F"));
    for (name, value) in header::lines(run) {
        text += &format!("- {name}: {value}\n");
    }
    for (group, measurements) in groups::of(run) {
        text += &format!("\n### {}\n", group.title);
        if !group.about.is_empty() {
            text += &format!("\n{}\n", group.about);
        }
        text += &picture(run, &group, &measurements, charts)?;
        for measured in measurements {
            text += &in_full(measured);
        }
    }
    text += &instructions(run);
    Ok(text)
}

fn picture(run: &Run, group: &Group, measurements: &[&Measured], charts: &mut Charts) -> Result<String> {
    let Some(svg) = chart::svg(run, group, measurements)? else { return Ok(String::new()) };
    let name = format!("{}-{}.svg", run.settings.wire.name(), group.name);
    let text = format!("\n![{}](benchmarks/{name})\n", group.title);
    charts.push((name, svg));
    Ok(text)
}

fn in_full(measured: &Measured) -> String {
    let mut text = format!("\n**{}** (`{}`)\n\n", measured.title, measured.id);
    text += &table::of(measured, naming).markdown();
    for entrant in &measured.entrants {
        if let Some(why) = &entrant.failed {
            // Reasons may have lines of their own.
            let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
            text += &format!("\n{} failed: {why}\n", entrant.contender.name());
        }
    }
    text
}

fn instructions(run: &Run) -> String {
    if run.programs.is_empty() {
        return String::new();
    }
    let mut text = "\n### Instructions\n\nOf each program with its functions, as the kernel runs it: after the verifier \
                    took out what is never reached and put in\nwhat helpers do. `verified` is how many the verifier \
                    looked at, on all paths.\n\n"
        .to_owned();
    let mut cells = Cells::new(["program", "instructions", "verified"]);
    for program in &run.programs {
        let verified = program.verified.map_or_else(|| "-".to_owned(), |count| count.to_string());
        cells.row([format!("`{}`", program.name), program.instructions.to_string(), verified]);
    }
    text += &cells.markdown();
    text
}

/// Ours stand out.
fn naming(contender: Contender) -> String {
    if contender.is_ours() { format!("**{}**", contender.name()) } else { contender.name().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn the_newest_run_is_shown_in_full_and_all_by_their_targets() {
        let mut runs = vec![
            sample::run("2026-12-01T10:00:00Z", &["frames-64-1"]),
            sample::run("2026-11-26T10:00:00Z", &["frames-64-1"]),
        ];
        runs[1].measurements[0].entrants[1].rounds.iter_mut().for_each(|round| round.value /= 2.0);
        let notes = notes::parse("## tc-frames-limit\nIt is the look-up.\n\n## What is left\nMuch.\n");
        let (text, charts, complaints) = render(&runs, &notes).unwrap();
        assert_eq!(charts.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["mtu-frames.svg"]);
        for words in [
            "## Wire mtu, 2026-12-01",
            "![Frames per second](benchmarks/mtu-frames.svg)",
            "limit-xdp failed: round 2: 900 of 1000 frames arrived",
            "## What is left\n\nMuch.",
            "It is the look-up.",
            "| `xdp_from_port` |",
        ] {
            assert!(text.contains(words), "{words} is not in {text}");
        }
        assert!(!text.contains("## Wire mtu, 2026-11-26"), "{text}");
        let line = text.lines().find(|line| line.contains("TC, frames/s, 64 B, to kernel")).unwrap();
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let expected =
            ["", "TC, frames/s, 64 B, to kernel", "2.50x", "3.50x", "4.00x stretch", "**2.00x missed**", ""];
        assert_eq!(cells, expected);
        assert!(complaints.iter().any(|line| line.starts_with("xdp-frames-kernel")), "{complaints:?}");
        assert!(!complaints.iter().any(|line| line.starts_with("tc-frames-limit")), "{complaints:?}");
    }

    #[test]
    fn without_runs_it_still_says_how_to_make_one() {
        let (text, charts, complaints) = render(&[], &[]).unwrap();
        assert!(text.contains("cargo xtask bench") && charts.is_empty() && complaints.is_empty());
    }
}
