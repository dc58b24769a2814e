//! Where an instance's state lives: a bpffs of our own with a directory of pins per instance, and two lock files
//! beside it.
//!
//! The bpffs is under `/run`, because `ip netns exec` mounts a new `/sys` and so hides what is mounted below it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    mount::MsFlags,
    sys::statfs::{BPF_FS_MAGIC, statfs},
};

use super::options::InstanceName;
use crate::{Error, Result, netns};

/// Everything of ours.
const RUN: &str = "/run/vxbpf";
/// Our bpffs.
const BPFFS: &str = "/run/vxbpf/bpf";

/// The places of one instance.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Its pins.
    pub(super) pins: PathBuf,
    lock: PathBuf,
    daemon: PathBuf,
}

impl Place {
    pub(super) fn of(instance: &InstanceName) -> Self {
        Self {
            pins: Path::new(BPFFS).join(instance.as_str()),
            lock: Path::new(RUN).join(format!("{instance}.lock")),
            daemon: Path::new(RUN).join(format!("{instance}.daemon")),
        }
    }

    /// The pin of a map.
    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.pins.join(name)
    }

    /// The pin of a program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.pins.join(format!("prog-{name}"))
    }

    /// The pin of a program's link on an interface.
    pub(super) fn link(&self, program: &str, ifindex: u32) -> PathBuf {
        self.pins.join(format!("link-{program}-{ifindex}"))
    }

    /// The pinned links: program, interface index, pin.
    pub(super) fn links(&self) -> Vec<(String, u32, PathBuf)> {
        let entries = fs::read_dir(&self.pins).into_iter().flatten().flatten();
        let mut links: Vec<_> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let (program, ifindex) = name.strip_prefix("link-")?.rsplit_once('-')?;
                Some((program.to_owned(), ifindex.parse().ok()?, entry.path()))
            })
            .collect();
        links.sort();
        links
    }

    /// Whether there are pins.
    pub(super) fn is_there(&self) -> bool {
        self.map("INSTANCE").exists()
    }

    /// Waits for the lock that serialises writers.
    pub(super) fn lock(&self) -> Result<File> {
        loop {
            let file = open(&self.lock)?;
            file.lock().map_err(Error::system(format!("lock {}", self.lock.display())))?;
            if is_still(&file, &self.lock) {
                return Ok(file);
            }
        }
    }

    /// Takes the daemon's lock, or says whose it is.
    pub(super) fn lock_daemon(&self, instance: &InstanceName) -> Result<File> {
        let mut tries = 100;
        loop {
            if tries < 100 {
                std::thread::sleep(Duration::from_millis(10));
            }
            let mut file = open(&self.daemon)?;
            match file.try_lock() {
                Ok(()) if !is_still(&file, &self.daemon) => {}
                Ok(()) => {
                    let doing = || Error::system(format!("write {}", self.daemon.display()));
                    file.set_len(0).map_err(doing())?;
                    file.rewind().map_err(doing())?;
                    write!(file, "{}", std::process::id()).map_err(doing())?;
                    return Ok(file);
                }
                Err(TryLockError::WouldBlock) => match self.daemon_pid() {
                    Some(pid) => return Err(Error::Running { instance: instance.to_string(), pid }),
                    // Its holder has not written its number yet, or is a command that only looked.
                    None if tries > 0 => tries -= 1,
                    None => return Err(Error::exists(format!("a daemon of instance {instance}"))),
                },
                Err(TryLockError::Error(source)) => {
                    return Err(Error::system(format!("lock {}", self.daemon.display()))(source));
                }
            }
        }
    }

    /// The process that holds the daemon's lock.
    pub(super) fn daemon_pid(&self) -> Option<u32> {
        let mut file = File::open(&self.daemon).ok()?;
        if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return None;
        }
        let mut pid = String::new();
        file.read_to_string(&mut pid).ok()?;
        pid.trim().parse().ok()
    }

    /// Makes the directory of pins.
    pub(super) fn create(&self) -> Result<()> {
        match fs::create_dir(&self.pins) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::system(format!("create {}", self.pins.display()))(e))
            }
            _ => Ok(()),
        }
    }

    /// Removes all pins, links first, so that nothing runs on half of its maps.
    pub(super) fn remove_pins(&self) -> Result<()> {
        let removing = |path: &Path| Error::system(format!("remove {}", path.display()));
        for (_, _, link) in self.links() {
            fs::remove_file(&link).map_err(removing(&link))?;
        }
        for entry in fs::read_dir(&self.pins).into_iter().flatten().flatten() {
            fs::remove_file(entry.path()).map_err(removing(&entry.path()))?;
        }
        match fs::remove_dir(&self.pins) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(removing(&self.pins)(e)),
            _ => Ok(()),
        }
    }

    /// Removes the lock files. Those who wait for them notice (`is_still`).
    pub(super) fn remove_locks(&self) {
        let _ = fs::remove_file(&self.daemon);
        let _ = fs::remove_file(&self.lock);
    }
}

fn open(path: &Path) -> Result<File> {
    fs::create_dir_all(RUN).map_err(Error::system(format!("create {RUN}")))?;
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(Error::system(format!("open {}", path.display())))
}

/// Whether the file we hold is still the one at that path: who held the lock before may have removed it.
fn is_still(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => ours.ino() == there.ino(),
        _ => false,
    }
}

fn is_bpffs() -> bool {
    statfs(BPFFS).is_ok_and(|fs| fs.filesystem_type() == BPF_FS_MAGIC)
}

/// The instances that have pins, whatever state they are in.
pub(super) fn instances() -> Vec<InstanceName> {
    let entries = fs::read_dir(BPFFS).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Mounts our bpffs, unless it is. One at a time: a second mount would hide what is pinned in the first.
pub(super) fn mount() -> Result<()> {
    fs::create_dir_all(BPFFS).map_err(Error::system(format!("create {BPFFS}")))?;
    let lock = File::open(RUN).map_err(Error::system(format!("open {RUN}")))?;
    lock.lock().map_err(Error::system(format!("lock {RUN}")))?;
    if is_bpffs() {
        return Ok(());
    }
    nix::mount::mount(Some("bpffs"), BPFFS, Some("bpf"), MsFlags::empty(), Some("mode=0700"))
        .map_err(|e| Error::system(format!("mount a bpffs on {BPFFS}"))(e.into()))
}

/// Sees to it that the pins of all instances are in view: not from among the private mounts of `ip netns exec`, unless
/// our bpffs is among them. What would be mounted there vanishes with the command. To be called before the process has
/// threads.
pub fn look_from_host() -> Result<()> {
    if is_bpffs() { Ok(()) } else { netns::leave_private_mounts() }
}
