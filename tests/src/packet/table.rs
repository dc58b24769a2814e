//! Walking through a table of rows.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context as _, Result};
use vxbpf::netdev::IpVersion;
use vxbpf_common::DropReason;

use super::{
    bed::Bed,
    counts::Counts,
    pcap,
    row::{Action, Event, HELPER, Leaves, Row, Xdp},
    run::{Hook, Input, Outcome},
    version::over,
};

/// Runs rows, each for itself, in all hooks that it speaks of. Panics with all that fail.
///
/// # Panics
/// When a row fails, or there cannot be a bed to run it on.
pub fn run_rows(rows: &[Row]) {
    let names: HashSet<_> = rows.iter().map(|row| &row.name).collect();
    assert_eq!(names.len(), rows.len(), "two rows have the same name");
    let failures: Vec<String> = Bed::with(|bed| {
        let all = rows.iter().flat_map(|row| hooks(row).iter().map(move |hook| (row, *hook)));
        all.filter_map(|(row, hook)| check(bed, row, hook).err()).collect()
    })
    .expect("a test bed");
    assert!(
        failures.is_empty(),
        "{} of {} rows failed\n\n{}\n",
        failures.len(),
        rows.len(),
        failures.join("\n\n")
    );
}

/// Makes rows over an underlay of IPv4 and of IPv6, and runs them all.
///
/// # Panics
/// As [`run_rows`].
pub fn run_over_both(rows: fn() -> Vec<Row>) {
    run_rows(&[over(IpVersion::V4, rows), over(IpVersion::V6, rows)].concat());
}

/// The drop reasons that rows provoke.
pub fn reasons(rows: &[Row]) -> Vec<DropReason> {
    rows.iter().flat_map(|row| row.reasons.clone()).collect()
}

fn hooks(row: &Row) -> &'static [Hook] {
    match row.xdp {
        Xdp::None => &[Hook::Tc],
        Xdp::Only => &[Hook::Xdp],
        Xdp::Same | Xdp::Passes => &[Hook::Tc, Hook::Xdp],
    }
}

/// What a frame brought about.
struct Seen {
    outcome: Outcome,
    moved: Counts,
    copies: BTreeMap<String, Vec<Vec<u8>>>,
    events: Vec<Event>,
}

/// Runs a row in one hook; the error is a report for people.
fn check(bed: &mut Bed, row: &Row, hook: Hook) -> Result<(), String> {
    bed.prepare(row).map_err(|e| format!("`{}` in {hook:?}: {e:#}", row.name))?;
    meet(bed, row, hook)
}

/// Runs the frame of a row that everything is there for.
pub(super) fn meet(bed: &mut Bed, row: &Row, hook: Hook) -> Result<(), String> {
    let title = format!("`{}` in {hook:?}", row.name);
    let (seen, wrong) = walk(bed, row, hook).map_err(|e| format!("{title}: {e:#}"))?;
    if wrong.is_empty() {
        return Ok(());
    }
    let frames = [&row.input.frame, &seen.outcome.frame].into_iter().chain(seen.copies.values().flatten());
    let pcap = match pcap::write(&format!("{hook:?} {}", row.name), frames.map(Vec::as_slice)) {
        Ok(path) => format!("frame in, frame out, copies: {}", path.display()),
        Err(e) => format!("no pcap: {e:#}"),
    };
    Err(format!("{title}:\n  {}\n  {pcap}", wrong.join("\n  ")))
}

impl Bed {
    /// Runs a row's program, and compares nothing.
    pub fn outcome(&mut self, hook: Hook, row: &Row) -> Result<Outcome> {
        self.prepare(row)?;
        self.run(hook, &row.input)
    }

    /// Makes what a row presupposes, and nothing else.
    pub(super) fn prepare(&mut self, row: &Row) -> Result<()> {
        self.reset().context("reset")?;
        self.presuppose(row)
    }

    /// Makes what a row presupposes, beside what there is.
    pub(super) fn presuppose(&mut self, row: &Row) -> Result<()> {
        row.given
            .iter()
            .try_for_each(|given| self.give(row.vni, given).with_context(|| format!("given {given:?}")))
    }
}

fn walk(bed: &mut Bed, row: &Row, hook: Hook) -> Result<(Seen, Vec<String>)> {
    let mut input = row.input.clone();
    if input.dev == HELPER {
        input.dev.clone_from(&bed.helper);
    }
    let mut told = bed.instance.dataplane.events()?;
    while told.next().is_some() {}

    if hook == Hook::Tc || row.xdp != Xdp::Passes {
        let seen = see(bed, row.copies.len(), hook, &input)?;
        let mut wrong = [compare(row, hook, &seen), stations(bed, row)?].concat();
        // The second of two equal frames may take the decision of the first.
        if wrong.is_empty() && !row.once {
            let again = see(bed, row.copies.len(), hook, &input)?;
            let mut same = row.clone();
            same.events = None;
            let then = compare(&same, hook, &again);
            wrong.extend(then.into_iter().map(|wrong| format!("the same again: {wrong}")));
        }
        return Ok((seen, wrong));
    }
    let passed = see(bed, 0, Hook::Xdp, &input)?;
    let mut wrong = compare_passed(&input, &passed);
    // What XDP changed in spite of that is what TC meets.
    let input = Input { frame: passed.outcome.frame.clone(), ..input };
    let mut seen = see(bed, row.copies.len(), Hook::Tc, &input)?;
    seen.events.splice(0..0, passed.events);
    let then = compare(row, Hook::Tc, &seen);
    wrong.extend(then.into_iter().map(|wrong| format!("then in TC: {wrong}")));
    wrong.extend(stations(bed, row)?);
    Ok((seen, wrong))
}

