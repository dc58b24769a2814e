//! Starting commands: said first, output visible, and a sentence for the one that ended badly.

use std::process::{Command, ExitStatus};

use crate::failure::{Failure, Result};
use crate::say;

/// The way out when the compiler said no.
pub(crate) const BUILD_HINT: &str = "the compiler's messages above say what to change";

/// Says what it starts, then runs it to its end with its output visible.
pub(crate) fn run(command: &mut Command, hint: &str) -> Result<()> {
    let status = status(command)?;
    if status.success() { Ok(()) } else { Err(Failure::new(failed(command, status), hint)) }
}

/// Runs all of them, also behind a failed one, and fails with the list of those that failed.
pub(crate) fn run_all(commands: impl IntoIterator<Item = Command>, hint: &str) -> Result<()> {
    let mut failures = Vec::new();
    for mut command in commands {
        let status = status(&mut command)?;
        if !status.success() {
            failures.push(failed(&command, status));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("; "), hint)) }
}

/// Like [`run`], for callers who judge the status themselves.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    say::step(render(command));
    command.status().map_err(|cause| {
        let program = command.get_program().to_string_lossy();
        Failure::new(format!("{program}: {cause}"), "`cargo xtask setup` installs what is missing")
    })
}

/// The command line as one would type it, without its environment.
pub(crate) fn render(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// The sentence for a command that ended badly.
pub(crate) fn failed(command: &Command, status: ExitStatus) -> String {
    format!("`{}` failed ({status})", render(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_read_as_typed() {
        let mut command = Command::new("cargo");
        command.args(["build", "-p", "vxbpf"]).env("PATH", "/nowhere");
        assert_eq!(render(&command), "cargo build -p vxbpf");
    }
}
