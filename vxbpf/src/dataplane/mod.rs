//! The handle on an instance: one method per verb. The daemon, the command line, the lab and the tests all use it,
//! and nothing else touches maps or programs.

mod announce;
mod attach;
mod batch;
mod bulk;
mod events;
mod fdb;
mod fdb_view;
mod fit;
mod follow;
mod group;
mod helpers;
pub mod info;
mod lists;
mod lock;
mod maps;
mod names;
mod neigh;
mod object;
pub mod options;
mod others;
mod place;
mod port;
mod session;
mod slots;
mod start;
mod stats;
mod sweep;
mod table;
mod vni;
mod vtep;

use std::fs::File;

pub use events::Events;
pub use follow::Renamed;
pub use info::*;
pub use neigh::Neighbour;
pub use options::*;
pub use place::look_from_host;
pub use port::PortAdded;
pub use start::Started;
use vxbpf_common::{ABI_VERSION, instance::Instance};

use self::{announce::Announcer, maps::Maps, others::Others, place::Place, session::Session};
use crate::{Error, Result};

/// A handle on one instance. Any number of processes may have one; writers take turns.
pub struct Dataplane {
    name: InstanceName,
    place: Place,
    maps: Maps,
    instance: Instance,
    /// Held by the daemon for as long as it lives.
    daemon: Option<File>,
    announcer: Announcer,
    session: Option<Session>,
    /// Held while there is a session that asked.
    others: Option<Others>,
}

impl Dataplane {
    /// Opens an instance that runs, with its daemon alive or dead.
    pub fn open(instance: &InstanceName) -> Result<Self> {
        let place = Place::of(instance);
        if !nix::unistd::geteuid().is_root() {
            let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
            return Err(Error::system(format!("open instance {instance}"))(denied));
        }
        if !place.is_there() {
            return Err(Error::NotRunning { instance: instance.to_string() });
        }
        let found = maps::abi(&place)?;
        if found != ABI_VERSION {
            return Err(Error::Abi { instance: instance.to_string(), found, ours: ABI_VERSION });
        }
        let maps = Maps::open(&place)?;
        let state = maps.instance.get(&0, 0).map_err(|e| maps::kernel("read map INSTANCE", &e))?;
        Ok(Self::new(instance.clone(), place, maps, state))
    }

    fn new(name: InstanceName, place: Place, maps: Maps, instance: Instance) -> Self {
        Self {
            name,
            place,
            maps,
            instance,
            daemon: None,
            announcer: Announcer::default(),
            session: None,
            others: None,
        }
    }

    /// The instance's name.
    pub fn name(&self) -> &InstanceName {
        &self.name
    }

    /// UDP port of VXLAN.
    pub fn dstport(&self) -> u16 {
        u16::from_be_bytes(self.instance.dstport)
    }
}
