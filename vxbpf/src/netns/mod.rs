//! Network namespaces: entering one for the length of a call, and finding and making those that have names.
//! Instances live in namespaces, and commands come from anywhere.

mod find;
mod mounts;
mod named;

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::Path,
    thread,
};

use nix::{
    errno::Errno,
    sched::{CloneFlags, setns},
    sys::statfs::{NSFS_MAGIC, fstatfs},
};

pub use find::find;
pub use mounts::leave_private_mounts;
pub use named::{create, delete, names, path};

use crate::error::{Error, Result};

/// An open network namespace: it exists for as long as this does.
#[derive(Debug)]
pub struct NetNs {
    fd: OwnedFd,
    inode: u64,
}

impl NetNs {
    /// The namespace of the calling thread.
    pub fn current() -> Result<Self> {
        Self::open(Path::new("/proc/thread-self/ns/net")).map_err(Error::system("own network namespace"))
    }

    /// The namespace that `ip netns` knows by this name.
    pub fn named(name: &str) -> Result<Self> {
        let what = format!("network namespace {name}");
        named::check(name)?;
        Self::open(&path(name)).map_err(|e| {
            if e.kind() == io::ErrorKind::NotFound { Error::not_found(what) } else { Error::system(what)(e) }
        })
    }

    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if fstatfs(&file)?.filesystem_type() != NSFS_MAGIC {
            // What `ip netns` leaves behind in another mount namespace than it was started in.
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a namespace, only its mount point"));
        }
        let inode = file.metadata()?.ino();
        Ok(Self { fd: file.into(), inode })
    }

    /// The namespace's number: the same for everybody who looks, for as long as it exists.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Waits for the namespace's lock, which one holds at a time; given back when dropped.
    pub fn lock(self) -> Result<File> {
        let file = File::from(self.fd);
        file.lock().map_err(Error::system("lock a network namespace"))?;
        Ok(file)
    }

    /// Runs `work` inside the namespace, on a thread of its own; the caller's thread stays where it is.
    /// Threads and processes that `work` starts are in the namespace too.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let inside = || setns(&self.fd, CloneFlags::CLONE_NEWNET).map(|()| work());
        on_thread(inside)?.map_err(|e: Errno| Error::system("enter a network namespace")(e.into()))
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Runs `work` on a thread of its own, which starts in the caller's namespace, and waits for it.
pub(crate) fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread =
            thread::Builder::new().spawn_scoped(scope, work).map_err(Error::system("start a thread"))?;
        thread.join().or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_namespace_is_that_of_the_process() {
        let proc = std::fs::metadata("/proc/self/ns/net").unwrap();
        assert_eq!(NetNs::current().unwrap().inode(), proc.ino());
    }

    #[test]
    fn a_name_is_no_path() {
        for name in ["", ".", "..", "../x", "a/b"] {
            assert!(matches!(NetNs::named(name), Err(Error::Invalid { .. })), "{name:?}");
        }
    }

    #[test]
    fn a_panic_on_the_thread_reaches_the_caller() {
        let caught = std::panic::catch_unwind(|| on_thread(|| panic!("on purpose")));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"on purpose"));
    }
}
