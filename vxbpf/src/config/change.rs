//! One change of the running state, its inverse, and how an operator would say it.

use std::{
    fmt::{self, Display},
    net::IpAddr,
};

use vxbpf_common::{Mac, Vni};

use super::{
    desired::{Decision, Port, Station, Tunnel},
    observed::Seen,
};
use crate::dataplane::{Neighbour, VniOptions};

/// From what was there to what shall be. Both hold the value and who entered it, so that it can be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<T> {
    /// Before; `None` for what is added.
    pub from: Option<Seen<T>>,
    /// After; `None` for what is removed.
    pub to: Option<Seen<T>>,
}

/// One change of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A VNI.
    Vni(Vni, Step<VniOptions>),
    /// A port.
    Port(String, Step<Port>),
    /// A remote of a flood list (zero MAC), or of a group.
    Flood(Vni, Mac, Tunnel, Step<()>),
    /// An FDB entry.
    Fdb(Vni, Mac, Step<Station>),
    /// A neighbour.
    Neigh(Vni, IpAddr, Step<Neighbour>),
    /// A decision about a VTEP.
    Vtep(Vni, IpAddr, Step<Decision>),
}

impl<T: Clone> Step<T> {
    fn inverse(&self) -> Self {
        Self { from: self.to.clone(), to: self.from.clone() }
    }
}

impl Change {
    /// The change that undoes this one.
    pub fn inverse(&self) -> Self {
        match self {
            Self::Vni(vni, step) => Self::Vni(*vni, step.inverse()),
            Self::Port(dev, step) => Self::Port(dev.clone(), step.inverse()),
            Self::Flood(vni, mac, tunnel, step) => Self::Flood(*vni, *mac, *tunnel, step.inverse()),
            Self::Fdb(vni, mac, step) => Self::Fdb(*vni, *mac, step.inverse()),
            Self::Neigh(vni, addr, step) => Self::Neigh(*vni, *addr, step.inverse()),
            Self::Vtep(vni, addr, step) => Self::Vtep(*vni, *addr, step.inverse()),
        }
    }
}

impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vni(vni, step) => {
                write!(f, "vni {vni}: {}", say(step, |_| String::new(), vni_changes))
            }
            Self::Port(dev, step) => {
                write!(f, "port {dev}: {}", say(step, |port| format!("vni {}", port.vni), port_changes))
            }
            Self::Flood(vni, mac, tunnel, step) => {
                let said = say(step, |()| String::new(), |(), ()| Vec::new());
                match mac.is_zero() {
                    true => write!(f, "flood {tunnel} of vni {vni}: {said}"),
                    false => write!(f, "fdb {mac} dst {tunnel} of vni {vni}: {said}"),
                }
            }
            Self::Fdb(vni, mac, step) => {
                let one = |station: &Station| format!("{} {}", station.to, station.state);
                write!(f, "fdb {mac} vni {vni}: {}", say(step, one, station_changes))
            }
            Self::Neigh(vni, addr, step) => {
                write!(f, "neigh {addr} vni {vni}: {}", say(step, neighbour, neighbour_changes))
            }
            Self::Vtep(vni, addr, step) => {
                let both = |from: &Decision, to: &Decision| vec![format!("{from} -> {to}")];
                write!(f, "vtep {addr} vni {vni}: {}", say(step, Decision::to_string, both))
            }
        }
    }
}

/// `add …`, `remove …`, or what is different.
fn say<T>(step: &Step<T>, one: impl Fn(&T) -> String, both: impl Fn(&T, &T) -> Vec<String>) -> String {
    let with = |verb: &str, value: &T| format!("{verb} {}", one(value)).trim_end().to_owned();
    match (&step.from, &step.to) {
        (None, Some(to)) => with("add", &to.value),
        (Some(from), None) => with("remove", &from.value),
        (Some(from), Some(to)) => {
            let changes = both(&from.value, &to.value);
            if changes.is_empty() { with("enter again", &to.value) } else { changes.join(", ") }
        }
        (None, None) => "nothing".to_owned(),
    }
}

fn neighbour(neighbour: &Neighbour) -> String {
    format!("lladdr {}{}", neighbour.lladdr, if neighbour.router { " router" } else { "" })
}

fn neighbour_changes(from: &Neighbour, to: &Neighbour) -> Vec<String> {
    let mut changes = Vec::new();
    note(&mut changes, "lladdr", from.lladdr, to.lladdr);
    note(&mut changes, "router", from.router, to.router);
    changes
}

/// Notes `what from -> to` if they differ.
fn note(changes: &mut Vec<String>, what: &str, from: impl Display, to: impl Display) {
    let (from, to) = (from.to_string(), to.to_string());
    if from != to {
        changes.push(format!("{what} {from} -> {to}"));
    }
}

