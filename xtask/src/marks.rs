//! Looks for marks of unfinished work: what is not done belongs in an issue, not in the tree.

use std::fs;
use std::path::Path;

use crate::failure::{Failure, Result};
use crate::say;
use crate::workspace::Workspace;

/// Taken apart, so that this file does not find itself.
const MARKS: [&str; 6] = [
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[", "ignore"),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// Fails when a Rust file that git knows, or would add, holds one.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut list = workspace.command("git");
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.rs"]);
    let Some(files) = workspace.probe(&mut list) else {
        say::line("lint: not a git checkout: not looking for unfinished marks");
        return Ok(());
    };
    let found: Vec<_> = files
        .split('\0')
        .filter(|file| !file.is_empty())
        .flat_map(|file| marks_in_file(workspace.root(), file))
        .collect();
    if found.is_empty() {
        return Ok(());
    }
    for place in &found {
        say::line(place);
    }
    Err(Failure::new(
        format!("unfinished marks in the tree: {}", found.len()),
        "finish them, or describe them in an issue and remove the marks",
    ))
}

fn marks_in_file(root: &Path, file: &str) -> Vec<String> {
    // A file that git knows and that is gone or not text is not ours to judge.
    let Ok(text) = fs::read_to_string(root.join(file)) else { return Vec::new() };
    let marks = marks_in(&text).into_iter();
    marks.map(|(line, mark)| format!("{file}:{line}: {mark}")).collect()
}

/// Line numbers and marks.
fn marks_in(text: &str) -> Vec<(usize, &'static str)> {
    let lines = (1..).zip(text.lines());
    lines
        .filter_map(|(number, line)| MARKS.into_iter().find(|mark| line.contains(mark)).map(|m| (number, m)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_with_their_line() {
        for mark in MARKS {
            assert_eq!(marks_in(&format!("fn f() {{\n    {mark}\n}}\n")), [(2, mark)]);
        }
    }

    #[test]
    fn finished_code_has_none() {
        assert!(marks_in("/// To do this, call `ignore()`.\nfn fix_me() {}\n").is_empty());
    }
}
