//! What is to be reached, as data: the report says of each run whether it was.

use super::{
    contender::Contender::{self, Kernel, LimitTc, LimitXdp, VxbpfTc, VxbpfXdp},
    figures,
    measure::Better,
    model::{Run, ratio},
};

/// What a contender's median is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// That of another contender in the same measurement.
    Contender(Contender),
    /// Its own in another measurement.
    Measurement(&'static str),
    /// Nothing: the median itself, in the unit of its measurement.
    Nothing,
    /// Nothing, and not the median but the worst round: what must never happen.
    Never,
}

/// A target. Where small values are good ones, the figures are the largest allowed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, under which NOTES.md explains it.
    pub id: &'static str,
    /// What it is about, for people.
    pub what: &'static str,
    /// The measurement.
    pub measurement: &'static str,
    /// Who is to reach it, all of them.
    pub contenders: &'static [Contender],
    /// What its median is held against.
    pub against: Against,
    /// What must be reached.
    pub at_least: f64,
    /// What would be fine.
    pub stretch: Option<f64>,
}

const fn target(
    id: &'static str,
    what: &'static str,
    (measurement, contenders): (&'static str, &'static [Contender]),
    against: Against,
    at_least: f64,
    stretch: Option<f64>,
) -> Target {
    Target { id, what, measurement, contenders, against, at_least, stretch }
}

/// All of them, in the order of the report.
pub const TARGETS: &[Target] = &[
    target(
        "xdp-frames-kernel",
        "XDP, frames/s, 64 B, to kernel",
        ("frames-64-1", &[VxbpfXdp]),
        Against::Contender(Kernel),
        8.0,
        Some(10.0),
    ),
    target(
        "xdp-frames-limit",
        "XDP, frames/s, 64 B, to limit-xdp",
        ("frames-64-1", &[VxbpfXdp]),
        Against::Contender(LimitXdp),
        0.85,
        Some(0.97),
    ),
    target(
        "tc-frames-kernel",
        "TC, frames/s, 64 B, to kernel",
        ("frames-64-1", &[VxbpfTc]),
        Against::Contender(Kernel),
        2.5,
        Some(3.5),
    ),
    target(
        "tc-frames-limit",
        "TC, frames/s, 64 B, to limit-tc",
        ("frames-64-1", &[VxbpfTc]),
        Against::Contender(LimitTc),
        0.65,
        Some(0.85),
    ),
    target(
        "tcp-kernel",
        "TC, one TCP stream, to kernel",
        ("tcp-1", &[VxbpfTc]),
        Against::Contender(Kernel),
        1.2,
        Some(1.3),
    ),
    target(
        "tcp-limit",
        "TC, one TCP stream, to limit-tc",
        ("tcp-1", &[VxbpfTc]),
        Against::Contender(LimitTc),
        0.95,
        Some(1.0),
    ),
    target(
        "rr-kernel",
        "TC, time of TCP request and response (p50), to kernel",
        ("rr-tcp", &[VxbpfTc]),
        Against::Contender(Kernel),
        0.9,
        Some(0.85),
    ),
    target(
        "rr-limit",
        "TC, time of TCP request and response (p50), to limit-tc",
        ("rr-tcp", &[VxbpfTc]),
        Against::Contender(LimitTc),
        1.05,
        None,
    ),
    target(
        "tc-arp-kernel",
        "TC, ARP proxy replies/s, to kernel",
        ("arp", &[VxbpfTc]),
        Against::Contender(Kernel),
        3.0,
        None,
    ),
    target(
        "xdp-arp-kernel",
        "XDP, ARP proxy replies/s, to kernel",
        ("arp", &[VxbpfXdp]),
        Against::Contender(Kernel),
        3.0,
        Some(8.0),
    ),
    target(
        "replication-kernel",
        "TC, replication to 128 remotes, copies/s, to kernel",
        ("replication-128", &[VxbpfTc]),
        Against::Contender(Kernel),
        1.5,
        Some(3.0),
    ),
    target(
        "tc-fdb-large",
        "TC, frames/s with 1 Mi FDB entries, to one entry",
        ("fdb-1048576", &[VxbpfTc]),
        Against::Measurement("fdb-1"),
        0.8,
        Some(0.9),
    ),
    target(
        "xdp-fdb-large",
        "XDP, frames/s with 1 Mi FDB entries, to one entry",
        ("fdb-1048576", &[VxbpfXdp]),
        Against::Measurement("fdb-1"),
        0.8,
        Some(0.9),
    ),
    target(
        "loading",
        "loading 1,000,000 entries",
        ("loading-1m", &[VxbpfTc]),
        Against::Nothing,
        3.0,
        Some(1.0),
    ),
    target(
        "loading-kernel",
        "loading 1,000,000 entries, time to `bridge -batch`",
        ("loading-1m", &[VxbpfTc]),
        Against::Contender(Kernel),
        0.2,
        None,
    ),
    target(
        "lost-kill",
        "packets lost on kill -9",
        ("lost-kill", &[VxbpfTc, VxbpfXdp]),
        Against::Never,
        0.0,
        Some(0.0),
    ),
    target(
        "lost-restart",
        "packets lost on restart",
        ("lost-restart", &[VxbpfTc, VxbpfXdp]),
        Against::Never,
        0.0,
        Some(0.0),
    ),
    target(
        "lost-upgrade",
        "packets lost on upgrade",
        ("lost-upgrade", &[VxbpfTc, VxbpfXdp]),
        Against::Never,
        0.0,
        Some(0.0),
    ),
    target(
        "lost-reapply",
        "packets lost on re-apply",
        ("lost-reapply", &[VxbpfTc, VxbpfXdp]),
        Against::Never,
        0.0,
        Some(0.0),
    ),
];

