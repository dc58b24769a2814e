//! Namespaces with names, kept as `ip netns` keeps them: each is a file in `/run/netns` on which the namespace is
//! mounted. Whoever has iproute2 can look into them.

use std::{
    fs::{DirBuilder, OpenOptions, remove_file},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};

use super::{find::entries, mounts::among_host_mounts};
use crate::error::{Error, Result};

const DIR: &str = "/run/netns";
const NONE: Option<&str> = None;

/// Where the namespace of that name is mounted.
pub fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// Names of all namespaces that have one, sorted.
pub fn names() -> Result<Vec<String>> {
    match entries(Path::new(DIR)) {
        Ok(mut names) => {
            names.sort_unstable();
            Ok(names)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Error::system(DIR)(e)),
    }
}

/// Makes an empty namespace and gives it a name.
pub fn create(name: &str) -> Result<()> {
    check(name)?;
    let what = format!("network namespace {name}");
    let path = path(name);
    among_host_mounts(|| {
        make_dir()?;
        make(&path, &what)
    })
}

fn make(path: &Path, what: &str) -> Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o000).open(path).map_err(|e| {
        if e.kind() == io::ErrorKind::AlreadyExists {
            Error::exists(what)
        } else {
            Error::system(format!("create {what}"))(e)
        }
    })?;
    // This is a thread of its own, so nobody else goes into the namespace.
    let made = unshare(CloneFlags::CLONE_NEWNET)
        .and_then(|()| mount(Some("/proc/thread-self/ns/net"), path, NONE, MsFlags::MS_BIND, NONE));
    made.map_err(|e| {
        // The error that matters is the one before.
        let _ = remove_file(path);
        system(format!("create {what}"), e)
    })
}

/// Takes the name away from a namespace, which ends it unless something else uses it. A name that nobody has is fine.
pub fn delete(name: &str) -> Result<()> {
    check(name)?;
    let doing = format!("delete network namespace {name}");
    let path = path(name);
    among_host_mounts(|| {
        match umount2(&path, MntFlags::MNT_DETACH) {
            // EINVAL: nothing is mounted there, only the file is left.
            Ok(()) | Err(Errno::EINVAL) => {}
            Err(Errno::ENOENT) => return Ok(()),
            Err(e) => return Err(system(doing, e)),
        }
        match remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::system(doing)(e)),
            _ => Ok(()),
        }
    })
}

/// A name is one component of a path.
pub(super) fn check(name: &str) -> Result<()> {
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(Error::invalid(format!("network namespace {name:?}"), "not a name"));
    }
    Ok(())
}

/// Mounts below the directory must reach all mount namespaces, and so must their going away: else a namespace
/// stays as long as any of them (iproute2 does the same, ip/ipnetns.c, `netns_add`).
fn make_dir() -> Result<()> {
    match DirBuilder::new().mode(0o755).create(DIR) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Error::system(format!("create {DIR}"))(e));
        }
        _ => {}
    }
    let share = || mount(NONE, DIR, NONE, MsFlags::MS_SHARED | MsFlags::MS_REC, NONE);
    let shared = match share() {
        // It is no mount point yet.
        Err(Errno::EINVAL) => {
            mount(Some(DIR), DIR, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE).and_then(|()| share())
        }
        shared => shared,
    };
    shared.map_err(|e| system(format!("mount {DIR}"), e))
}

fn system(doing: String, errno: Errno) -> Error {
    Error::system(doing)(errno.into())
}
