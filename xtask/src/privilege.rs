//! How to do what only root may: as we are when root already, else through sudo. Building never
//! goes through here, so that the target directory stays the user's own.

use std::ffi::OsString;
use std::process::Command;

use nix::unistd::geteuid;

use crate::failure::{Failure, Result};
use crate::host;
use crate::workspace::{Workspace, joined_without_spaces};

/// The way to root on this machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Privilege {
    /// We are root.
    Root,
    /// A user who may ask sudo.
    Sudo,
}

impl Privilege {
    /// Fails with one line when there is no way.
    pub(crate) fn find(workspace: &Workspace) -> Result<Self> {
        if geteuid().is_root() {
            Ok(Self::Root)
        } else if host::find_program(workspace.path(), "sudo").is_some() {
            Ok(Self::Sudo)
        } else {
            Err(Failure::new(
                "this needs root: not root, and sudo is not installed",
                "run the same command as root, or install sudo",
            ))
        }
    }

    /// A command that runs as root.
    pub(crate) fn command(self, workspace: &Workspace, program: &str) -> Command {
        match self {
            Self::Root => workspace.command(program),
            Self::Sudo => {
                let mut command = workspace.command("sudo");
                command.arg(program);
                command
            }
        }
    }

    /// What cargo must put before a test binary, if anything. sudo would reset PATH even with `-E`.
    pub(crate) fn runner(self, workspace: &Workspace) -> Option<OsString> {
        match self {
            Self::Root => None,
            Self::Sudo => {
                let mut runner = OsString::from("sudo -E env PATH=");
                runner.push(joined_without_spaces(workspace.path()));
                Some(runner)
            }
        }
    }
}
