//! What a run is at, on stderr: a bar where somebody watches, else a line for each measurement.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where a run is.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
    terminal: bool,
    measurements: usize,
    begun: usize,
    silent: bool,
}

impl Progress {
    /// Of a run of so many measurements.
    pub fn new(measurements: usize) -> Self {
        let terminal = stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:24} {elapsed} {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, terminal, measurements, begun: 0, silent: false }
    }

    /// Of a run that says nothing.
    #[cfg(test)]
    pub(super) fn silent() -> Self {
        Self { bar: ProgressBar::hidden(), terminal: false, measurements: 0, begun: 0, silent: true }
    }

    /// A measurement of so many steps begins.
    pub fn begin(&mut self, id: &str, steps: usize) {
        self.begun += 1;
        let prefix = format!("[{:>2}/{}] {id}", self.begun, self.measurements);
        if !self.terminal {
            self.say(&prefix);
        }
        self.bar.reset();
        self.bar.set_length(u64::try_from(steps).unwrap_or(u64::MAX));
        self.bar.set_prefix(prefix);
    }

    /// What is done now.
    pub fn doing(&self, what: String) {
        self.bar.set_message(what);
    }

    /// A step is done, or will not be.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// The measurement is done.
    pub fn end(&self, seconds: f64) {
        self.bar.set_message("");
        if !self.terminal {
            let took = Duration::from_secs_f64(seconds.max(0.0));
            self.say(&format!("        {:.1} s", took.as_secs_f64()));
        }
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        if self.silent {
            return;
        }
        // A closed terminal is not what this is about.
        self.aside(|| drop(writeln!(stderr(), "{line}")));
    }

    /// Does something that prints, with the bar out of the way.
    pub fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        self.bar.suspend(work)
    }

    /// Nothing more comes.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
