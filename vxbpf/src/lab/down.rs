//! Taking the lab down, whatever there is of it: it may be complete, half built, or left by a command that was killed.

use super::{
    daemon,
    place::{self, Lock},
    topology::{MOST_NODES, PREFIX, instance_of, netns_of},
    vxbpf,
};
use crate::{
    dataplane::{Dataplane, Status},
    error::{Error, Result},
    netns::{self, NetNs},
};

/// What taking down came to.
#[derive(Debug, Default)]
pub struct Down {
    /// Namespaces that were removed.
    pub namespaces: usize,
    /// Daemons and instances that were ended.
    pub instances: usize,
    /// There was a lab, or something of one.
    pub found: bool,
    /// Processes of the user that are still in a namespace, which therefore goes on without a name.
    pub lingering: Vec<(u32, String)>,
    /// What could not be removed, and why.
    pub errors: Vec<Error>,
}

/// Takes the lab down. That there is none is fine.
pub fn down() -> Result<Down> {
    let _lock = Lock::take()?;
    Ok(remove())
}

/// Removes everything, and goes on after errors. For holders of the lock.
pub(super) fn remove() -> Down {
    let mut down = Down::default();
    let daemons = daemons();
    down.errors.extend(daemon::stop(&daemons));
    let mut instances: Vec<String> = daemons.into_iter().map(|(_, instance)| instance).collect();
    for instance in (1..=MOST_NODES).map(instance_of).filter(|instance| of_lab(instance).is_some()) {
        match instance
            .parse()
            .map_err(|e: String| Error::invalid(&instance, e))
            .and_then(|name| Dataplane::detach(&name))
        {
            Ok(()) => instances.push(instance),
            Err(e) => down.errors.push(e),
        }
    }
    instances.sort_unstable();
    instances.dedup();
    down.instances = instances.len();
    remove_namespaces(&mut down);
    let dir = place::remove().unwrap_or_else(|e| {
        down.errors.push(e);
        true
    });
    down.found = dir || down.namespaces > 0 || down.instances > 0;
    down
}

/// The daemons of the lab: those in its namespaces, and those of instances whose namespace has lost its name.
fn daemons() -> Vec<(u32, String)> {
    let mut daemons = Vec::new();
    for node in 1..=MOST_NODES {
        let instance = instance_of(node);
        let mut pids =
            NetNs::named(&netns_of(node)).map(|netns| daemon::processes_in(&netns)).unwrap_or_default();
        pids.extend(of_lab(&instance).and_then(|status| status.daemon));
        pids.sort_unstable();
        pids.dedup();
        pids.retain(|pid| daemon::is_daemon(*pid, &instance));
        daemons.extend(pids.into_iter().map(|pid| (pid, instance.clone())));
    }
    daemons
}

/// An instance of that name, if it is the lab's: somebody may have one of the same name outside of it.
fn of_lab(instance: &str) -> Option<Status> {
    let status = vxbpf::open(instance).and_then(|dataplane| dataplane.status()).ok()?;
    let nameless = status.daemon.is_some_and(|pid| status.netns == format!("pid {pid}"));
    let ours = match status.netns.strip_prefix("netns ") {
        Some(name) => name.starts_with(PREFIX),
        None => nameless || status.netns.starts_with("inode "),
    };
    ours.then_some(status)
}

fn remove_namespaces(down: &mut Down) {
    let names = netns::names().unwrap_or_else(|e| {
        down.errors.push(e);
        Vec::new()
    });
    for name in names.into_iter().filter(|name| name.starts_with(PREFIX)) {
        let users = NetNs::named(&name).map(|netns| daemon::processes_in(&netns)).unwrap_or_default();
        down.lingering.extend(users.into_iter().map(|pid| (pid, name.clone())));
        match netns::delete(&name) {
            Ok(()) => down.namespaces += 1,
            Err(e) => down.errors.push(e),
        }
    }
}
