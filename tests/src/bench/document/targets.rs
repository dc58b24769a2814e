//! The targets in the report: a line for each, a column for each run, and why what was missed was.

use super::super::{
    model::Run,
    notes::Note,
    table::Cells,
    targets::{Outcome, TARGETS, Target},
};

/// The section, and the names of targets of the newest run that were missed without a note.
pub(super) fn section(runs: &[&Run], notes: &[Note]) -> (String, Vec<String>) {
    let Some(newest) = runs.first() else { return (String::new(), Vec::new()) };
    let mut text = "\n## Targets\n\nOf runs over wire mtu. A figure of `Nx` is a ratio of medians; of times, it is the \
                    largest allowed. \"held\" is at least\nwhat must be, \"stretch\" is what we hoped for.\n\n"
        .to_owned();
    let dates: Vec<String> = runs.iter().map(|run| run.environment.date.strftime("%F").to_string()).collect();
    let headers = ["target", "at least", "stretch"].into_iter().chain(dates.iter().map(String::as_str));
    let mut cells = Cells::new(headers);
    for target in TARGETS {
        let stretch = target.stretch.map_or_else(|| "-".to_owned(), |figure| target.show(figure, newest));
        let first = [target.what.to_owned(), target.show(target.at_least, newest), stretch];
        cells.row(first.into_iter().chain(runs.iter().map(|run| fared(target, run))));
    }
    text += &cells.markdown();

    let mut complaints = Vec::new();
    for target in TARGETS {
        let note = notes.iter().find(|note| note.heading == target.id);
        if let Some(note) = note {
            text += &format!("\n- **{}**: {}\n", target.what, note.text.replace('\n', "\n  "));
        }
        match target.outcome(newest) {
            None => complaints.push(format!("{}: not measured, or somebody failed", target.id)),
            Some(Outcome { held: false, .. }) => complaints.push(format!("{}: missed", target.id)),
            Some(Outcome { stretched: Some(false), .. }) if note.is_none() => {
                complaints
                    .push(format!("{}: its stretch is missed, and NOTES.md does not say why", target.id));
            }
            Some(_) => {}
        }
    }
    (text, complaints)
}

fn fared(target: &Target, run: &Run) -> String {
    let Some(outcome) = target.outcome(run) else { return "-".to_owned() };
    let reached = target.show(outcome.reached, run);
    match outcome {
        Outcome { held: false, .. } => format!("**{reached} missed**"),
        Outcome { stretched: Some(true), .. } if target.stretch != Some(target.at_least) => {
            format!("{reached} stretch")
        }
        Outcome { .. } => format!("{reached} held"),
    }
}