fn on(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

fn vni_changes(from: &VniOptions, to: &VniOptions) -> Vec<String> {
    let mut changes = Vec::new();
    let name = |options: &VniOptions| options.name.clone().unwrap_or_else(|| "none".to_owned());
    note(&mut changes, "name", name(from), name(to));
    note(&mut changes, "learning", on(from.learning), on(to.learning));
    note(&mut changes, "ageing", from.ageing, to.ageing);
    note(&mut changes, "limit", from.limit, to.limit);
    note(&mut changes, "arp-miss", from.arp_miss, to.arp_miss);
    note(&mut changes, "ttl", from.ttl, to.ttl);
    note(&mut changes, "tos", from.tos, to.tos);
    note(&mut changes, "df", from.df, to.df);
    note(&mut changes, "vtep-filter", from.vtep_filter, to.vtep_filter);
    let group =
        |options: &VniOptions| options.group.map_or_else(|| "none".to_owned(), |group| group.to_string());
    note(&mut changes, "group", group(from), group(to));
    changes
}

fn port_changes(from: &Port, to: &Port) -> Vec<String> {
    let mut changes = Vec::new();
    let lock = |port: &Port| match port.options.mac_lock.as_slice() {
        [] => "none".to_owned(),
        macs => macs.iter().map(Mac::to_string).collect::<Vec<_>>().join(","),
    };
    note(&mut changes, "vni", from.vni, to.vni);
    note(&mut changes, "mode", from.options.mode, to.options.mode);
    note(&mut changes, "mac-lock", lock(from), lock(to));
    note(&mut changes, "isolated", on(from.options.isolated), on(to.options.isolated));
    changes
}

fn station_changes(from: &Station, to: &Station) -> Vec<String> {
    let mut changes = Vec::new();
    if from.to != to.to {
        let (before, after) = (from.to.to_string(), to.to.to_string());
        // "dst A -> B", and the kind of place once if it stays the same.
        let same = before.split(' ').next() == after.split(' ').next();
        let after = after.split_once(' ').filter(|_| same).map_or(after.as_str(), |(_, place)| place);
        changes.push(format!("{before} -> {after}"));
    }
    note(&mut changes, "state", from.state, to.state);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::desired::To,
        dataplane::{FdbState, Origin},
    };

    fn step<T>(from: Option<T>, to: Option<T>) -> Step<T> {
        let seen = |value| Seen::new(value, Origin::Config);
        Step { from: from.map(seen), to: to.map(seen) }
    }

    fn behind(addr: &str) -> Station {
        let tunnel = Tunnel { addr: addr.parse().expect("address"), vni: None, port: None };
        Station { to: To::Tunnel(tunnel), state: FdbState::Permanent }
    }

    #[test]
    fn a_change_is_said_in_the_words_of_the_command_line() {
        let vni = Vni::new(42).expect("fits");
        let mac = Mac::new([2, 0x42, 0xc0, 0xa8, 0, 3]);
        let options = VniOptions::default();
        let slow = VniOptions { ageing: 60, name: Some("vxlan1".to_owned()), ..options.clone() };
        let veth = Station { to: To::Port("veth1".to_owned()), state: FdbState::Static };
        let rows = [
            (Change::Vni(vni, step(None, Some(options.clone()))), "vni 42: add"),
            (Change::Vni(vni, step(Some(options.clone()), None)), "vni 42: remove"),
            (
                Change::Vni(vni, step(Some(options), Some(slow))),
                "vni 42: name none -> vxlan1, ageing 300 -> 60",
            ),
            (
                Change::Fdb(vni, mac, step(Some(behind("192.168.104.3")), Some(behind("192.168.104.4")))),
                "fdb 02:42:c0:a8:00:03 vni 42: dst 192.168.104.3 -> 192.168.104.4",
            ),
            (
                Change::Fdb(vni, mac, step(Some(behind("192.168.104.3")), Some(veth))),
                "fdb 02:42:c0:a8:00:03 vni 42: dst 192.168.104.3 -> dev veth1, state permanent -> static",
            ),
            (
                Change::Fdb(vni, mac, step(None, Some(behind("192.168.104.3")))),
                "fdb 02:42:c0:a8:00:03 vni 42: add dst 192.168.104.3 permanent",
            ),
            (
                Change::Vtep(
                    vni,
                    "192.168.104.9".parse().expect("address"),
                    step(None, Some(Decision::Allow)),
                ),
                "vtep 192.168.104.9 vni 42: add allow",
            ),
        ];
        for (change, said) in rows {
            assert_eq!(change.to_string(), said);
            assert_eq!(change.inverse().inverse(), change, "{said}");
        }
    }
}