/// How a target fared in a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// What was reached.
    pub reached: f64,
    /// Whether that is at least what must be.
    pub held: bool,
    /// Whether it is the stretch as well; none where there is no stretch.
    pub stretched: Option<bool>,
}

impl Target {
    /// How it fared: what the worst of its contenders reached. None if it was not measured, or somebody failed.
    pub fn outcome(&self, run: &Run) -> Option<Outcome> {
        let better = run.measured(self.measurement)?.better;
        let mut all = self.contenders.iter().map(|contender| self.reached(run, *contender));
        let first = all.next()??;
        let reached = all.try_fold(first, |worst, reached| {
            let reached = reached?;
            Some(match better {
                Better::More => worst.min(reached),
                Better::Less => worst.max(reached),
            })
        })?;
        let meets = |figure: f64| match better {
            Better::More => reached >= figure,
            Better::Less => reached <= figure,
        };
        Some(Outcome { reached, held: meets(self.at_least), stretched: self.stretch.map(meets) })
    }

    fn reached(&self, run: &Run, contender: Contender) -> Option<f64> {
        let measured = run.measured(self.measurement)?;
        let summary = measured.summary(contender)?;
        match self.against {
            Against::Contender(other) => measured.ratio(contender, other),
            Against::Measurement(other) => {
                ratio(summary.median, run.measured(other)?.summary(contender)?.median)
            }
            Against::Nothing => Some(summary.median),
            Against::Never => Some(match measured.better {
                Better::More => summary.min,
                Better::Less => summary.max,
            }),
        }
    }

    /// One of its figures, or what was reached, for people. `run` knows the unit.
    pub fn show(&self, figure: f64, run: &Run) -> String {
        match self.against {
            Against::Contender(_) | Against::Measurement(_) => figures::times(figure),
            Against::Nothing | Against::Never => {
                let unit = run.measured(self.measurement).map_or("", |measured| measured.unit.as_str());
                match figures::heading(unit) {
                    "time" => figures::value(figure, unit),
                    unit => format!("{} {unit}", figures::short(figure)).trim_end().to_owned(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::sample, *};

    fn to(against: Against, at_least: f64, stretch: Option<f64>) -> Target {
        target("t", "T", ("frames", &[VxbpfTc]), against, at_least, stretch)
    }

    #[test]
    fn targets_are_held_by_ratio_or_by_value() {
        let mut run = sample::run("2026-11-26T10:00:00Z", &["frames", "other"]);
        let outcome = |target: Target, run: &Run| {
            let outcome = target.outcome(run).unwrap();
            (outcome.reached, outcome.held, outcome.stretched)
        };
        let kernel = Against::Contender(Kernel);
        assert_eq!(outcome(to(kernel, 3.5, Some(4.0)), &run), (4.0, true, Some(true)));
        assert_eq!(outcome(to(kernel, 3.5, Some(4.5)), &run), (4.0, true, Some(false)));
        assert_eq!(outcome(to(kernel, 4.5, None), &run), (4.0, false, None));
        assert_eq!(outcome(to(Against::Measurement("other"), 0.8, None), &run), (1.0, true, None));
        assert_eq!(outcome(to(Against::Nothing, 500_000.0, None), &run), (400_000.0, false, None));
        assert_eq!(outcome(to(Against::Never, 0.0, None), &run), (392_000.0, true, None));
        run.measurements[0].better = Better::Less;
        assert_eq!(outcome(to(Against::Never, 0.0, None), &run), (408_000.0, false, None), "the worst round");
        assert_eq!(
            outcome(to(kernel, 3.5, None), &run),
            (4.0, false, None),
            "a time of four times is too long"
        );
        assert_eq!(outcome(to(Against::Nothing, 500_000.0, None), &run), (400_000.0, true, None));
    }

    #[test]
    fn all_who_are_to_reach_a_target_must() {
        let run = sample::run("2026-11-26T10:00:00Z", &["frames"]);
        let both = |contenders: &'static [Contender]| {
            let target = target("t", "T", ("frames", contenders), Against::Contender(Kernel), 5.0, None);
            target.outcome(&run).map(|outcome| (outcome.reached, outcome.held))
        };
        assert_eq!(both(&[LimitTc]), Some((5.0, true)));
        assert_eq!(both(&[LimitTc, VxbpfTc]), Some((4.0, false)));
        assert_eq!(both(&[LimitTc, LimitXdp]), None, "limit-xdp failed");
    }

    #[test]
    fn what_failed_or_was_not_measured_has_no_outcome() {
        let run = sample::run("2026-11-26T10:00:00Z", &["frames"]);
        assert_eq!(to(Against::Contender(LimitXdp), 1.0, None).outcome(&run), None, "limit-xdp failed");
        assert_eq!(to(Against::Contender(Contender::Bridge), 1.0, None).outcome(&run), None);
        assert_eq!(to(Against::Measurement("nowhere"), 1.0, None).outcome(&run), None);
    }

    #[test]
    fn targets_have_names_of_their_own() {
        let names: BTreeSet<_> = TARGETS.iter().map(|target| target.id).collect();
        assert_eq!(names.len(), TARGETS.len());
    }
}
