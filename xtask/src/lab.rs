//! The lab for as long as one looks at it: up, ping, status, then down, whatever happens in between.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use clap::Args;
use signal_hook::consts::SIGINT;

use crate::command::{failed, render, status};
use crate::failure::{Failure, Result};
use crate::interrupts::Interrupts;
use crate::say;

/// What `vxbpf lab up` is asked for.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// How many nodes the lab has
    #[arg(long, value_name = "N")]
    nodes: Option<u32>,
    /// What forwards in the lab
    #[arg(long, value_parser = ["vxbpf", "kernel"])]
    backend: Option<String>,
}

impl Options {
    fn args(&self) -> Vec<String> {
        let nodes = self.nodes.map(|nodes| ["--nodes".to_owned(), nodes.to_string()]);
        let backend = self.backend.clone().map(|backend| ["--backend".to_owned(), backend]);
        nodes.into_iter().chain(backend).flatten().collect()
    }
}

/// Brings the lab up, shows it, waits for ^C; takes it down also when a step fails or on an early ^C.
/// `vxbpf` makes a command that runs the binary as root.
pub(crate) fn session(
    vxbpf: impl Fn() -> Command,
    options: &Options,
    interrupts: &mut Interrupts,
) -> Result<()> {
    let mut ours = true;
    let shown = show(&vxbpf, options, interrupts, &mut ours);
    if !ours {
        return shown;
    }
    let down = take_down(&vxbpf);
    match (shown, down) {
        (shown, Ok(())) => shown,
        (Ok(()), down) => down,
        (Err(first), Err(second)) => {
            say::line(first);
            Err(second)
        }
    }
}

/// `ours` becomes false when `up` simply failed: it takes down what it made, and a lab that was up before is not ours.
fn show(
    vxbpf: impl Fn() -> Command,
    options: &Options,
    interrupts: &mut Interrupts,
    ours: &mut bool,
) -> Result<()> {
    for verb in ["up", "ping", "status"] {
        let mut command = vxbpf();
        command.args(["lab", verb]);
        if verb == "up" {
            command.args(options.args());
        }
        let status = status(&mut command)?;
        // sudo may run its command on a terminal of its own: then ^C shows only in how it ended.
        if interrupts.seen() || status.signal() == Some(SIGINT) {
            return Err(Failure::new(
                format!("interrupted during `{}`", render(&command)),
                "the lab is taken down; run it again to see all of it",
            ));
        }
        if !status.success() {
            *ours = verb != "up" || status.signal().is_some();
            return Err(Failure::new(failed(&command, status), "its messages above say why"));
        }
    }
    say::line("the lab is up; ^C takes it down");
    interrupts.wait();
    Ok(())
}

/// A second ^C would reach this command as well, so it gets another chance.
fn take_down(vxbpf: impl Fn() -> Command) -> Result<()> {
    let mut command = vxbpf();
    command.args(["lab", "down"]);
    let mut ended = status(&mut command)?;
    if ended.signal().is_some() {
        ended = status(&mut command)?;
    }
    if ended.success() {
        return Ok(());
    }
    Err(Failure::new(
        failed(&command, ended),
        format!("parts of the lab may be left; as root: {}", render(&command)),
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Runs a session against a shell script in place of vxbpf; gives the verbs it was called with.
    fn verbs_of_session(script: &str, options: &Options, interrupt_first: bool) -> (Result<()>, String) {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let vxbpf = || {
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("echo \"$*\" >>\"$LOG\"; {script}")).arg("vxbpf").env("LOG", &log);
            command
        };
        let caught = Interrupts::catch().unwrap();
        let mut interrupts = if interrupt_first { caught.came() } else { caught };
        let result = session(vxbpf, options, &mut interrupts);
        (result, fs::read_to_string(&log).unwrap())
    }

    #[test]
    fn a_failed_step_takes_the_lab_down() {
        let options = Options { nodes: Some(3), backend: Some("kernel".to_owned()) };
        let (result, verbs) = verbs_of_session("[ \"$2\" != ping ]", &options, false);
        assert_eq!(verbs, "lab up --nodes 3 --backend kernel\nlab ping\nlab down\n");
        assert!(result.unwrap_err().to_string().starts_with("error: `sh -c"));
    }

    #[test]
    fn a_lab_that_was_up_before_stays_up() {
        let (result, verbs) = verbs_of_session("[ \"$2\" != up ]", &Options::default(), false);
        assert_eq!(verbs, "lab up\n");
        assert!(result.is_err());
    }

    #[test]
    fn an_interrupt_during_up_takes_the_lab_down() {
        let (result, verbs) = verbs_of_session("true", &Options::default(), true);
        assert_eq!(verbs, "lab up\nlab down\n");
        assert!(result.unwrap_err().to_string().starts_with("error: interrupted during"));
    }

    #[test]
    fn a_step_killed_by_an_interrupt_takes_the_lab_down() {
        let script = "if [ $2 = ping ]; then kill -INT $$; fi";
        let (result, verbs) = verbs_of_session(script, &Options::default(), false);
        assert_eq!(verbs, "lab up\nlab ping\nlab down\n");
        assert!(result.is_err());
    }

    #[test]
    fn a_down_that_was_interrupted_is_done_again() {
        let script = "case $2 in ping) exit 1;; down) kill -INT $$;; esac";
        let (result, verbs) = verbs_of_session(script, &Options::default(), false);
        assert_eq!(verbs, "lab up\nlab ping\nlab down\nlab down\n");
        assert!(result.unwrap_err().to_string().contains("may be left"));
    }
}
