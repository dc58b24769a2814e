//! `run`: from a checkout to the running thing. Builds as the user who asked, runs as root.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;

use crate::command::render;
use crate::failure::{Failure, Result};
use crate::interrupts::Interrupts;
use crate::lab;
use crate::needs::Purpose;
use crate::privilege::Privilege;
use crate::say;
use crate::setup;
use crate::workspace::Workspace;

/// With arguments becomes `vxbpf run ARGS`, without them shows the lab until ^C.
pub(crate) fn verb(workspace: Workspace, options: &lab::Options, daemon: &[OsString]) -> Result<()> {
    let privilege = Privilege::find(&workspace)?;
    let workspace = setup::ensure(workspace, Purpose::Run)?;
    workspace.build_vxbpf()?;

    let binary = workspace.vxbpf();
    let vxbpf = || privilege.command(&workspace, &binary.to_string_lossy());
    if daemon.is_empty() {
        return lab::session(vxbpf, options, &mut Interrupts::catch()?);
    }
    let mut command = vxbpf();
    command.arg("run").args(daemon);
    say::step(render(&command));
    let cause = command.exec(); // returns only if it failed
    Err(Failure::new(format!("{}: {cause}", binary.display()), "look whether cargo's build.target moves it"))
}
