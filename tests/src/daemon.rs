//! A running `vxbpf run`: an instance with its daemon, both gone when dropped.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use vxbpf::dataplane::{Dataplane, InstanceName};

use crate::{command::binary, scratch::Netns, wait};

/// Loading and verifying the programs takes well below a second; a busy machine may take many times that.
const START: Duration = Duration::from_secs(30);

/// A daemon and its instance. To be dropped before its namespace.
#[derive(Debug)]
pub struct Daemon {
    instance: String,
    child: Child,
    log: PathBuf,
    /// Whether the instance goes with us.
    owner: bool,
}

impl Daemon {
    /// Starts the daemon of an instance in a namespace, with a line of arguments, and waits until it is ready.
    #[track_caller]
    pub fn start(netns: &Netns, instance: &str, line: &str) -> Self {
        let mut daemon = Self::spawn(netns, instance, line);
        daemon.wait_ready();
        daemon
    }

    /// The same, without waiting.
    #[track_caller]
    pub fn spawn(netns: &Netns, instance: &str, line: &str) -> Self {
        Self::spawn_notifying(netns, instance, line, None)
    }

    /// The same, with a socket that hears of its state as systemd would.
    #[track_caller]
    pub fn spawn_notifying(netns: &Netns, instance: &str, line: &str, socket: Option<&Path>) -> Self {
        let log = std::env::temp_dir().join(format!("{instance}.log"));
        let file = File::create(&log).expect("create a log");
        Self::spawn_logging(netns, instance, line, socket, log, file.into())
    }

    /// The same, with its log in a pipe.
    #[track_caller]
    pub fn spawn_piped(netns: &Netns, instance: &str, line: &str) -> (Self, ChildStderr) {
        let log = std::env::temp_dir().join(format!("{instance}.log"));
        let mut daemon = Self::spawn_logging(netns, instance, line, None, log, Stdio::piped());
        let stderr = daemon.child.stderr.take().expect("a pipe");
        (daemon, stderr)
    }

    #[track_caller]
    fn spawn_logging(
        netns: &Netns,
        instance: &str,
        line: &str,
        socket: Option<&Path>,
        log: PathBuf,
        stderr: Stdio,
    ) -> Self {
        let mut command = Command::new(binary());
        command.arg("run").args(line.split_whitespace()).args(["-i", instance]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).env_remove("NOTIFY_SOCKET");
        command.envs(socket.map(|path| ("NOTIFY_SOCKET", path)));
        let child = netns.run(|| command.spawn().context("start it")).expect("start vxbpf run");
        Self { instance: instance.to_owned(), child, log, owner: true }
    }

    /// Waits until it says that it is ready.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        self.wait_log("ready: instance");
    }

    /// Waits until its log holds this.
    #[track_caller]
    pub fn wait_log(&mut self, what: &str) {
        let found = wait::until(START, || {
            self.log().contains(what) || self.child.try_wait().is_ok_and(|status| status.is_some())
        });
        assert!(found && self.log().contains(what), "{what:?} is not in the log:\n{}", self.log());
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The instance's name.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("send a signal");
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait_end(&mut self) -> ExitStatus {
        let child = &mut self.child;
        wait::for_some("the daemon to end", wait::SOON, || child.try_wait().expect("wait for a child"))
    }

    /// Leaves the instance to another daemon, or to nobody; this one must have ended.
    pub fn abandon(mut self) {
        self.owner = false;
    }

    /// Ends it as a failing machine would. The instance stays.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill the daemon");
        self.child.wait().expect("wait for the daemon");
    }
}

impl Drop for Daemon {
    #[expect(clippy::print_stderr, reason = "libtest shows it with the report of the test that panics")]
    fn drop(&mut self) {
        // It may have ended; errors here would hide those of the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("log of {}:\n{}", self.instance, self.log());
        }
        if !self.owner {
            return;
        }
        if let Ok(name) = self.instance.parse::<InstanceName>() {
            let _ = Dataplane::detach(&name);
        }
        let _ = fs::remove_file(&self.log);
    }
}
