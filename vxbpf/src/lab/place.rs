//! The lab's directory, and the lock that keeps two commands from building and removing at the same time.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// State, logs and sockets of the lab.
const DIR: &str = "/run/vxbpf/lab";
const LOCK: &str = "/run/vxbpf/lab.lock";

/// A file in the lab's directory.
pub(super) fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// Makes the directory.
pub(super) fn create() -> Result<()> {
    fs::create_dir_all(DIR).map_err(Error::system(format!("create {DIR}")))
}

/// Removes the directory and everything in it.
pub(super) fn remove() -> Result<bool> {
    match fs::remove_dir_all(DIR) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::system(format!("remove {DIR}"))(e)),
    }
}

/// The right to change the lab, until it is dropped.
pub(super) struct Lock(#[expect(dead_code, reason = "closing the file is what releases the lock")] File);

impl Lock {
    /// Takes the lock; it is an error if another command has it.
    pub(super) fn take() -> Result<Self> {
        let doing = || Error::system(format!("lock {LOCK}"));
        if let Some(dir) = Path::new(LOCK).parent() {
            fs::create_dir_all(dir).map_err(doing())?;
        }
        loop {
            let file =
                OpenOptions::new().create(true).truncate(false).write(true).open(LOCK).map_err(doing())?;
            match file.try_lock() {
                // Its last holder may have removed it since we opened it.
                Ok(()) => match fs::metadata(LOCK) {
                    Ok(there) if there.ino() == file.metadata().map_err(doing())?.ino() => {
                        return Ok(Self(file));
                    }
                    _ => {}
                },
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Refused {
                        what: "lab".to_owned(),
                        why: "another command is building or removing it".to_owned(),
                        hint: "wait until it is done".to_owned(),
                    });
                }
                Err(TryLockError::Error(e)) => return Err(doing()(e)),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Nothing is to stay behind; whoever opened it meanwhile looks again.
        let _ = fs::remove_file(LOCK);
    }
}
