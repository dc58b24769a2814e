//! The daemons of the lab's instances: starting one and waiting until it forwards, finding them again, and ending them.

use std::{
    fs::{self, File},
    io,
    os::unix::{fs::MetadataExt as _, net::UnixDatagram, process::CommandExt as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{place, underlay::IFACE};
use crate::{
    error::{Error, Result},
    netns::NetNs,
};

/// Loading and verifying the programs takes well below a second; a busy machine may take many times that.
const START: Duration = Duration::from_secs(20);
/// One that is still being started hears of it when it has loaded its programs.
const STOP: Duration = START;
const LOOK: Duration = Duration::from_millis(50);

/// Starts the daemon of an instance in a node's namespace, and waits until it says that it is ready.
pub(super) fn start(program: &Path, instance: &str, netns: &NetNs, interrupted: &AtomicBool) -> Result<u32> {
    let doing = || Error::system(format!("start instance {instance}"));
    let (log, notify) = (place::path(&format!("{instance}.log")), place::path(&format!("{instance}.notify")));
    let socket = UnixDatagram::bind(&notify).map_err(doing())?;
    socket.set_read_timeout(Some(LOOK)).map_err(doing())?;
    let out = File::create(&log).map_err(doing())?;
    let mut command = Command::new(program);
    command.args(["run", "--iface", IFACE, "-i", instance]).env("NOTIFY_SOCKET", &notify);
    // Not in our process group: a ^C that ends the command is not meant for the lab.
    command.process_group(0).stdin(Stdio::null()).stdout(out.try_clone().map_err(doing())?).stderr(out);
    let mut child = netns.run(|| command.spawn())?.map_err(doing())?;
    let ready = wait_ready(&socket, &mut child, interrupted).map_err(doing());
    let _ = fs::remove_file(&notify);
    match ready {
        Ok(true) => Ok(child.id()),
        Ok(false) => Err(not_started(instance, &fs::read_to_string(&log).unwrap_or_default())),
        Err(e) => Err(e),
    }
}

/// Whether it became ready; false when it ended, was not ready in time, or we are to stop.
fn wait_ready(socket: &UnixDatagram, child: &mut Child, interrupted: &AtomicBool) -> io::Result<bool> {
    let deadline = Instant::now() + START;
    let mut message = [0; 4096];
    while Instant::now() < deadline && !interrupted.load(Ordering::Relaxed) {
        match socket.recv(&mut message) {
            Ok(len) if message[..len].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") => {
                return Ok(true);
            }
            Ok(_) => {}
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(e) => return Err(e),
        }
        if child.try_wait()?.is_some() {
            return Ok(false);
        }
    }
    Ok(false)
}

/// The error in the words of the daemon itself.
fn not_started(instance: &str, log: &str) -> Error {
    let line = |prefix: &str| log.lines().rev().find_map(|line| line.strip_prefix(prefix)).map(str::to_owned);
    let what = format!("instance {instance}");
    let last = || log.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned);
    let why = match line("error: ").or_else(last) {
        Some(why) => format!("did not start: {why}"),
        None => "did not become ready".to_owned(),
    };
    match line("hint: ") {
        Some(hint) => Error::Refused { what, why, hint },
        None => Error::invalid(what, why),
    }
}

/// Whether that process is the daemon of that instance. A number alone says little: it may be another's by now.
pub(super) fn is_daemon(pid: u32, instance: &str) -> bool {
    let Ok(cmdline) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let words: Vec<&[u8]> = cmdline.split(|byte| *byte == 0).collect();
    words.get(1) == Some(&b"run".as_slice())
        && words.windows(2).any(|two| two == [b"-i", instance.as_bytes()])
}

/// Processes in a namespace, threads that went there aside.
pub(super) fn processes_in(netns: &NetNs) -> Vec<u32> {
    let pids = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    pids.filter_map(|name| name.parse().ok())
        .filter(|pid| {
            fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|meta| meta.ino() == netns.inode())
        })
        .collect()
}

/// Ends daemons, given by process and instance: asks, waits for all together, and then insists.
pub(super) fn stop(daemons: &[(u32, String)]) -> Vec<Error> {
    let mut errors = signal(daemons, Signal::SIGTERM);
    let still = wait_gone(daemons);
    if !still.is_empty() {
        errors.extend(signal(&still, Signal::SIGKILL));
        errors.extend(wait_gone(&still).iter().map(|(pid, instance)| {
            Error::invalid(format!("daemon of instance {instance}"), format!("process {pid} does not end"))
        }));
    }
    errors
}

fn signal(daemons: &[(u32, String)], signal: Signal) -> Vec<Error> {
    let send = |(pid, instance): &(u32, String)| {
        let to = Pid::from_raw(i32::try_from(*pid).ok()?);
        match kill(to, signal) {
            Ok(()) | Err(Errno::ESRCH) => None,
            Err(e) => Some(Error::system(format!("stop process {pid} of instance {instance}"))(e.into())),
        }
    };
    daemons.iter().filter_map(send).collect()
}

/// Those that are still there after a while. A child of ours that ended has no command line any more.
fn wait_gone(daemons: &[(u32, String)]) -> Vec<(u32, String)> {
    let deadline = Instant::now() + STOP;
    loop {
        let still: Vec<_> =
            daemons.iter().filter(|(pid, instance)| is_daemon(*pid, instance)).cloned().collect();
        if still.is_empty() || Instant::now() >= deadline {
            return still;
        }
        thread::sleep(LOOK / 5);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_fails_is_quoted() {
        let log = "info: hello\nerror: interface eth1 does not exist\nhint: look again\n";
        let error = not_started("lab1", log);
        assert_eq!(error.to_string(), "instance lab1: did not start: interface eth1 does not exist");
        assert_eq!(error.hint().as_deref(), Some("look again"));
        assert_eq!(not_started("lab1", "Killed\n\n").to_string(), "instance lab1: did not start: Killed");
        assert_eq!(not_started("lab1", "").to_string(), "instance lab1: did not become ready");
    }

    #[test]
    fn another_process_is_no_daemon() {
        assert!(!is_daemon(std::process::id(), "lab1"));
        assert!(!is_daemon(u32::MAX, "lab1"));
    }
}
