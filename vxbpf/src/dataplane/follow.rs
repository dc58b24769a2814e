//! Following the interfaces: their names, the underlay's MAC address, and the devices that are members of groups. An
//! interface is known by its index, which it keeps when it is called something else.

use vxbpf_common::{instance::INSTANCE_CLSACT, port::Port};

use super::{
    Dataplane,
    attach::{self, FROM_PORT},
    maps, names,
};
use crate::{
    Result,
    netdev::{self, Link},
};

/// An interface of ours that got another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// As it was called.
    pub from: String,
    /// As it is called now.
    pub to: String,
}

impl Dataplane {
    /// Makes what is stored of the interfaces what it should be, after something about them changed. Gives those that have
    /// another name than before.
    pub fn follow_links(&mut self) -> Result<Vec<Renamed>> {
        let _lock = self.lock()?;
        let links = self.in_netns(netdev::links)??;
        let mut renamed = Vec::new();
        if let Some(link) = links.iter().find(|link| link.index == self.instance.ifindex) {
            renamed.extend(self.follow_underlay(link)?);
            self.rejoin_groups(&links)?;
        }
        for (ifindex, port) in self.maps.ports.entries()? {
            if let Some(link) = links.iter().find(|link| link.index == ifindex) {
                renamed.extend(self.follow_port(&port, link)?);
            }
        }
        Ok(renamed)
    }

    /// Whether that is a port, and is stored with another name.
    pub fn is_renamed(&self, ifindex: u32, name: &str) -> bool {
        let port = self.maps.ports.get(&ifindex).ok().flatten();
        port.is_some_and(|port| port.name != names::to_bytes(name))
    }

    fn follow_underlay(&mut self, link: &Link) -> Result<Option<Renamed>> {
        let before = self.instance;
        self.instance.mac = link.mac.unwrap_or(before.mac);
        self.instance.name = names::to_bytes(&link.name);
        if self.instance != before {
            let stored = self.maps.instance.set(0, self.instance, 0);
            stored.map_err(|e| maps::kernel("write map INSTANCE", &e))?;
        }
        Ok(renamed(&before.name, link))
    }

    /// Call with the lock held.
    pub(super) fn follow_port(&mut self, port: &Port, link: &Link) -> Result<Option<Renamed>> {
        let renamed = renamed(&port.name, link);
        if renamed.is_some() {
            let name = names::to_bytes(&link.name);
            self.maps.ports.insert(&link.index, &Port { name, ..*port })?;
            if let Some(index) = self.index_mut() {
                index.ports.remove(&port.name);
                index.ports.insert(name, link.index);
            }
        }
        Ok(renamed)
    }

    /// The interface of a port, as it is called now, if the port's program still runs there.
    pub(super) fn port_link(&self, ifindex: u32, port: &Port) -> Result<Option<Link>> {
        let clsact = self.instance.flags & INSTANCE_CLSACT != 0;
        let pin = self.place.link(FROM_PORT, ifindex);
        // A filter of clsact lives as long as its interface; of an index that is used again only the name tells.
        let is_ours = |link: &Link| {
            if clsact { port.name == names::to_bytes(&link.name) } else { attach::runs_on(&pin, &link.name) }
        };
        self.in_netns(|| Ok(netdev::link_at(ifindex)?.filter(is_ours)))?
    }
}

fn renamed(before: &[u8; 16], link: &Link) -> Option<Renamed> {
    let from = names::from_bytes(before);
    (from != link.name).then(|| Renamed { from, to: link.name.clone() })
}
