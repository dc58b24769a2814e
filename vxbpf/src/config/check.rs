//! Whether a config file can be meant: what one table says about another, and addresses that no station has.
//! Everything that can be refused without the running instance is refused here, before anything is applied.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fmt::Display,
    net::IpAddr,
};

use toml::Spanned;
use vxbpf_common::{Mac, Vni, flood};

use super::{
    Config,
    desired::{Decision, Desired, Port, Station, To, Tunnel, port_options},
    file::{FdbTable, File, NeighTable, Placed, PortTable, Remote, VniTable},
    lines,
    locate::{Flaw, line},
};
use crate::dataplane::{FdbState, Limits, Mode, Neighbour, VniOptions, VtepFilter};

/// Checks a file and turns it into what it wants.
pub(super) fn check(file: &File, text: &str) -> Result<Config, Flaw> {
    let mut checker = Checker {
        text,
        desired: Desired::default(),
        places: BTreeMap::new(),
        groups: BTreeMap::new(),
        stations: Vec::new(),
        neighbours: Vec::new(),
    };
    for table in &file.vni {
        checker.vni(table)?;
    }
    // Ports of every VNI first: an FDB entry may not be behind another VNI's port.
    for table in &file.vni {
        table.port.iter().try_for_each(|port| checker.port(table.vni.get_ref().0, port))?;
    }
    for table in &file.vni {
        checker.entries(table)?;
    }
    if let Some(limits) = &file.limits {
        check_limits(limits)?;
    }
    let Checker { mut desired, stations, neighbours, .. } = checker;
    desired.fdb = unique(text, stations, |(vni, mac)| format!("fdb {mac} vni {vni}"))?;
    desired.neigh = unique(text, neighbours, |(vni, addr)| format!("neigh {addr} vni {vni}"))?;
    Ok(Config { limits: file.limits.as_ref().map(|limits| *limits.get_ref()), desired })
}

/// Objects by their keys, each of which may be there once. There may be a million of them.
fn unique<K: Ord, V>(
    text: &str,
    mut entries: Vec<(K, (V, usize))>,
    name: impl Fn(&K) -> String,
) -> Result<BTreeMap<K, V>, Flaw> {
    // Stable: what is earlier in the file stays before what is later.
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    let twice = entries.array_windows().find(|[(a, _), (b, _)]| a == b);
    if let Some([(key, (_, first)), (_, (_, second))]) = twice {
        return Err(Flaw { at: Some(*second), why: already(&name(key), line(text, *first)) });
    }
    Ok(entries.into_iter().map(|(key, (value, _))| (key, value)).collect())
}

fn already(object: &str, line: usize) -> String {
    format!("{object} is there already, in line {line}: keep one")
}

fn check_limits(limits: &Spanned<Limits>) -> Result<(), Flaw> {
    let Limits { fdb, neigh, groups, vnis, ports, vteps, counters } = *limits.get_ref();
    let sizes = [
        ("fdb", fdb),
        ("neigh", neigh),
        ("groups", groups),
        ("vnis", vnis),
        ("ports", ports),
        ("vteps", vteps),
        ("counters", counters),
    ];
    match sizes.iter().find(|(_, size)| *size == 0) {
        Some((name, _)) => Err(Flaw::at(limits, format!("{name} is 0, but a table has at least 1 entry"))),
        None => Ok(()),
    }
}

/// What was seen so far.
struct Checker<'a> {
    text: &'a str,
    desired: Desired,
    /// Where each object was first said, by its name.
    places: BTreeMap<String, usize>,
    /// How many remotes each group has.
    groups: BTreeMap<(Vni, Mac), usize>,
    /// FDB entries with their places in the file, and neighbours.
    stations: Vec<((Vni, Mac), (Station, usize))>,
    neighbours: Vec<((Vni, IpAddr), (Neighbour, usize))>,
}

