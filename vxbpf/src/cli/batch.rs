//! `vxbpf -batch FILE`: a command in each line, as `ip -batch` and `bridge -batch` have it, all in one process. Lines about
//! entries that follow each other are carried out together, so that a million of them take seconds.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory as _};

use super::{Cli, Globals, Verb, act, failure, fdb::FdbArgs, neigh::NeighArgs, output::Closed, parse_by};
use crate::{Error, dataplane::Dataplane};

mod input;

use input::{Block, Input, Line, Lines};

/// The batch.
#[derive(Debug, Args)]
pub(super) struct BatchArgs {
    /// Carry out the commands in the lines of a file, - for stdin: one each, without `vxbpf`, comments behind #
    #[arg(short = 'b', long = "batch", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Go on after lines that fail
    #[arg(long, requires = "file")]
    force: bool,
}

impl BatchArgs {
    /// Whether there is a batch.
    pub(super) fn is_given(&self) -> bool {
        self.file.is_some()
    }
}

pub(super) fn run(args: &BatchArgs, globals: &Globals) -> anyhow::Result<ExitCode> {
    let mut input = Input::open(args.file.as_deref().unwrap_or_else(|| "-".as_ref()))?;
    let mut dataplane = globals.open()?;
    let command = Cli::command();
    let mut batch =
        Batch { name: input.name().to_owned(), force: args.force, globals, command, failed: false };
    while let Some(block) = input.block()? {
        if !dataplane.exclusive(|dataplane| batch.carry_out(&block, dataplane))? {
            break;
        }
    }
    Ok(ExitCode::from(if batch.failed { failure::FAILED } else { 0 }))
}

struct Batch<'a> {
    name: String,
    force: bool,
    globals: &'a Globals,
    /// The definition of the arguments.
    command: clap::Command,
    failed: bool,
}

/// Why a line failed.
enum Failure {
    /// It cannot be read.
    Usage(clap::Error),
    /// It cannot be done.
    Other(anyhow::Error),
}

impl Batch<'_> {
    /// Carries out commands; whether to go on.
    fn carry_out(&mut self, block: &Block, dataplane: &mut Dataplane) -> crate::Result<bool> {
        let mut lines = block.lines();
        while let Some(line) = lines.clone().next() {
            let (entries, behind) = entries_first(&lines);
            let failures = if entries == 0 {
                lines.next();
                self.other(&line, dataplane).err().map(|e| (line.number, e)).into_iter().collect()
            } else {
                let failures = dataplane
                    .bulk(entries, |dataplane| self.entries(lines.clone().take(entries), dataplane))?;
                lines = behind;
                failures
            };
            for (number, failure) in failures {
                let place = format!("{}:{number}", self.name);
                match failure {
                    // Nobody reads any more.
                    Failure::Other(error) if error.is::<Closed>() => return Ok(false),
                    Failure::Other(error) => failure::report_at(&place, &error),
                    Failure::Usage(error) => failure::report_usage_at(&place, &error),
                }
                self.failed = true;
                if !self.force {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Makes changes of entries, all or until one fails; gives those that failed.
    fn entries<'a>(
        &mut self,
        lines: impl Iterator<Item = Line<'a>>,
        dataplane: &mut Dataplane,
    ) -> Vec<(usize, Failure)> {
        let mut failures = Vec::new();
        for line in lines {
            let usual = FdbArgs::usual(line.words()).map(Verb::Fdb);
            let usual = usual.or_else(|| NeighArgs::usual(line.words()).map(Verb::Neigh));
            let done = match usual {
                Some(verb) => act(&verb, self.globals, dataplane).map_err(Failure::Other),
                None => self.other(&line, dataplane),
            };
            if let Err(failure) = done {
                failures.push((line.number, failure));
                if !self.force {
                    break;
                }
            }
        }
        failures
    }

    /// Does what any line asks for.
    fn other(&mut self, line: &Line<'_>, dataplane: &mut Dataplane) -> Result<(), Failure> {
        let globals = self.globals;
        let first = ["vxbpf".to_owned(), format!("--instance={}", globals.instance)];
        let words = first.into_iter().map(OsString::from).chain(line.words().map(OsString::from));
        let mut cli = parse_by(&mut self.command, words).map_err(Failure::Usage)?;
        cli.globals.json |= globals.json;
        cli.globals.pretty |= globals.pretty;
        cli.globals.statistics |= globals.statistics;
        cli.globals.quiet |= globals.quiet;
        let done = match &cli.verb {
            Some(verb) => act(verb, &cli.globals, dataplane),
            None => Err(Error::invalid("batch", "not one that can stand in a batch").into()),
        };
        done.map_err(Failure::Other)
    }
}

/// How many changes of entries come first, and what is behind them.
fn entries_first<'a>(lines: &Lines<'a>) -> (usize, Lines<'a>) {
    let (mut entries, mut behind) = (0, lines.clone());
    loop {
        let mut next = behind.clone();
        if !next.next().is_some_and(|line| is_entry(&line)) {
            return (entries, behind);
        }
        (entries, behind) = (entries + 1, next);
    }
}

/// Whether a line is about a change of an entry, which can be made together with those around it.
fn is_entry(line: &Line<'_>) -> bool {
    let mut words = line.words();
    match (words.next(), words.next()) {
        (Some("fdb"), Some(verb)) => matches!(verb, "add" | "append" | "replace" | "del" | "delete"),
        (Some("neigh"), Some(verb)) => matches!(verb, "add" | "replace" | "del" | "delete"),
        _ => false,
    }
}
