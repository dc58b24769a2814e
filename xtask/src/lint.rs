//! `lint`: formatting, unfinished marks, and clippy once per side. Two clippy runs, because in one
//! feature unification would switch on the `user` feature of vxbpf-common for the eBPF crate.

use std::env::consts::ARCH;
use std::process::Command;

use crate::command::{run, run_all};
use crate::failure::Result;
use crate::marks;
use crate::workspace::Workspace;

/// Needs a workspace that is set up for it. `fix` formats instead of checking.
pub(crate) fn verb(workspace: &Workspace, fix: bool) -> Result<()> {
    let check: &[&str] = if fix { &[] } else { &["--check"] };
    run(workspace.cargo().args(["fmt", "--all"]).args(check), "`cargo xtask lint --fix` formats the code")?;
    marks::check(workspace)?;
    run_all(
        [clippy_user_space(workspace), clippy_ebpf(workspace)],
        "clippy's messages above say what to change",
    )
}

/// Warnings are denied here and never in the source, where they would break users of later compilers.
const DENY: [&str; 3] = ["--", "-D", "warnings"];

/// Without dependencies: vxbpf's build script depends on the eBPF crate, so that clippy would judge that
/// by the types of the host, where a cast can be needless that the BPF target needs.
fn clippy_user_space(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo();
    command
        .args(["clippy", "--workspace", "--exclude", "vxbpf-ebpf", "--exclude", "vxbpf-limit"])
        .args(["--all-targets", "--no-deps"])
        .args(DENY);
    command
}

/// As aya-build compiles it: same target, profile and flags; a target directory of its own, because
/// those flags would make cargo rebuild what other calls share.
fn clippy_ebpf(workspace: &Workspace) -> Command {
    let mut command = workspace.nightly("cargo");
    command
        .args(["clippy", "-p", "vxbpf-ebpf", "-p", "vxbpf-limit", "--bins", "--target", BPF_TARGET])
        .args(["-Z", "build-std=core", "--release", "--target-dir"])
        .arg(workspace.target("ebpf-lint"))
        .args(DENY)
        .env("CARGO_ENCODED_RUSTFLAGS", ebpf_rustflags(ARCH));
    command
}

/// BPF has the byte order of its host.
const BPF_TARGET: &str =
    if cfg!(target_endian = "big") { "bpfeb-unknown-none" } else { "bpfel-unknown-none" };

/// aya-ebpf picks the layout of kernel structs by this cfg; 0x1f separates flags.
fn ebpf_rustflags(arch: &str) -> String {
    [&format!("--cfg=bpf_target_arch=\"{arch}\""), "-Cdebuginfo=2", "-Clink-arg=--btf"].join("\x1f")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::needs::NIGHTLY;

    #[test]
    fn flags_are_those_of_aya_build() {
        assert_eq!(
            ebpf_rustflags("x86_64"),
            "--cfg=bpf_target_arch=\"x86_64\"\x1f-Cdebuginfo=2\x1f-Clink-arg=--btf"
        );
    }

    #[test]
    fn the_build_scripts_name_the_same_nightly() {
        for script in ["vxbpf/build.rs", "tests/build.rs"] {
            let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(script);
            let text = fs::read_to_string(build).expect("a build script is beside us");
            assert!(text.contains(NIGHTLY), "{script} does not name {NIGHTLY}");
        }
    }
}
