//! What `vxbpf fdb` is told, and what it means.

use std::net::IpAddr;

use clap::Args;
use vxbpf_common::{Mac, Vni};

use crate::{
    Result,
    cli::{
        values,
        which::{EntryVni, Scope},
    },
    dataplane::{Dataplane, Destination, FdbFilter, FdbSpec, FdbState, Remote},
};

/// An entry to be made.
#[derive(Debug, Args)]
pub(super) struct Entry {
    /// The station; 00:00:00:00:00:00 is the flood list; a multicast MAC has a list of its own
    pub(super) mac: Mac,
    #[command(flatten)]
    pub(super) to: To,
    #[command(flatten)]
    pub(super) which: EntryVni,
    /// UDP port of the remote [default: dstport of the instance]
    #[arg(long, value_parser = values::udp_port, conflicts_with = "port_dev")]
    pub(super) port: Option<u16>,
    #[command(flatten)]
    pub(super) state: StateWord,
    #[command(flatten)]
    pub(super) _idle: Idle,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct To {
    /// The remote VTEP it is behind
    #[arg(long, value_name = "ADDR", value_parser = values::ip)]
    pub(super) dst: Option<IpAddr>,
    /// The local port it is behind
    #[arg(long, value_name = "DEV", alias = "port_dev")]
    pub(super) port_dev: Option<String>,
}

/// Three words of which one may stand.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub(super) struct StateWord {
    /// State: never ages, never moves; the default of new entries
    #[arg(long, alias = "local")]
    permanent: bool,
    /// State: never ages, never moves
    #[arg(long = "static", alias = "temp")]
    statically: bool,
    /// State: ages, and moves when the station is heard elsewhere
    #[arg(long)]
    dynamic: bool,
}

/// Words of iproute2 that change nothing here.
#[derive(Debug, Args)]
pub(super) struct Idle {
    /// Accepted, changes nothing
    #[arg(long = "self")]
    own: bool,
    /// Not supported
    #[arg(long, hide = true, value_parser = values::via)]
    via: Option<()>,
}

impl Idle {
    /// What a usual line of a batch says of these.
    pub(super) fn usual(own: bool) -> Self {
        Self { own, via: None }
    }
}

impl StateWord {
    /// That word of a usual line of a batch, if it is one.
    pub(super) fn usual(word: &str) -> Option<Self> {
        let none = Self::default();
        match word {
            "permanent" | "local" => Some(Self { permanent: true, ..none }),
            "static" | "temp" => Some(Self { statically: true, ..none }),
            "dynamic" => Some(Self { dynamic: true, ..none }),
            _ => None,
        }
    }

    fn state(&self) -> Option<FdbState> {
        let words = [
            (self.permanent, FdbState::Permanent),
            (self.statically, FdbState::Static),
            (self.dynamic, FdbState::Dynamic),
        ];
        words.into_iter().find_map(|(said, state)| said.then_some(state))
    }
}

impl Entry {
    /// The entry, once the running instance has said which VNI `dev` is.
    pub(super) fn spec(&self, dataplane: &Dataplane) -> Result<FdbSpec> {
        let state = self.state.state().unwrap_or(FdbState::Permanent);
        let (vni, to) = match (&self.to.port_dev, self.to.dst) {
            (Some(dev), _) => (self.which.only(dataplane)?, Destination::Port(dev.clone())),
            (None, Some(addr)) => {
                let remote = Remote { addr, dst_vni: self.which.wire(), port: self.port };
                (self.which.local(dataplane)?, Destination::Remote(remote))
            }
            (None, None) => return Err(crate::Error::invalid("destination", "not given")),
        };
        Ok(FdbSpec { vni, mac: self.mac, to, state })
    }
}

/// An entry to be removed.
#[derive(Debug, Args)]
pub(super) struct Del {
    /// The station; 00:00:00:00:00:00 is the flood list; a multicast MAC has a list of its own
    pub(super) mac: Mac,
    /// Only if it is behind this remote VTEP; of the flood list or a multicast MAC, the remote [default: all]
    #[arg(long, value_name = "ADDR", value_parser = values::ip)]
    #[arg(conflicts_with = "port_dev")]
    pub(super) dst: Option<IpAddr>,
    /// Only if it is behind this local port
    #[arg(long, value_name = "DEV", alias = "port_dev")]
    pub(super) port_dev: Option<String>,
    #[command(flatten)]
    pub(super) which: EntryVni,
    /// UDP port of that remote [default: dstport of the instance]
    #[arg(long, value_parser = values::udp_port, conflicts_with = "port_dev")]
    pub(super) port: Option<u16>,
    #[command(flatten)]
    pub(super) _state: StateWord,
    #[command(flatten)]
    pub(super) _idle: Idle,
}

impl Del {
    /// The local VNI.
    pub(super) fn vni(&self, dataplane: &Dataplane) -> Result<Vni> {
        if self.port_dev.is_some() { self.which.only(dataplane) } else { self.which.local(dataplane) }
    }

    /// The remote it must be behind.
    pub(super) fn remote(&self) -> Option<Remote> {
        self.dst.map(|addr| Remote { addr, dst_vni: self.which.wire(), port: self.port })
    }
}

/// A station to be looked up.
#[derive(Debug, Args)]
pub(super) struct Get {
    /// The station
    pub(super) mac: Mac,
    #[command(flatten)]
    which: EntryVni,
    #[command(flatten)]
    _idle: Idle,
}

impl Get {
    /// The local VNI.
    pub(super) fn vni(&self, dataplane: &Dataplane) -> Result<Vni> {
        self.which.local(dataplane)
    }
}

/// The entries meant by `show` and `flush`.
#[derive(Debug, Args)]
pub(super) struct Filter {
    #[command(flatten)]
    scope: Scope,
    /// Of this station only
    #[arg(long)]
    mac: Option<Mac>,
    /// Behind this remote VTEP only
    #[arg(long, value_name = "ADDR", value_parser = values::ip)]
    dst: Option<IpAddr>,
    /// In this state only
    #[arg(long, value_name = "permanent|static|dynamic", conflicts_with = "StateWord")]
    state: Option<FdbState>,
    #[command(flatten)]
    word: StateWord,
    #[command(flatten)]
    _idle: Idle,
}

impl Filter {
    /// The filter, once the running instance has said which VNI `dev` is.
    pub(super) fn resolve(&self, dataplane: &Dataplane) -> Result<FdbFilter> {
        let state = self.state.or_else(|| self.word.state());
        Ok(FdbFilter { vni: self.scope.resolve(dataplane)?, mac: self.mac, dst: self.dst, state })
    }
}