fn see(bed: &Bed, copies: usize, hook: Hook, input: &Input) -> Result<Seen> {
    let mut told = bed.instance.dataplane.events()?;
    let before = Counts::of(&bed.instance.dataplane.stats()?);
    let listening = bed.wire.listen()?;
    let outcome = bed.run(hook, input)?;
    let copies = listening.hear(copies)?;
    let moved = Counts::of(&bed.instance.dataplane.stats()?).since(&before);
    let events = std::iter::from_fn(|| told.next()).map(|event| Event::of(&event)).collect();
    Ok(Seen { outcome, moved, copies, events })
}

fn compare_passed(input: &Input, seen: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    if seen.outcome.code != Action::Pass.code(Hook::Xdp) {
        wrong.push(format!("XDP action {}, not XDP_PASS", seen.outcome.code));
    }
    if seen.outcome.frame != input.frame {
        wrong.push(format!(
            "XDP passed it, but not untouched: {}",
            difference(&input.frame, &seen.outcome.frame)
        ));
    }
    if seen.moved != Counts::default() {
        wrong.push(format!("XDP passed it, but moved counters:{}", seen.moved));
    }
    if !seen.copies.is_empty() {
        wrong.push(format!("XDP passed it, but sent frames: {:?}", lengths(seen)));
    }
    wrong
}

fn compare(row: &Row, hook: Hook, seen: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    let code = row.action.code(hook);
    if seen.outcome.code != code {
        wrong.push(format!("action {}, not {code} ({:?})", seen.outcome.code.cast_signed(), row.action));
    }
    if let Some(frame) = row.leaves.expected(&row.input.frame, &seen.outcome.frame)
        && frame != seen.outcome.frame
    {
        wrong.push(format!("the frame leaves differently: {}", difference(&frame, &seen.outcome.frame)));
    }
    if hook == Hook::Tc && seen.outcome.mark != row.mark {
        wrong.push(format!("mark {:#x}, not {:#x}", seen.outcome.mark, row.mark));
    }
    if seen.moved != row.counts {
        wrong.push(format!("counters that moved:{}\n  and should have:{}", seen.moved, row.counts));
    }
    wrong.extend(compare_copies(row, seen));
    if let Some(events) = &row.events
        && *events != seen.events
    {
        wrong.push(format!("user space was told {:?}, not {events:?}", seen.events));
    }
    wrong
}

/// Each link has its copies in order, and no others.
fn compare_copies(row: &Row, seen: &Seen) -> Vec<String> {
    let mut expected: BTreeMap<&String, Vec<&Leaves>> = BTreeMap::new();
    for (dev, leaves) in &row.copies {
        expected.entry(dev).or_default().push(leaves);
    }
    let links: HashSet<&String> = expected.keys().copied().chain(seen.copies.keys()).collect();
    let none = (Vec::new(), Vec::new());
    let mut wrong = Vec::new();
    for link in links {
        let expected = expected.get(link).unwrap_or(&none.0);
        let copies = seen.copies.get(link).unwrap_or(&none.1);
        if expected.len() != copies.len() {
            wrong.push(format!(
                "{} frames on {link}, not {}: {:?}",
                copies.len(),
                expected.len(),
                lengths(seen)
            ));
        }
        for (leaves, copy) in expected.iter().zip(copies) {
            if let Some(frame) = leaves.expected(&row.input.frame, copy)
                && frame != *copy
            {
                wrong.push(format!("a frame on {link} is different: {}", difference(&frame, copy)));
            }
        }
    }
    wrong
}

fn lengths(seen: &Seen) -> BTreeMap<&String, Vec<usize>> {
    seen.copies.iter().map(|(link, frames)| (link, frames.iter().map(Vec::len).collect())).collect()
}

fn stations(bed: &Bed, row: &Row) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (mac, expected) in &row.stations {
        let place = bed.place(row.vni, *mac)?;
        if place != *expected {
            wrong.push(format!("station {mac} is at {place:?}, not {expected:?}"));
        }
    }
    Ok(wrong)
}

/// The first byte that is wrong, and what is around it.
fn difference(expected: &[u8], seen: &[u8]) -> String {
    let at = expected.iter().zip(seen).take_while(|(a, b)| a == b).count();
    let around =
        |bytes: &[u8]| bytes.iter().skip(at).take(12).map(|b| format!("{b:02x}")).collect::<String>();
    format!(
        "from byte {at}, {}… instead of {}… ({} bytes, not {})",
        around(seen),
        around(expected),
        seen.len(),
        expected.len()
    )
}
