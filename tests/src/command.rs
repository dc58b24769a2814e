//! Running programs in namespaces, the binary under test first of all.

use std::{
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use anyhow::Context as _;

use crate::scratch::Netns;

/// No command here takes nearly as long.
const LIMIT_SECS: &str = "60";

/// The binary under test: `$VXBPF_BIN`, or the release build of this workspace.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let built = || {
            let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            let target = std::env::var_os("CARGO_TARGET_DIR").map(|dir| workspace.join(dir));
            target.unwrap_or_else(|| workspace.join("target")).join("release/vxbpf")
        };
        let path = std::env::var_os("VXBPF_BIN").map_or_else(built, PathBuf::from);
        assert!(
            path.is_file(),
            "{} is missing: build it with `cargo build --release -p vxbpf`, or name one with VXBPF_BIN",
            path.display()
        );
        path
    })
}

/// What a command said, and how it ended.
#[derive(Clone, Debug)]
pub struct Said {
    /// Exit status; none if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Said {
    /// Whether it succeeded.
    pub fn is_ok(&self) -> bool {
        self.code == Some(0)
    }

    /// Its standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("not JSON: {e}: {self:?}"))
    }
}

/// A command that ends by itself, or is ended.
pub fn limited(program: impl AsRef<OsStr>) -> Command {
    limited_to(LIMIT_SECS, program)
}

/// The same within a number of seconds.
fn limited_to(secs: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-k", "1", secs]).arg(program).stdin(Stdio::null());
    command
}

/// Runs a command to its end, in a namespace.
#[track_caller]
pub fn run_in(netns: &Netns, mut command: Command) -> Said {
    let output =
        netns.run(|| command.output().context("start it")).unwrap_or_else(|e| panic!("{command:?}: {e:#}"));
    said(output)
}

fn said(output: Output) -> Said {
    Said {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a line of words in a namespace.
#[track_caller]
pub fn line_in(netns: &Netns, line: &str) -> Said {
    let mut words = line.split_whitespace();
    let mut command = limited(words.next().expect("a program"));
    command.args(words);
    run_in(netns, command)
}

/// Runs a line of words in a namespace; it must succeed. Gives its standard output.
#[track_caller]
pub fn must_in(netns: &Netns, line: &str) -> String {
    let said = line_in(netns, line);
    assert!(said.is_ok(), "{line}: {said:?}");
    said.stdout
}

/// Runs the binary under test with a line of words in a namespace, for an instance.
#[track_caller]
pub fn vxbpf_in(netns: &Netns, instance: &str, line: &str) -> Said {
    let mut command = limited(binary());
    command.args(line.split_whitespace()).env("VXBPF_INSTANCE", instance);
    run_in(netns, command)
}

/// Runs lines of `ip` or `bridge` in a namespace, in one process.
#[track_caller]
pub fn batch_in(netns: &Netns, program: &str, lines: &[String]) -> Said {
    batch_within(netns, LIMIT_SECS, program, lines)
}

/// The same for very many lines, within a number of seconds.
#[track_caller]
pub fn batch_within(netns: &Netns, secs: &str, program: &str, lines: &[String]) -> Said {
    let mut command = limited_to(secs, program);
    command.args(["-batch", "-"]);
    feed_in(netns, command, &lines.join("\n"))
}

/// The same with the binary under test, for an instance, with a line of options.
#[track_caller]
pub fn vxbpf_batch_in(netns: &Netns, instance: &str, options: &str, text: &str) -> Said {
    let mut command = limited(binary());
    command.args(options.split_whitespace()).args(["-batch", "-"]).env("VXBPF_INSTANCE", instance);
    feed_in(netns, command, text)
}

/// Runs a command in a namespace with a text as its standard input.
fn feed_in(netns: &Netns, mut command: Command, text: &str) -> Said {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = netns.run(|| command.spawn().context("start it")).expect("start a batch");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may end at a bad line, and what it says about that counts.
    let _ = stdin.write_all(text.as_bytes());
    drop(stdin);
    said(child.wait_with_output().expect("wait for a batch"))
}
