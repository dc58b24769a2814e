//! Which measurements belong together in the report: one heading and one chart each.

use super::model::{Measured, Run};

/// Measurements that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Its name, in file names.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What is done, for people.
    pub about: &'static str,
    /// What the names of its measurements begin with: whole words.
    prefixes: &'static [&'static str],
}

/// All, in the order of the report.
const GROUPS: &[Group] = &[Group {
    name: "frames",
    title: "Frames per second",
    about: "Frames are injected at the port of one pod and counted in the other.",
    prefixes: &["frames"],
}];

/// What belongs to no group.
const OTHERS: Group = Group { name: "others", title: "Others", about: "", prefixes: &[] };

impl Group {
    fn has(&self, id: &str) -> bool {
        self.prefixes.iter().any(|prefix| {
            id.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    }
}

/// The measurements of a run by group. Empty groups are left out.
pub fn of(run: &Run) -> Vec<(Group, Vec<&Measured>)> {
    let grouped = |id: &str| GROUPS.iter().any(|group| group.has(id));
    let members = |belongs: &dyn Fn(&str) -> bool| {
        run.measurements.iter().filter(|measured| belongs(&measured.id)).collect::<Vec<_>>()
    };
    let known = GROUPS.iter().map(|group| (*group, members(&|id| group.has(id))));
    let others = (OTHERS, members(&|id| !grouped(id)));
    known.chain([others]).filter(|(_, measured)| !measured.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn nothing_is_lost() {
        let run = sample::run("2026-11-26T10:00:00Z", &["frames-64-1", "something-new", "framesize"]);
        let groups = of(&run);
        let names: Vec<_> = groups.iter().map(|(group, measured)| (group.name, measured.len())).collect();
        assert_eq!(names, [("frames", 1), ("others", 2)]);
    }
}
