//! `bench`: how fast vxbpf is, beside the kernel and beside the same path without encapsulation. Builds as the user who
//! asked, measures as root.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;

use signal_hook::consts::SIGINT;

use crate::command::{BUILD_HINT, failed, run, status};
use crate::failure::{Failure, Result};
use crate::interrupts::Interrupts;
use crate::needs::Purpose;
use crate::privilege::Privilege;
use crate::setup;
use crate::test;
use crate::workspace::Workspace;

const SELECT: [&str; 4] = ["--release", "-p", "vxbpf-tests", "--bin"];

/// Builds the binary and the benchmark, and runs that with its filters and options.
pub(crate) fn verb(workspace: Workspace, args: &[OsString]) -> Result<()> {
    let privilege = Privilege::find(&workspace)?;
    let workspace = setup::ensure(workspace, Purpose::Bench)?;
    workspace.build_vxbpf()?;
    run(workspace.cargo().arg("build").args(SELECT).arg("vxbpf-bench"), BUILD_HINT)?;

    let mut command = workspace.cargo();
    command.args(["run", "--quiet"]).args(SELECT).arg("vxbpf-bench").arg("--").args(args);
    command.env("VXBPF_BIN", workspace.vxbpf());
    test::as_root(&mut command, &workspace, privilege)?;
    // ^C reaches the benchmark, too, which then removes what it made; until that is done we are there.
    let mut interrupts = Interrupts::catch()?;
    let ended = status(&mut command)?;
    if ended.success() {
        return Ok(());
    }
    if interrupts.seen() || ended.signal() == Some(SIGINT) {
        return Err(Failure::new(
            "interrupted",
            "the benchmark removed what it made; run it again to see all of it",
        ));
    }
    Err(Failure::new(
        failed(&command, ended),
        "its messages above say what failed; `--help` names its options",
    ))
}
