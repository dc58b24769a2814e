//! What the config file wants, by the keys that the maps have. Everything in it has one spelling, so that what is
//! there can be compared with it.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use vxbpf_common::{Mac, Vni};

use crate::dataplane::{Destination, FdbState, Mode, Neighbour, PortOptions, Remote, VniOptions};

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// VNIs.
    pub vnis: BTreeMap<Vni, VniOptions>,
    /// Ports, by interface.
    pub ports: BTreeMap<String, Port>,
    /// Remotes of flood lists (zero MAC) and of groups.
    pub flood: BTreeMap<(Vni, Mac, Tunnel), ()>,
    /// FDB entries, without the lists.
    pub fdb: BTreeMap<(Vni, Mac), Station>,
    /// Neighbours.
    pub neigh: BTreeMap<(Vni, IpAddr), Neighbour>,
    /// Decisions about VTEPs.
    pub vteps: BTreeMap<(Vni, IpAddr), Decision>,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The VNI it belongs to.
    pub vni: Vni,
    /// Its options, the locked addresses in order.
    pub options: PortOptions,
}

/// Where a station is, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Station {
    /// Where.
    pub to: To,
    /// How long it stays.
    pub state: FdbState,
}

/// Where a station is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Behind a remote VTEP.
    Tunnel(Tunnel),
    /// Behind a local port.
    Port(String),
}

/// A remote VTEP as a destination. VNI and port are there only if they differ from the local VNI and the
/// instance's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tunnel {
    /// Its address.
    pub addr: IpAddr,
    /// VNI written on the wire.
    pub vni: Option<Vni>,
    /// Its UDP port.
    pub port: Option<u16>,
}

/// What was decided about a VTEP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may send.
    Allow,
    /// It may not.
    Deny,
}

impl Desired {
    /// The same with the instance's own UDP port spelled as "not given", as [`super::Observed`] has it.
    pub fn on(mut self, dstport: u16) -> Self {
        let flood = std::mem::take(&mut self.flood).into_keys();
        self.flood = flood.map(|(vni, mac, tunnel)| ((vni, mac, tunnel.on(vni, dstport)), ())).collect();
        for ((vni, _), station) in &mut self.fdb {
            if let To::Tunnel(tunnel) = &mut station.to {
                *tunnel = tunnel.on(*vni, dstport);
            }
        }
        self
    }
}

impl Tunnel {
    /// The one spelling of it, in a VNI of an instance.
    pub(super) fn on(self, local: Vni, dstport: u16) -> Self {
        Self {
            addr: self.addr.to_canonical(),
            vni: self.vni.filter(|vni| *vni != local),
            port: self.port.filter(|port| *port != dstport),
        }
    }
}

impl From<Tunnel> for Remote {
    fn from(tunnel: Tunnel) -> Self {
        Self { addr: tunnel.addr, dst_vni: tunnel.vni, port: tunnel.port }
    }
}

impl From<To> for Destination {
    fn from(to: To) -> Self {
        match to {
            To::Tunnel(tunnel) => Self::Remote(tunnel.into()),
            To::Port(dev) => Self::Port(dev),
        }
    }
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.addr)?;
        if let Some(vni) = self.vni {
            write!(f, " vni {vni}")?;
        }
        match self.port {
            Some(port) => write!(f, " port {port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tunnel(tunnel) => write!(f, "dst {tunnel}"),
            Self::Port(dev) => write!(f, "dev {dev}"),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

/// Port options in one spelling: locked addresses in order and once.
pub(super) fn port_options(mode: Mode, mut mac_lock: Vec<Mac>, isolated: bool) -> PortOptions {
    mac_lock.sort();
    mac_lock.dedup();
    PortOptions { mode, mac_lock, isolated }
}
