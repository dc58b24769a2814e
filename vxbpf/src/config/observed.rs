//! What is there, as far as a config file can speak of it, and who entered it.

use std::{collections::BTreeMap, net::IpAddr};

use vxbpf_common::{Mac, Vni};

use super::desired::{Decision, Port, Station, To, Tunnel, port_options};
use crate::{
    Result,
    dataplane::{Dataplane, FdbFilter, FdbInfo, Mode, Neighbour, Origin, PortInfo, VniOptions, VtepPolicy},
};

/// Something that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<T> {
    /// What it is.
    pub value: T,
    /// Who entered it.
    pub origin: Origin,
}

/// All that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// VNIs.
    pub vnis: BTreeMap<Vni, Seen<VniOptions>>,
    /// Ports, by interface.
    pub ports: BTreeMap<String, Seen<Port>>,
    /// Remotes of flood lists (zero MAC) and of groups.
    pub flood: BTreeMap<(Vni, Mac, Tunnel), Seen<()>>,
    /// FDB entries, without the lists.
    pub fdb: BTreeMap<(Vni, Mac), Seen<Station>>,
    /// Neighbours.
    pub neigh: BTreeMap<(Vni, IpAddr), Seen<Neighbour>>,
    /// Decisions about VTEPs.
    pub vteps: BTreeMap<(Vni, IpAddr), Seen<Decision>>,
}

impl<T> Seen<T> {
    /// Something of that origin.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
}

impl Observed {
    /// Looks at a running instance.
    pub fn read(dataplane: &Dataplane, dstport: u16) -> Result<Self> {
        let mut observed = Self::default();
        for (vni, options, origin) in dataplane.vni_options()? {
            observed.vnis.insert(vni, Seen::new(options, origin));
        }
        for info in dataplane.ports()? {
            observed.ports.insert(info.dev.clone(), Seen::new(port(&info), info.origin));
        }
        let mut fdb = Vec::new();
        dataplane.fdb_each(&FdbFilter::default(), |info| {
            fdb.extend(observed.entry(&info, dstport));
        })?;
        // Sorted as a whole by what makes the map.
        observed.fdb = fdb.into_iter().collect();
        for neigh in dataplane.neighs(None)? {
            observed
                .neigh
                .insert((neigh.vni, neigh.addr.to_canonical()), Seen::new(neigh.neighbour, neigh.origin));
        }
        for vtep in dataplane.vteps(None)? {
            let decision = match vtep.policy {
                VtepPolicy::None => continue,
                VtepPolicy::Allow => Decision::Allow,
                VtepPolicy::Deny => Decision::Deny,
            };
            observed.vteps.insert((vtep.vni, vtep.addr.to_canonical()), Seen::new(decision, vtep.origin));
        }
        Ok(observed)
    }

    /// Takes an entry in; gives a station.
    fn entry(&mut self, info: &FdbInfo, dstport: u16) -> Option<((Vni, Mac), Seen<Station>)> {
        let tunnel =
            info.dst.map(|addr| Tunnel { addr, vni: info.dst_vni, port: info.port }.on(info.vni, dstport));
        let to = match (tunnel, &info.dev) {
            // The group is an option of its VNI.
            (Some(tunnel), _) if tunnel.addr.is_multicast() => return None,
            (Some(tunnel), _) if !info.mac.is_station() => {
                self.flood.insert((info.vni, info.mac, tunnel), Seen::new((), info.origin));
                return None;
            }
            (Some(tunnel), _) => To::Tunnel(tunnel),
            (None, Some(dev)) if info.mac.is_station() => To::Port(dev.clone()),
            (None, _) => return None,
        };
        Some(((info.vni, info.mac), Seen::new(Station { to, state: info.state }, info.origin)))
    }
}

/// A port by what was asked for, which for `auto` is not what is in force.
fn port(info: &PortInfo) -> Port {
    let mode = if info.auto { Mode::Auto } else { info.mode };
    Port { vni: info.vni, options: port_options(mode, info.mac_lock.clone(), info.isolated) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataplane::FdbState;

    #[test]
    fn an_entry_has_one_spelling_whatever_the_tables_say() {
        let vni = Vni::new(42).expect("fits");
        let info = FdbInfo {
            vni,
            mac: Mac::new([2, 0, 0, 0, 0, 1]),
            dst: Some("192.168.104.3".parse().expect("address")),
            dst_vni: Some(vni),
            port: Some(4789),
            dev: None,
            state: FdbState::Static,
            origin: Origin::Config,
            used: None,
            updated: None,
        };
        let mut observed = Observed::default();
        let entry = observed.entry(&info, 4789);
        let remote = observed.entry(&FdbInfo { mac: Mac::ZERO, port: Some(4790), ..info.clone() }, 4789);
        assert_eq!(remote, None);
        let tunnel = Tunnel { addr: "192.168.104.3".parse().expect("address"), vni: None, port: None };
        let station = Station { to: To::Tunnel(tunnel), state: FdbState::Static };
        assert_eq!(entry, Some(((vni, info.mac), Seen::new(station, Origin::Config))));
        let flood: Vec<_> = observed.flood.keys().collect();
        assert_eq!(flood, [&(vni, Mac::ZERO, Tunnel { port: Some(4790), ..tunnel })]);
    }
}
