//! Where things are, and how commands are started: one place decides the directory, the PATH and
//! what of cargo's own environment a nested cargo must not see.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::command::{BUILD_HINT, run};
use crate::failure::{Failure, Result};
use crate::needs::NIGHTLY;

/// Where distributions keep `ip`, `ethtool` and `tcpdump`; not on every user's PATH.
const SYSTEM_DIRS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The cargo workspace and the PATH its builds and tests run with.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    path: Vec<PathBuf>,
}

impl Workspace {
    /// Asks cargo, because the target directory may be moved by the environment or by a config file.
    pub(crate) fn find() -> Result<Self> {
        let mut metadata = Command::new("cargo");
        metadata.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).env_remove("CARGO");
        if let Some(here) = env::var_os("CARGO_MANIFEST_DIR") {
            metadata.current_dir(here);
        }
        let no_answer = |cause: &str| {
            Failure::new(
                format!("`cargo metadata` failed: {cause}"),
                "start this as `cargo xtask`, in a complete checkout of vxbpf",
            )
        };
        let output = metadata.stderr(Stdio::inherit()).output().map_err(|e| no_answer(&e.to_string()))?;
        if !output.status.success() {
            return Err(no_answer("cargo's message above says why"));
        }
        let json: Value = serde_json::from_slice(&output.stdout).map_err(|e| no_answer(&e.to_string()))?;
        let dir =
            |key: &str| json[key].as_str().map(PathBuf::from).ok_or_else(|| no_answer(&format!("no {key}")));
        let own = env::var_os("PATH").unwrap_or_default();
        let path = env::split_paths(&own).chain(SYSTEM_DIRS.map(PathBuf::from)).collect();
        Ok(Self { root: dir("workspace_root")?, target: dir("target_directory")?, path })
    }

    /// Where the sources are.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the target directory.
    pub(crate) fn target(&self, below: &str) -> PathBuf {
        self.target.join(below)
    }

    /// The release binary, whether it is built yet or not.
    pub(crate) fn vxbpf(&self) -> PathBuf {
        self.target("release/vxbpf")
    }

    /// Puts a directory of tools before everything else.
    pub(crate) fn prefer(&mut self, dir: PathBuf) {
        self.path.insert(0, dir);
    }

    /// The directories that are searched for programs, in order.
    pub(crate) fn path(&self) -> &[PathBuf] {
        &self.path
    }

    /// Any program, started at the root of the workspace with our PATH.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        // An entry with a colon in it can't have come from a PATH; then the inherited one must do.
        if let Ok(path) = env::join_paths(&self.path) {
            command.env("PATH", path);
        }
        // `cargo run` names itself in CARGO, and cargo-clippy would start that one under any toolchain.
        // What `.cargo/config.toml` sets for build scripts is not meant for the cargos that we run to be watched.
        command.env_remove("CARGO").env_remove("CARGO_TERM_QUIET");
        command
    }

    /// The cargo of the active, stable toolchain.
    pub(crate) fn cargo(&self) -> Command {
        self.command("cargo")
    }

    /// A program of the pinned nightly, which only the eBPF crate needs.
    pub(crate) fn nightly(&self, program: &str) -> Command {
        let mut command = self.command("rustup");
        command.args(["run", NIGHTLY, program]);
        command
    }

    /// Builds the release binary, eBPF object included, as the user who asked.
    pub(crate) fn build_vxbpf(&self) -> Result<()> {
        run(self.cargo().args(["build", "--release", "-p", "vxbpf"]), BUILD_HINT)
    }

    /// What a command prints on stdout, if it can be started and succeeds.
    pub(crate) fn probe(&self, command: &mut Command) -> Option<String> {
        let output = command
            .env("RUSTUP_AUTO_INSTALL", "0")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// A list of directories that cargo can carry in a runner variable, which it splits at whitespace.
pub(crate) fn joined_without_spaces(path: &[PathBuf]) -> OsString {
    let carried = path.iter().filter(|dir| !dir.to_string_lossy().contains(char::is_whitespace));
    env::join_paths(carried).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_that_a_runner_cannot_carry_are_left_out() {
        let path = ["/bin", "/mnt/c/Program Files", "/sbin"].map(PathBuf::from);
        assert_eq!(joined_without_spaces(&path), "/bin:/sbin");
    }
}
