//! Errors as people read them: one `error:` line, a `hint:` where one is known, and the exit status.

use std::{
    error::Error as _,
    io::{self, Write},
    process::ExitCode,
};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::output::Closed;
use crate::Error;

/// Exit status of a command that could not do what it was asked to.
pub(super) const FAILED: u8 = 1;
/// Exit status of arguments that ask for nothing we know.
const WRONG_USAGE: u8 = 2;

/// Reports what went wrong. With `log`, also what the verifier said.
pub(super) fn report(error: &anyhow::Error, log: bool) -> ExitCode {
    if error.is::<Closed>() {
        return ExitCode::SUCCESS;
    }
    let ours = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
    if let Some(text) = ours.and_then(Error::log).filter(|_| log) {
        complain(&format!("{}\n", text.trim_end()));
    }
    complain(&lines(&one_line(error), ours.and_then(Error::hint).as_deref()));
    ExitCode::from(FAILED)
}

/// Reports what went wrong in a line of a batch.
pub(super) fn report_at(place: &str, error: &anyhow::Error) {
    let ours = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
    complain(&lines(&format!("{place}: {}", one_line(error)), ours.and_then(Error::hint).as_deref()));
}

/// Reports what clap did not take of a line of a batch.
pub(super) fn report_usage_at(place: &str, error: &clap::Error) {
    complain(&lines(&format!("{place}: {}", what(error)), hint(error).as_deref()));
}

/// Answers arguments that clap did not take: help and the version with what they ask for, all else with an error.
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return match error.print() {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
                complain(&lines(&format!("write to stdout: {e}"), None));
                ExitCode::from(FAILED)
            }
            _ => ExitCode::SUCCESS,
        };
    }
    complain(&usage_text(error));
    ExitCode::from(WRONG_USAGE)
}

/// An error and what it came from, without saying anything twice.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

/// The two lines.
fn lines(error: &str, hint: Option<&str>) -> String {
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let error = format!("error: {}\n", flat(error));
    match hint {
        Some(hint) => format!("{error}hint: {}\n", flat(hint)),
        None => error,
    }
}

/// Diagnostics have nowhere else to go when stderr is closed.
fn complain(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// A usage error in the words of the command line: `dst ADDR` rather than `--dst <ADDR>`.
pub(super) fn usage_text(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return format!("error: no command given\n\n{}", error.render());
    }
    lines(&what(error), hint(error).as_deref())
}

fn what(error: &clap::Error) -> String {
    let kind = error.kind();
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let arg = text(ContextKind::InvalidArg);
    if let (ErrorKind::ValueValidation, Some(arg), Some(source)) = (kind, arg, error.source()) {
        // A positional value says by itself what it should be.
        return if arg.starts_with("--") { format!("{}: {source}", name(arg)) } else { source.to_string() };
    }
    if let (ErrorKind::InvalidValue, Some(arg), Some("")) = (kind, arg, text(ContextKind::InvalidValue)) {
        return format!("{} needs a value: {}", name(arg), words(arg));
    }
    if let (ErrorKind::UnknownArgument, Some(arg)) = (kind, arg) {
        return if arg.starts_with('-') {
            format!("unknown option {arg}")
        } else {
            format!("unknown word {arg:?}")
        };
    }
    if let (ErrorKind::InvalidSubcommand, Some(verb)) = (kind, text(ContextKind::InvalidSubcommand)) {
        return format!("unknown command {verb:?}");
    }
    if kind == ErrorKind::MissingSubcommand {
        return "no command given".to_owned();
    }
    if let (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(args))) =
        (kind, error.get(ContextKind::InvalidArg))
    {
        let (options, positional): (Vec<_>, Vec<_>) = args.iter().partition(|arg| arg.contains("--"));
        let missing: Vec<_> = positional.iter().chain(&options).map(|arg| words(arg)).collect();
        return format!("missing: {}", missing.join(", "));
    }
    if let (ErrorKind::ArgumentConflict, Some(arg)) = (kind, arg) {
        return match error.get(ContextKind::PriorArg) {
            Some(ContextValue::String(prior)) if prior == arg => format!("{} is given twice", name(arg)),
            Some(ContextValue::String(prior)) => {
                let (a, b) = (name(prior), name(arg));
                format!("{} and {} exclude each other", (&a).min(&b), (&a).max(&b))
            }
            Some(ContextValue::Strings(prior)) => {
                let prior: Vec<_> = prior.iter().map(|arg| name(arg)).collect();
                format!("{} excludes {}", name(arg), prior.join(", "))
            }
            _ => format!("{} excludes another option", name(arg)),
        };
    }
    // Rarities in clap's own words, without the paragraphs that follow.
    let rendered = error.render().to_string();
    let first = rendered.split("\n\n").next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

fn hint(error: &clap::Error) -> Option<String> {
    for kind in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg] {
        match error.get(kind) {
            Some(ContextValue::String(other)) => return Some(format!("did you mean {}?", name(other))),
            Some(ContextValue::Strings(others)) if !others.is_empty() => {
                let others: Vec<_> = others.iter().map(|other| name(other)).collect();
                return Some(format!("did you mean {}?", others.join(" or ")));
            }
            _ => {}
        }
    }
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => {
            let usage = usage.to_string();
            Some(usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned())
        }
        _ => None,
    }
}

/// `--dst <ADDR>` as `dst`, `<MAC>` as `MAC`.
fn name(arg: &str) -> String {
    let words = words(arg);
    words.split_whitespace().next().unwrap_or_default().trim_end_matches("...").to_owned()
}

/// `--dst <ADDR>` as `dst ADDR`, a group of such with `or` between them.
fn words(arg: &str) -> String {
    let alternatives = arg.split("|--").map(|one| one.replace("--", "").replace(['<', '>', '[', ']'], ""));
    alternatives.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn an_error_is_one_line_and_says_nothing_twice() {
        let source = io::Error::new(io::ErrorKind::PermissionDenied, "Permission denied");
        let error = anyhow::Error::from(Error::system("create /run/vxbpf")(source));
        let hint = error.downcast_ref::<Error>().and_then(Error::hint);
        assert_eq!(
            lines(&one_line(&error), hint.as_deref()),
            "error: create /run/vxbpf: Permission denied\nhint: run it as root\n"
        );

        let error = Err::<(), _>(Error::exists("VNI 42")).context("lab\nnode1").unwrap_err();
        assert_eq!(lines(&one_line(&error), None), "error: lab node1: VNI 42 exists\n");
    }
}
