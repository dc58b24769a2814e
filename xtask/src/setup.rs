//! Looks at the machine, installs what is missing, and looks again. What can't be installed is
//! reported before minutes are spent on what can.

use std::path::Path;
use std::process::Command;

use crate::command::run;
use crate::failure::{Failure, Result};
use crate::host;
use crate::needs::{self, BPF_LINKER, Component, NIGHTLY, Purpose};
use crate::plan::{self, Found, Step, Toolchain};
use crate::privilege::Privilege;
use crate::say;
use crate::version::Version;
use crate::workspace::Workspace;

/// Our own `bpf-linker` goes here, below the target directory: a user's own is never overwritten.
const TOOLS: &str = "tools";

/// The verb: everything any verb needs.
pub(crate) fn verb(workspace: Workspace) -> Result<()> {
    if install(&mut { workspace }, Purpose::Test)? {
        say::line("setup: done");
    } else {
        let programs: Vec<_> = needs::programs(Purpose::Test).map(|program| program.name).collect();
        say::line(format_args!(
            "setup: all is there: {NIGHTLY}, bpf-linker {BPF_LINKER}, {}",
            programs.join(", ")
        ));
    }
    Ok(())
}

/// Installs what a verb needs, silently when all is there, and returns the workspace to build in.
pub(crate) fn ensure(mut workspace: Workspace, purpose: Purpose) -> Result<Workspace> {
    install(&mut workspace, purpose)?;
    Ok(workspace)
}

/// Whether anything had to be installed.
fn install(workspace: &mut Workspace, purpose: Purpose) -> Result<bool> {
    if purpose.loads_programs() {
        host::check_kernel()?;
    }
    let rust_floor = Version::parse(env!("CARGO_PKG_RUST_VERSION")).unwrap_or(Version(1, 0, 0));
    let steps = plan::plan(purpose, rust_floor, &look(workspace, purpose))?;
    for (number, step) in (1..).zip(&steps) {
        say::line(format_args!("setup [{number}/{}]: {}", steps.len(), describe(step)));
        perform(workspace, step)?;
    }
    if steps.is_empty() {
        return Ok(false);
    }
    match plan::plan(purpose, rust_floor, &look(workspace, purpose))?.first() {
        None => Ok(true),
        Some(step) => Err(Failure::new(
            format!("still missing after it was installed: {}", describe(step)),
            "look whether the output above says why, and whether its directory is on the PATH",
        )),
    }
}

fn look(workspace: &mut Workspace, purpose: Purpose) -> Found {
    let linker = find_linker(workspace);
    let missing = |program: &&needs::Program| host::find_program(workspace.path(), program.name).is_none();
    Found {
        rustup: host::find_program(workspace.path(), "rustup").is_some(),
        stable: find_toolchain(workspace, || workspace.command("rustc")),
        nightly: find_toolchain(workspace, || workspace.nightly("rustc")),
        linker,
        missing: needs::programs(purpose).filter(missing).collect(),
        apt: host::find_program(workspace.path(), "apt-get").is_some(),
    }
}

fn find_toolchain(workspace: &Workspace, rustc: impl Fn() -> Command) -> Option<Toolchain> {
    let version = Version::parse(&workspace.probe(rustc().arg("--version"))?)?;
    let sysroot = workspace.probe(rustc().args(["--print", "sysroot"]))?;
    let there = |component: &Component| Path::new(&sysroot).join(component.file()).exists();
    Some(Toolchain { version, components: Component::ALL.into_iter().filter(there).collect() })
}

/// The right linker may be the one on the PATH or the one we installed, which then goes first.
fn find_linker(workspace: &mut Workspace) -> bool {
    let right = |workspace: &Workspace, program: &str| {
        let line = workspace.probe(workspace.command(program).arg("--version"));
        line.and_then(|line| Version::parse(&line)) == Some(BPF_LINKER)
    };
    if right(workspace, "bpf-linker") {
        return true;
    }
    let tools = workspace.target(TOOLS).join("bin");
    let ours = right(workspace, &tools.join("bpf-linker").to_string_lossy());
    if ours {
        workspace.prefer(tools);
    }
    ours
}

fn describe(step: &Step) -> String {
    match step {
        Step::Packages(packages) => format!("packages {}", packages.join(", ")),
        Step::StableComponents(components) => format!("{} for the active toolchain", names(components, ", ")),
        Step::Nightly(components) => format!("{NIGHTLY} with {}", names(components, ", ")),
        Step::NightlyComponents(components) => format!("{} for {NIGHTLY}", names(components, ", ")),
        Step::Linker => format!("bpf-linker {BPF_LINKER} (builds for about a minute)"),
    }
}

fn names(components: &[Component], separator: &str) -> String {
    components.iter().map(|component| component.name()).collect::<Vec<_>>().join(separator)
}

fn perform(workspace: &mut Workspace, step: &Step) -> Result<()> {
    match step {
        Step::Packages(packages) => install_packages(workspace, packages),
        Step::StableComponents(missing) => run(
            workspace
                .command("rustup")
                .args(["component", "add"])
                .args(missing.iter().map(|component| component.name())),
            "install them your way if the toolchain is not rustup's own; else see the output above",
        ),
        Step::Nightly(wanted) => run(
            workspace
                .command("rustup")
                .args(["toolchain", "install", NIGHTLY, "--no-self-update"])
                .args(["--profile", "minimal", "-c"])
                .arg(names(wanted, ",")),
            "this downloads: check the network, then run it again",
        ),
        Step::NightlyComponents(missing) => run(
            workspace
                .command("rustup")
                .args(["component", "add", "--toolchain", NIGHTLY])
                .args(missing.iter().map(|component| component.name())),
            "this downloads: check the network, then run it again",
        ),
        Step::Linker => install_linker(workspace),
    }
}

/// Its directory goes first on the PATH at once, else cargo advises everybody to put it there.
fn install_linker(workspace: &mut Workspace) -> Result<()> {
    let tools = workspace.target(TOOLS);
    workspace.prefer(tools.join("bin"));
    let mut install = workspace.cargo();
    install.args(["install", "bpf-linker", "--version", &BPF_LINKER.to_string(), "--locked", "--force"]);
    run(
        install.arg("--root").arg(tools),
        "this downloads and compiles: check the network, and the compiler's messages above",
    )
}

fn install_packages(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    let privilege = Privilege::find(workspace).map_err(|_| {
        Failure::new(
            format!("packages {} need root to install: not root, and no sudo", packages.join(", ")),
            format!("as root: apt-get install {}", packages.join(" ")),
        )
    })?;
    let apt = |args: &[&str]| {
        let mut command = privilege.command(workspace, "env");
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]).args(args);
        command
    };
    // One unreachable third-party source fails the update, and need not matter for our packages.
    if run(&mut apt(&["update"]), "").is_err() {
        say::line("setup: the package lists are not all fresh; going on with those that are there");
    }
    let mut install = apt(&["install", "-y", "--no-install-recommends"]);
    run(install.args(packages), "apt-get's messages above say why")
}
