//! Guards for what a test makes on the host: network namespaces, and instances of vxbpf in them. Names begin with
//! `vxt-` and the process id, so that tests run beside each other, and what a killed test left is found.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context as _, Result};
use vxbpf::{
    dataplane::{Dataplane, InstanceName, Settings},
    netns::{self, NetNs},
};

/// What names begin with.
const PREFIX: &str = "vxt-";
/// Where instances have their pins; a place to look for leftovers.
const PINS: &str = "/run/vxbpf/bpf";

/// A name that nothing else has. Short enough for an instance (15 characters).
pub fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static SWEEP: Once = Once::new();
    SWEEP.call_once(remove_leftovers);
    format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Removes what killed tests could not.
fn remove_leftovers() {
    let pins = fs::read_dir(PINS).into_iter().flatten().flatten();
    for name in pins.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_leftover(name))
    {
        if let Ok(instance) = name.parse() {
            // Another test process may be at it too.
            let _ = Dataplane::detach(&instance);
        }
    }
    for name in netns::names().unwrap_or_default().iter().filter(|name| is_leftover(name)) {
        let _ = netns::delete(name);
    }
}

/// Whether a name is of a test whose process is gone.
fn is_leftover(name: &str) -> bool {
    let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')).map(|(pid, _)| pid);
    pid.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists())
}

/// A file of a test, gone when dropped.
#[derive(Debug)]
pub struct Scrap(PathBuf);

impl Scrap {
    /// A path that nothing has, in the directory for such files.
    pub fn new(extension: &str) -> Self {
        Self(std::env::temp_dir().join(format!("{}.{extension}", fresh_name())))
    }

    /// Makes the file what it says.
    #[track_caller]
    pub fn write(&self, text: &str) {
        fs::write(&self.0, text).expect("write a file");
    }

    /// Where it is.
    pub fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Scrap {
    fn drop(&mut self) {
        // It may not have been written.
        let _ = fs::remove_file(&self.0);
    }
}

/// A network namespace, deleted on drop. It has no IPv6: the kernel's own neighbour discovery would be counted.
#[derive(Debug)]
pub struct Netns {
    name: String,
    ns: NetNs,
}

impl Netns {
    /// Makes an empty namespace.
    pub fn create() -> Result<Self> {
        let name = fresh_name();
        netns::create(&name)?;
        let made = NetNs::named(&name);
        let ns = made.inspect_err(|_| {
            let _ = netns::delete(&name);
        })?;
        let this = Self { name, ns };
        this.run(|| {
            setting("net/ipv6/conf/all/disable_ipv6", "1")?;
            setting("net/ipv6/conf/default/disable_ipv6", "1")
        })?;
        Ok(this)
    }

    /// Its name for `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace itself.
    pub fn ns(&self) -> &NetNs {
        &self.ns
    }

    /// Does something inside the namespace, on a thread of its own. A panic goes through to the caller.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.ns.run(work)?
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = netns::delete(&self.name);
    }
}

/// Writes a sysctl of the current namespace. A protocol that the kernel does not have needs none.
pub fn setting(path: &str, value: &str) -> Result<()> {
    let path = Path::new("/proc/sys").join(path);
    match fs::write(&path, value) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("write {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// An instance of vxbpf without a daemon, detached on drop. To be dropped before its namespace.
pub struct Instance {
    name: InstanceName,
    /// The handle on it.
    pub dataplane: Dataplane,
}

impl Instance {
    /// Starts an instance in the current namespace. Its name in `settings` is replaced by a fresh one.
    pub fn start(settings: Settings) -> Result<Self> {
        let name: InstanceName = fresh_name().parse().map_err(anyhow::Error::msg)?;
        let (dataplane, _) = Dataplane::start(&Settings { instance: name.clone(), ..settings })?;
        Ok(Self { name, dataplane })
    }

    /// The instance's name.
    pub fn name(&self) -> &InstanceName {
        &self.name
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = Dataplane::detach(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_processes_that_are_gone_are_leftovers() {
        assert!(!is_leftover(&format!("vxt-{}-0", std::process::id())));
        assert!(is_leftover("vxt-4294967295-0"), "no process has this id");
        for other in ["default", "vxt-", "vxt-x-1", "vxl-4294967295-0"] {
            assert!(!is_leftover(other), "{other}");
        }
    }

    #[test]
    fn a_namespace_goes_when_the_test_panics() {
        let (send, receive) = std::sync::mpsc::channel();
        let panicked = std::panic::catch_unwind(move || {
            let ns = Netns::create().unwrap();
            send.send(ns.name().to_owned()).unwrap();
            panic!("on purpose");
        });
        assert!(panicked.is_err());
        let name = receive.recv().unwrap();
        assert!(!netns::names().unwrap().contains(&name));
    }
}
