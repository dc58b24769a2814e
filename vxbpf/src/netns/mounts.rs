//! Leaving the private mounts of `ip netns exec`: what is mounted among them, everybody else does not see.

use std::{
    env::current_dir,
    fs::{File, metadata, read_to_string},
    io,
    os::unix::{fs::MetadataExt as _, process::parent_id},
};

use nix::{
    sched::{CloneFlags, setns, unshare},
    unistd::{chdir, geteuid},
};

use super::on_thread;
use crate::error::{Error, Result};

/// Takes the whole process among the mounts of the host. To be called before it has threads.
pub fn leave_private_mounts() -> Result<()> {
    let Some(host) = host_mounts() else { return Ok(()) };
    let here = current_dir().map_err(doing())?;
    setns(&host, CloneFlags::CLONE_NEWNS).map_err(|e| doing()(e.into()))?;
    chdir(&here).map_err(|e| doing()(e.into()))
}

/// Does `work` on a thread of its own, among the mounts of the host.
pub(super) fn among_host_mounts<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    on_thread(|| {
        if let Some(host) = host_mounts() {
            // Threads share their root and working directory, and who shares them cannot change mounts.
            unshare(CloneFlags::CLONE_FS)
                .and_then(|()| setns(&host, CloneFlags::CLONE_NEWNS))
                .map_err(|e| doing()(e.into()))?;
        }
        work()
    })?
}

fn doing() -> impl FnOnce(io::Error) -> Error {
    Error::system("leave the mount namespace of ip netns exec")
}

/// The host's mount namespace, if it is not ours and we may enter it.
fn host_mounts() -> Option<File> {
    let theirs = format!("/proc/{}/ns/mnt", outermost_ancestor()?);
    let elsewhere = geteuid().is_root() && !same("/proc/thread-self/ns/mnt", &theirs);
    elsewhere.then(|| File::open(theirs).ok()).flatten()
}

/// The ancestor closest to pid 1 that has the same `/run` as we, as all have but those outside of our container, and
/// that we may look at.
fn outermost_ancestor() -> Option<u32> {
    let mut found = None;
    let mut pid = parent_id();
    while pid > 0 {
        if same("/run", &format!("/proc/{pid}/root/run")) {
            found = Some(pid);
        }
        pid = parent_of(pid).unwrap_or(0);
    }
    found
}

/// Of `pid (name) state ppid …`; the name may hold anything.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn same(a: &str, b: &str) -> bool {
    match (metadata(a), metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancestors_lead_to_the_first_process() {
        assert_eq!(parent_of(std::process::id()), Some(parent_id()));
        assert_eq!(parent_of(1), Some(0));
    }
}
