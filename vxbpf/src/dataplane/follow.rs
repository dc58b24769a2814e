//! Following the interfaces: their names, the underlay's MAC address, and the devices that are members of groups. An
//! interface is known by its index, which it keeps when it is called something else.

use std::{thread, time::Duration};

use vxbpf_common::{
    instance::{INSTANCE_CLSACT, Instance},
    port::Port,
};

use super::{
    Dataplane,
    attach::{self, FROM_PORT, FROM_UNDERLAY, On},
    maps, names,
};
use crate::{
    Result,
    netdev::{self, Link},
};

/// A program that is replaced, or an interface that is renamed, between two questions is in neither answer: so often, and after
/// that, it is asked again before a program counts as gone.
const LOOKS: u32 = 3;
const BETWEEN: Duration = Duration::from_millis(5);

/// An interface of ours that got another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// As it was called.
    pub from: String,
    /// As it is called now.
    pub to: String,
}

impl Dataplane {
    /// Makes what is stored of the interfaces what it should be, after something about them changed. Tells `renamed` of those
    /// that have another name than before.
    pub fn follow_links(&mut self, mut renamed: impl FnMut(Renamed)) -> Result<()> {
        let lock = self.lock()?;
        let before = self.instance;
        let underlay = self.running(FROM_UNDERLAY, before.ifindex)?;
        let was = underlay.as_ref().map(|link| self.follow_underlay(link)).transpose()?.flatten();
        let links = self.in_netns(netdev::links)??;
        let ports = self.follow_ports(&links)?;
        let unchanged = self.instance == before && ports.is_empty();
        was.into_iter().chain(ports).for_each(&mut renamed);
        if underlay.is_some() {
            self.rejoin_groups(&links)?;
        }
        if unchanged && let Some(lock) = lock {
            lock.give_back_unchanged();
        }
        Ok(())
    }

    /// The same of ports alone. Call with the lock held.
    pub(super) fn follow_ports(&mut self, links: &[Link]) -> Result<Vec<Renamed>> {
        let mut all = Vec::new();
        for (ifindex, port) in self.maps.ports.entries()? {
            let link = links.iter().find(|link| link.index == ifindex);
            let Some((link, it)) = link.and_then(|link| Some((link, renamed(&port.name, link)?))) else {
                continue;
            };
            // Of an index that is used again the program is not ours.
            if !self.runs(FROM_PORT, ifindex)? {
                continue;
            }
            let name = names::to_bytes(&link.name);
            self.maps.ports.insert(&ifindex, &Port { name, ..port })?;
            all.push((it, port.name, name, ifindex));
        }
        if let Some(index) = self.index_mut() {
            // First all old names: two may have changed theirs.
            for (_, old, ..) in &all {
                index.ports.remove(old);
            }
            index.ports.extend(all.iter().map(|(_, _, new, ifindex)| (*new, *ifindex)));
        }
        Ok(all.into_iter().map(|(it, ..)| it).collect())
    }

    /// Whether that is a port, and is stored with another name.
    pub fn is_renamed(&self, ifindex: u32, name: &str) -> bool {
        let port = self.maps.ports.get(&ifindex).ok().flatten();
        port.is_some_and(|port| port.name != names::to_bytes(name))
    }

    fn follow_underlay(&mut self, link: &Link) -> Result<Option<Renamed>> {
        let before = self.instance;
        let is =
            Instance { mac: link.mac.unwrap_or(before.mac), name: names::to_bytes(&link.name), ..before };
        if is != before {
            self.maps.instance.set(0, is, 0).map_err(|e| maps::kernel("write map INSTANCE", &e))?;
            self.instance = is;
        }
        Ok(renamed(&before.name, link))
    }

    /// The interface of that index, as it is called now, if our program runs at its ingress. Before Linux 6.6 a program
    /// lives as long as its interface, and only the index tells.
    pub(super) fn running(&self, program: &str, ifindex: u32) -> Result<Option<Link>> {
        let clsact = self.instance.flags & INSTANCE_CLSACT != 0;
        let pin = self.place.link(program, ifindex);
        let look = || {
            for _ in 0..LOOKS {
                match netdev::link_at(ifindex)? {
                    Some(link) if clsact || attach::runs_on(&pin, &link.name) => return Ok(Some(link)),
                    Some(_) => thread::sleep(BETWEEN),
                    None => break,
                }
            }
            Ok(None)
        };
        self.in_netns(look)?
    }

    /// Takes a filter off its clsact qdisc, which is known by the interface it is on.
    pub(super) fn off_clsact(&self, program: &str, ifindex: u32) {
        let off = || {
            if let Ok(Some(link)) = netdev::link_at(ifindex) {
                let _ = attach::off(&self.place, program, On { dev: &link.name, ifindex }, true);
            }
        };
        // Where the namespace is gone, so is the interface.
        let _ = self.in_netns(off);
    }

    /// Whether our program runs at the ingress of the interface of that index (see [`Self::running`]).
    pub(super) fn runs(&self, program: &str, ifindex: u32) -> Result<bool> {
        Ok(self.running(program, ifindex)?.is_some())
    }

    /// The underlay as it is called now, or was when it was last seen.
    pub(super) fn iface(&self) -> String {
        self.name_of(self.instance.ifindex).unwrap_or_else(|| names::from_bytes(&self.instance.name))
    }

    /// What the interface of that index is called now, if it is there.
    pub(super) fn name_of(&self, ifindex: u32) -> Option<String> {
        let link = self.in_netns(|| netdev::link_at(ifindex)).ok().and_then(Result::ok).flatten();
        Some(link?.name)
    }
}

fn renamed(before: &[u8; 16], link: &Link) -> Option<Renamed> {
    let from = names::from_bytes(before);
    (from != link.name).then(|| Renamed { from, to: link.name.clone() })
}
