//! What xtask itself says, on stderr: stdout belongs to the programs it runs. A closed terminal must
//! not stop the cleanup, so write errors are ignored.

use std::fmt;
use std::io::Write as _;
use std::io::stderr;

/// One line (or a few) as it is.
pub(crate) fn line(text: impl fmt::Display) {
    // The test harness does not capture this, and made-up errors in its output mislead.
    if !cfg!(test) {
        let _ = writeln!(stderr(), "{text}");
    }
}

/// What is done next.
pub(crate) fn step(text: impl fmt::Display) {
    line(format_args!("==> {text}"));
}
