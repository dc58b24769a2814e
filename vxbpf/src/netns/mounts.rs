//! Leaving the private mounts of `ip netns exec`: what is mounted among them, everybody else does not see.

use std::{
    fs::{File, metadata, read_to_string},
    os::unix::{fs::MetadataExt as _, process::parent_id},
};

use nix::sched::{CloneFlags, setns, unshare};

use super::on_thread;
use crate::error::{Error, Result};

/// Does `work` on a thread of its own, among the mounts of the host.
pub(super) fn among_host_mounts<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    on_thread(|| {
        let host = outermost_ancestor();
        if let Some(host) =
            host.filter(|host| !same("/proc/thread-self/ns/mnt", &format!("/proc/{host}/ns/mnt")))
        {
            let doing = || Error::system("leave the mount namespace of ip netns exec");
            let mounts = File::open(format!("/proc/{host}/ns/mnt")).map_err(doing())?;
            // Threads share their root and working directory, and who shares them cannot change mounts.
            unshare(CloneFlags::CLONE_FS)
                .and_then(|()| setns(&mounts, CloneFlags::CLONE_NEWNS))
                .map_err(|e| doing()(e.into()))?;
        }
        work()
    })?
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