impl Checker<'_> {
    /// Refuses what was said before.
    fn once<T>(&mut self, object: impl Display, place: &Spanned<T>) -> Result<(), Flaw> {
        let at = place.span().start;
        match self.places.entry(object.to_string()) {
            Entry::Vacant(entry) => {
                entry.insert(at);
                Ok(())
            }
            Entry::Occupied(entry) => {
                let first = line(self.text, *entry.get());
                Err(Flaw::at(place, already(entry.key(), first)))
            }
        }
    }

    fn vni(&mut self, table: &VniTable) -> Result<(), Flaw> {
        let vni = table.vni.get_ref().0;
        self.once(format!("VNI {vni}"), &table.vni)?;
        if let Some(name) = &table.name {
            check_name(name, "a VNI")?;
            self.once(format!("VNI name {}", name.get_ref()), name)?;
        }
        let default = VniOptions::default();
        let group = table.group.map(|word| word.0.0);
        let filter = if group.is_some() { VtepFilter::Any } else { default.vtep_filter };
        let options = VniOptions {
            name: table.name.as_ref().map(|name| name.get_ref().clone()),
            learning: table.learning.unwrap_or(default.learning),
            ageing: table.ageing.unwrap_or(default.ageing),
            limit: table.limit.unwrap_or(default.limit),
            arp_miss: table.arp_miss.map_or(default.arp_miss, |word| word.0),
            ttl: table.ttl.map_or(default.ttl, |word| word.0),
            tos: table.tos.map_or(default.tos, |word| word.0),
            df: table.df.map_or(default.df, |word| word.0),
            // As `VniChange::apply` has it.
            vtep_filter: table.vtep_filter.map_or(filter, |word| word.0),
            group,
        };
        self.desired.vnis.insert(vni, options);
        let most = |place: Option<usize>, what: &str, max: usize| match place {
            Some(at) => Err(Flaw { at: Some(at), why: format!("VNI {vni} has more than {max} {what}") }),
            None => Ok(()),
        };
        // A group takes the place of one.
        let remotes = flood::MAX_REMOTES - usize::from(group.is_some());
        let remote = table.flood.get(remotes).map(|remote| remote.span().start);
        most(remote, "remotes in its flood list", remotes)?;
        let port = table.port.get(flood::MAX_PORTS).map(|port| port.dev.span().start);
        most(port, "ports", flood::MAX_PORTS)
    }

    fn port(&mut self, vni: Vni, table: &PortTable) -> Result<(), Flaw> {
        let dev = table.dev.get_ref();
        check_name(&table.dev, "an interface")?;
        if let Some(port) = self.desired.ports.get(dev).filter(|port| port.vni != vni) {
            let why = format!("port {dev} is in VNI {} already: a port is in one VNI", port.vni);
            return Err(Flaw::at(&table.dev, why));
        }
        self.once(format!("port {dev}"), &table.dev)?;
        for mac in &table.mac_lock {
            check_station(mac)?;
        }
        let mac_lock = table.mac_lock.iter().map(|mac| mac.get_ref().0).collect();
        let options = port_options(table.mode.map_or(Mode::Auto, |word| word.0), mac_lock, table.isolated);
        self.desired.ports.insert(dev.clone(), Port { vni, options });
        Ok(())
    }

    fn entries(&mut self, table: &VniTable) -> Result<(), Flaw> {
        let vni = table.vni.get_ref().0;
        table.flood.iter().try_for_each(|remote| self.flood(vni, remote))?;
        let mut decided = BTreeSet::new();
        for (list, decision) in [(&table.allow, Decision::Allow), (&table.deny, Decision::Deny)] {
            for addr in list {
                self.vtep(vni, addr, decision, &mut decided)?;
            }
        }
        table.fdb.iter().try_for_each(|entry| self.fdb(vni, entry))?;
        table.neigh.iter().try_for_each(|entry| self.neigh(vni, entry))?;
        if let Some(stations) = &table.stations {
            lines::of(self.text, stations).try_for_each(|line| self.fdb(vni, &lines::station(&line)?))?;
        }
        if let Some(neighbours) = &table.neighbours {
            lines::of(self.text, neighbours)
                .try_for_each(|line| self.neigh(vni, &lines::neighbour(&line)?))?;
        }
        Ok(())
    }

    fn flood(&mut self, vni: Vni, remote: &Spanned<Remote>) -> Result<(), Flaw> {
        let Remote { addr, vni: other, port } = *remote.get_ref();
        let tunnel = Tunnel { addr, vni: other.filter(|other| *other != vni), port };
        self.once(format!("remote {tunnel} of the flood list of VNI {vni}"), remote)?;
        self.desired.flood.insert((vni, Mac::ZERO, tunnel), ());
        Ok(())
    }

    /// A remote of a group: one table each.
    fn group(&mut self, vni: Vni, table: &FdbTable) -> Result<(), Flaw> {
        let mac = table.mac.get_ref().0;
        if let Some(dev) = &table.dev {
            let why =
                format!("{mac} is a group: it has remotes (dst); the VNI's ports get its frames anyway");
            return Err(Flaw::at(dev, why));
        }
        let Some(dst) = &table.dst else {
            let why = format!("fdb {mac} vni {vni}: a group needs dst, a remote that gets its frames");
            return Err(Flaw::at(&table.mac, why));
        };
        if table.state.is_some_and(|state| state.0 != FdbState::Permanent) {
            let why = format!("fdb {mac} vni {vni}: remotes of a group never age: leave state out");
            return Err(Flaw::at(&table.mac, why));
        }
        let tunnel = tunnel(vni, table, dst);
        self.once(format!("remote {tunnel} of {mac} in VNI {vni}"), dst)?;
        self.desired.flood.insert((vni, mac, tunnel), ());
        let of_group = self.groups.entry((vni, mac)).or_insert(0);
        *of_group += 1;
        if *of_group > flood::MAX_REMOTES {
            let why = format!("{mac} in VNI {vni} has more than {} remotes", flood::MAX_REMOTES);
            return Err(Flaw::at(dst, why));
        }
        Ok(())
    }

    fn vtep(
        &mut self,
        vni: Vni,
        place: &Placed<IpAddr>,
        decision: Decision,
        decided: &mut BTreeSet<IpAddr>,
    ) -> Result<(), Flaw> {
        let addr = place.get_ref().0;
        if !decided.insert(addr) {
            let why = format!("VTEP {addr} is in allow or deny of VNI {vni} already: keep one");
            return Err(Flaw::at(place, why));
        }
        self.desired.vteps.insert((vni, addr), decision);
        Ok(())
    }

    fn fdb(&mut self, vni: Vni, table: &FdbTable) -> Result<(), Flaw> {
        let mac = table.mac.get_ref().0;
        if mac.is_zero() {
            let why =
                format!("{mac} is no station; remotes that get floods go into flood = […] of VNI {vni}");
            return Err(Flaw::at(&table.mac, why));
        }
        if mac.is_group() {
            return self.group(vni, table);
        }
        let to = match (&table.dst, &table.dev) {
            (Some(dst), None) => To::Tunnel(tunnel(vni, table, dst)),
            (None, Some(dev)) => {
                check_name(dev, "an interface")?;
                if table.vni.is_some() || table.port.is_some() {
                    let why = format!("fdb {mac} vni {vni}: vni and port go with dst, not with dev");
                    return Err(Flaw::at(&table.mac, why));
                }
                if self.desired.ports.get(dev.get_ref()).is_none_or(|port| port.vni != vni) {
                    let dev_name = dev.get_ref();
                    let why = format!(
                        "fdb {mac} vni {vni}: {dev_name} is no port of VNI {vni}: add it, [[vni.port]] dev = {dev_name:?}"
                    );
                    return Err(Flaw::at(dev, why));
                }
                To::Port(dev.get_ref().clone())
            }
            _ => {
                let why =
                    format!("fdb {mac} vni {vni}: say where it is, with either dst (a VTEP) or dev (a port)");
                return Err(Flaw::at(&table.mac, why));
            }
        };
        let state = table.state.map_or(FdbState::Permanent, |word| word.0);
        self.stations.push(((vni, mac), (Station { to, state }, table.mac.span().start)));
        Ok(())
    }

    fn neigh(&mut self, vni: Vni, table: &NeighTable) -> Result<(), Flaw> {
        let addr = table.addr.get_ref().0;
        check_station(&table.lladdr)?;
        let neighbour = Neighbour { lladdr: table.lladdr.get_ref().0, router: table.router };
        self.neighbours.push(((vni, addr), (neighbour, table.addr.span().start)));
        Ok(())
    }
}

/// The remote of an FDB entry.
fn tunnel(local: Vni, table: &FdbTable, dst: &Placed<IpAddr>) -> Tunnel {
    let vni = table.vni.as_ref().map(|vni| vni.get_ref().0).filter(|vni| *vni != local);
    let port = table.port.as_ref().map(|port| port.get_ref().0.get());
    Tunnel { addr: dst.get_ref().0, vni, port }
}

/// Interfaces and VNIs have names of 1 to 15 characters (IFNAMSIZ, linux/if.h).
fn check_name(name: &Spanned<String>, of: &str) -> Result<(), Flaw> {
    let text = name.get_ref();
    if (1..=15).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic() && c != '/') {
        return Ok(());
    }
    let why =
        format!("{text:?} cannot be the name of {of}: 1 to 15 printable characters without '/' and spaces");
    Err(Flaw::at(name, why))
}

fn check_station(mac: &Placed<Mac>) -> Result<(), Flaw> {
    let address = mac.get_ref().0;
    if address.is_station() {
        return Ok(());
    }
    let what = if address.is_zero() { "all zeros" } else { "a group address" };
    Err(Flaw::at(mac, format!("{address} is {what}, which no station has")))
}
