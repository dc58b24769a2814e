//! `test`: every test, in one go. Binaries are built as the user who asked and run as root, because
//! packet and namespace tests load BPF programs.

use std::env::consts::ARCH;
use std::process::Command;

use crate::command::{BUILD_HINT, run, run_all};
use crate::failure::{Failure, Result};
use crate::lint;
use crate::needs::Purpose;
use crate::privilege::Privilege;
use crate::setup;
use crate::workspace::Workspace;

/// A part of the workspace that is tested by one cargo call.
struct Suite {
    /// Which packages and targets. Built and run with the same words, so that nothing is built twice.
    select: &'static [&'static str],
    /// How many at a time, where that is not the number of CPUs.
    threads: Option<&'static str>,
}

/// Tests in namespaces at a time. They wait for the kernel more than they compute.
pub(crate) const THREADS: &str = "--test-threads=6";

const SUITES: [Suite; 3] = [
    Suite {
        select: &[
            "--workspace",
            "--exclude",
            "vxbpf-ebpf",
            "--exclude",
            "vxbpf-limit",
            "--exclude",
            "vxbpf-tests",
        ],
        threads: None,
    },
    // By themselves: beside the others, the `user` feature of vxbpf-common would be switched on for them.
    Suite { select: &["-p", "vxbpf-ebpf", "-p", "vxbpf-limit", "--lib"], threads: None },
    // Each test starts processes of its own.
    Suite { select: &["-p", "vxbpf-tests"], threads: Some(THREADS) },
];

/// Lints, builds all, runs all, and fails if any of them did.
pub(crate) fn verb(workspace: Workspace, filters: &[String]) -> Result<()> {
    let privilege = Privilege::find(&workspace)?;
    let workspace = setup::ensure(workspace, Purpose::Test)?;
    lint::verb(&workspace, false)?;

    build_binary(&workspace)?;
    for suite in &SUITES {
        run(workspace.cargo().arg("test").args(suite.select).arg("--no-run"), BUILD_HINT)?;
    }

    let command = |suite: &Suite| {
        let mut command = command(&workspace, privilege, suite.select)?;
        command.arg("--no-fail-fast").arg("--").args(suite.threads).args(filters);
        Ok(command)
    };
    let commands = SUITES.iter().map(command).collect::<Result<Vec<_>>>()?;
    run_all(commands, "the `failures:` sections above name the tests; `cargo xtask test NAME` runs one")
}

/// Builds the binary under test with the words that build its tests, so that nothing is built twice; its data path is
/// optimised all the same.
pub(crate) fn build_binary(workspace: &Workspace) -> Result<()> {
    run(workspace.cargo().arg("build").args(SUITES[0].select), BUILD_HINT)
}

/// `cargo test` of what `select` names, as root.
pub(crate) fn command(workspace: &Workspace, privilege: Privilege, select: &[&str]) -> Result<Command> {
    let mut command = workspace.cargo();
    command.arg("test").args(select).env("VXBPF_BIN", workspace.target("debug/vxbpf"));
    as_root(&mut command, workspace, privilege)?;
    Ok(command)
}

/// Has a cargo run as root what it builds as the user.
pub(crate) fn as_root(cargo: &mut Command, workspace: &Workspace, privilege: Privilege) -> Result<()> {
    if let Some(runner) = privilege.runner(workspace) {
        cargo.env(runner_variable(&host_triple(workspace)?), runner);
    }
    Ok(())
}

/// What rustc calls this machine.
fn host_triple(workspace: &Workspace) -> Result<String> {
    let said = workspace.probe(workspace.command("rustc").arg("-vV")).unwrap_or_default();
    said.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).ok_or_else(|| {
        Failure::new(
            format!("rustc -vV names no host (on {ARCH})"),
            "`rustup update stable` repairs a toolchain",
        )
    })
}

/// The variable that tells cargo how to start test binaries.
fn runner_variable(triple: &str) -> String {
    format!("CARGO_TARGET_{}_RUNNER", triple.to_uppercase().replace(['-', '.'], "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_variable_is_spelled_as_cargo_reads_it() {
        assert_eq!(
            runner_variable("x86_64-unknown-linux-gnu"),
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER"
        );
    }
}
