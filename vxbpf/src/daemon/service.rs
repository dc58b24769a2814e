//! What the daemon does to its instance, one method per occasion.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use nix::net::if_::if_indextoname;
use tracing::{debug, error, info, warn};

use super::notify;
use crate::{
    Result,
    config::{self, Config},
    dataplane::{Dataplane, Events, InstanceName, PortInfo, Settings},
    netdev,
};

/// Most changes of a config file that are told one by one.
const CHANGES: usize = 200;

/// The instance that this daemon is for.
pub(super) struct Service {
    dataplane: Dataplane,
    settings: Settings,
    config: Option<PathBuf>,
    /// Index of the underlay interface, until it goes away.
    underlay: Option<u32>,
    /// Its MTU when we last looked.
    mtu: u32,
}

impl Service {
    /// Takes care of an instance that was just started.
    pub(super) fn new(dataplane: Dataplane, settings: Settings, config: Option<PathBuf>) -> Self {
        let underlay = netdev::link(&settings.iface).ok();
        let mtu = underlay.as_ref().map_or(0, |link| link.mtu);
        Self { dataplane, settings, config, underlay: underlay.map(|link| link.index), mtu }
    }

    /// The instance's name.
    pub(super) fn instance(&self) -> &InstanceName {
        &self.settings.instance
    }

    /// Its UDP port.
    pub(super) fn dstport(&self) -> u16 {
        self.dataplane.dstport()
    }

    /// Its events.
    pub(super) fn events(&self) -> Result<Events> {
        self.dataplane.events()
    }

    /// The instance in a few words.
    pub(super) fn summary(&self) -> String {
        let name = self.instance();
        let count =
            |n: Result<usize>, what: &str| n.map_or_else(|_| format!("? {what}s"), |n| plural(n, what));
        let vnis = count(self.dataplane.vni_count(), "VNI");
        let ports = count(self.dataplane.ports().map(|ports| ports.len()), "port");
        format!("instance {name} forwards on {}, {vnis}, {ports}", self.settings.iface)
    }

    /// Makes the running state equal to a config file; all of it or nothing.
    pub(super) fn apply(&mut self, config: Config) -> Result<()> {
        let applied = config::settle(&mut self.dataplane, config.desired)?;
        // A page of them; of the rest who asks for it.
        let (told, more) = applied.changes.split_at(applied.changes.len().min(CHANGES));
        told.iter().for_each(|change| info!("config: {change}"));
        more.iter().for_each(|change| debug!("config: {change}"));
        if !more.is_empty() {
            info!("config: {} more changes (-v tells them)", more.len());
        }
        for vni in applied.held {
            warn!("config: vni {vni} is no longer in the file but stays: commands entered something in it");
        }
        Ok(())
    }

    /// Says so where a file asks for tables of another size.
    pub(super) fn compare_limits(&self, config: &Config) {
        if config.limits.is_some_and(|limits| limits != self.dataplane.limits()) {
            let file = self.config.as_deref().unwrap_or(Path::new("config")).display();
            warn!(
                "{file}: limits are fixed when the instance is first started; not changed (end this daemon, without --keep, \
                 and start it again)"
            );
        }
    }

    /// Reads the config file again. What is wrong with it changes nothing.
    pub(super) fn reload(&mut self) {
        let Some(path) = self.config.clone() else {
            warn!("SIGHUP: there is no config file to read again (run was given no --config)");
            return;
        };
        notify::reloading();
        let reloaded = config::load(&path).and_then(|config| {
            self.compare_limits(&config);
            self.apply(config)
        });
        match reloaded {
            Ok(()) => info!("{}: reloaded", path.display()),
            Err(e) => {
                error!("{}: not reloaded, everything stays as it is: {e}", path.display());
                if let Some(hint) = e.hint() {
                    error!("hint: {hint}");
                }
            }
        }
        notify::ready(&self.summary());
    }

    /// Removes expired entries, and looks for interfaces that went away unheard.
    pub(super) fn sweep(&mut self) {
        match self.dataplane.sweep() {
            Ok(0) => {}
            Ok(swept) => debug!("aged out {swept} FDB entries"),
            Err(e) => warn!("cannot remove aged entries: {e}"),
        }
        self.look_for_lost();
    }

    /// An interface of this namespace went away.
    pub(super) fn link_removed(&mut self, ifindex: u32) {
        let of_a_port = |ports: Vec<PortInfo>| ports.iter().any(|port| port.ifindex == ifindex);
        if self.underlay == Some(ifindex) || self.dataplane.ports().is_ok_and(of_a_port) {
            self.look_for_lost();
        }
    }

    /// Something about an interface of this namespace may be new. The data path follows by itself.
    pub(super) fn link_changed(&mut self, ifindex: u32, name: &str, mtu: u32) {
        let is_underlay = self.underlay == Some(ifindex);
        if is_underlay || self.dataplane.is_renamed(ifindex, name) {
            self.follow();
        }
        if !is_underlay {
            return;
        }
        name.clone_into(&mut self.settings.iface);
        if self.mtu == mtu {
            return;
        }
        info!("the MTU of the underlay interface {} is {mtu} now, was {}", self.settings.iface, self.mtu);
        self.mtu = mtu;
        match self.dataplane.ports_fit(mtu) {
            Ok(warnings) => warnings.iter().for_each(|warning| warn!("{warning}")),
            Err(e) => warn!("cannot compare the MTU of ports with it: {e}"),
        }
    }

    fn follow(&mut self) {
        let said = self.dataplane.follow_links(|it| info!("interface {} is called {} now", it.from, it.to));
        if let Err(e) = said {
            warn!("cannot follow a change of interfaces: {e}");
        }
    }

    /// Lets go of every interface that is no longer there, and follows those that have another name.
    fn look_for_lost(&mut self) {
        // The ports first: one that is added meanwhile is not missed among the interfaces.
        let looked = self.dataplane.ports().and_then(|ports| Ok((ports, netdev::links()?)));
        let (ports, links) = match looked {
            Ok(looked) => looked,
            Err(e) => return warn!("cannot look for interfaces that went away: {e}"),
        };
        let there: HashMap<u32, &str> = links.iter().map(|link| (link.index, link.name.as_str())).collect();
        if self.underlay.is_some_and(|ifindex| !there.contains_key(&ifindex)) {
            self.underlay = None;
            error!(
                "the underlay interface {} is gone: no tunnel works; when it is back, restart this instance \
                 (what commands entered is gone then; what is in its config file is not)",
                self.settings.iface
            );
        }
        ports.iter().filter(|port| !there.contains_key(&port.ifindex)).for_each(|port| self.let_go(port));
        // Heard of it we have not, if there were too many messages.
        if ports.iter().any(|port| there.get(&port.ifindex).is_some_and(|name| *name != port.dev)) {
            self.follow();
        }
    }

    fn let_go(&mut self, port: &PortInfo) {
        match self.dataplane.port_lost(port.ifindex) {
            Ok(()) => info!("port {} removed from VNI {}: its interface is gone", port.dev, port.vni),
            Err(e) => warn!("port {}: its interface is gone, and it cannot be removed: {e}", port.dev),
        }
    }
}

fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// The interface of an index, by name; one that is gone by its index.
pub(super) fn dev(ifindex: u32) -> String {
    // nix takes "no such interface" for an empty name.
    let name = if_indextoname(ifindex).ok().filter(|name| !name.is_empty());
    name.map_or_else(|| format!("if{ifindex}"), |name| name.to_string_lossy().into_owned())
}
