//! The changes that make what is there equal to what is wanted. Pure: it looks at nothing but its arguments.
//!
//! The config file owns what it entered. Only that is removed or changed back; what commands entered stays, unless
//! the file says something else about the same object, which then becomes the file's.

use std::collections::{BTreeMap, BTreeSet};

use vxbpf_common::{Mac, Vni};

use super::{
    change::{Change, Step},
    desired::{Desired, Station, To},
    joined::joined,
    observed::{Observed, Seen},
};
use crate::dataplane::{Origin, VniOptions};

/// The changes in the order to apply them: VNIs, ports, what is in them; then removals, entries before VNIs.
pub fn reconcile(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut changes = vnis(desired, observed);
    let (displaced, reentered) = displaced(desired, observed);
    // Without what is removed first, and without what was learned behind a port that is made anew before.
    let anew = wanted(&desired.ports, &observed.ports).filter(|(_, step)| step.from.is_some());
    let anew: BTreeSet<_> = anew.map(|(dev, _)| dev).collect();
    let stays = |key: &(Vni, Mac), seen: &Seen<Station>| {
        let forgotten = matches!(&seen.value.to, To::Port(dev) if anew.contains(dev));
        !forgotten && !displaced.contains_key(key)
    };

    changes.extend(displaced.iter().map(|((vni, mac), seen)| Change::Fdb(*vni, *mac, removal(seen))));
    let port = |(dev, step)| Change::Port(dev, step);
    let flood = |((vni, mac, tunnel), step)| Change::Flood(vni, mac, tunnel, step);
    let fdb = |((vni, mac), step)| Change::Fdb(vni, mac, step);
    let neigh = |((vni, addr), step)| Change::Neigh(vni, addr, step);
    let vtep = |((vni, addr), step)| Change::Vtep(vni, addr, step);

    changes.extend(wanted(&desired.ports, &observed.ports).map(port));
    changes.extend(wanted(&desired.flood, &observed.flood).map(flood));
    changes.extend(wanted_where(&desired.fdb, &observed.fdb, stays).map(fdb));
    changes.extend(reentered.into_iter().map(|(key, seen)| fdb((key, Step { from: None, to: Some(seen) }))));
    changes.extend(wanted(&desired.neigh, &observed.neigh).map(neigh));
    changes.extend(wanted(&desired.vteps, &observed.vteps).map(vtep));

    changes.extend(unwanted(&desired.flood, &observed.flood).map(flood));
    let gone = unwanted(&desired.fdb, &observed.fdb);
    changes
        .extend(gone.filter(|(key, step)| step.from.as_ref().is_some_and(|seen| stays(key, seen))).map(fdb));
    changes.extend(unwanted(&desired.neigh, &observed.neigh).map(neigh));
    changes.extend(unwanted(&desired.vteps, &observed.vteps).map(vtep));
    changes.extend(unwanted(&desired.ports, &observed.ports).map(port));
    let held = held(desired, observed);
    let now = nameless(desired, observed);
    let gone = unwanted(&desired.vnis, &now).filter(|(vni, _)| !held.contains(vni));
    changes.extend(gone.map(|(vni, step)| Change::Vni(vni, step)));
    changes
}

/// VNIs that the config file entered and no longer wants, but in which commands entered something: they stay.
pub fn held(desired: &Desired, observed: &Observed) -> BTreeSet<Vni> {
    let theirs = |origin| matches!(origin, Origin::Command | Origin::Mirrored);
    let (displaced, reentered) = displaced(desired, observed);
    let mut holding = BTreeSet::new();
    // A port that the file wants is in a VNI that the file wants, or will be.
    let ports =
        observed.ports.iter().filter(|(dev, seen)| theirs(seen.origin) && !desired.ports.contains_key(*dev));
    holding.extend(ports.map(|(_, seen)| seen.value.vni));
    let stays = |key: &_| !displaced.contains_key(key) || reentered.contains_key(key);
    let stations = observed.fdb.iter().filter(|(key, seen)| theirs(seen.origin) && stays(key));
    holding.extend(stations.map(|((vni, _), _)| *vni));
    holding.extend(observed.flood.iter().filter(|(_, seen)| theirs(seen.origin)).map(|((vni, ..), _)| *vni));
    holding.extend(observed.neigh.iter().filter(|(_, seen)| theirs(seen.origin)).map(|((vni, _), _)| *vni));
    holding.extend(observed.vteps.iter().filter(|(_, seen)| theirs(seen.origin)).map(|((vni, _), _)| *vni));
    unwanted(&desired.vnis, &observed.vnis).map(|(vni, _)| vni).filter(|vni| holding.contains(vni)).collect()
}

/// What is to be added or changed. It becomes the config file's.
fn wanted<'a, K: Ord + Clone, T: Clone + PartialEq>(
    desired: &'a BTreeMap<K, T>,
    observed: &'a BTreeMap<K, Seen<T>>,
) -> impl Iterator<Item = (K, Step<T>)> + use<'a, K, T> {
    wanted_where(desired, observed, |_, _| true)
}

/// The same, where only some of what is there stays until then.
fn wanted_where<'a, K: Ord + Clone, T: Clone + PartialEq>(
    desired: &'a BTreeMap<K, T>,
    observed: &'a BTreeMap<K, Seen<T>>,
    stays: impl Fn(&K, &Seen<T>) -> bool + 'a,
) -> impl Iterator<Item = (K, Step<T>)> {
    joined(desired, observed).filter_map(move |(key, value, seen)| {
        let (value, seen) = (value?, seen.filter(|seen| stays(key, seen)));
        if seen.is_some_and(|seen| seen.value == *value) {
            return None;
        }
        let to = Seen::new(value.clone(), Origin::Config);
        Some((key.clone(), Step { from: seen.cloned(), to: Some(to) }))
    })
}

/// What is to be removed: the config file's own that it no longer has.
fn unwanted<'a, K: Ord + Clone, D, T: Clone>(
    desired: &'a BTreeMap<K, D>,
    observed: &'a BTreeMap<K, Seen<T>>,
) -> impl Iterator<Item = (K, Step<T>)> {
    joined(desired, observed).filter_map(|(key, value, seen)| {
        let seen = seen.filter(|seen| value.is_none() && seen.origin == Origin::Config)?;
        Some((key.clone(), removal(seen)))
    })
}

fn removal<T: Clone>(seen: &Seen<T>) -> Step<T> {
    Step { from: Some(seen.clone()), to: None }
}

/// VNIs to add and to set. A name that goes to another VNI is taken from its old one first.
fn vnis(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let now = nameless(desired, observed);
    let renamed = observed.vnis.iter().filter_map(|(vni, from)| {
        let to = now.get(vni).filter(|to| *to != from)?;
        Some(Change::Vni(*vni, Step { from: Some(from.clone()), to: Some(to.clone()) }))
    });
    let (add, set): (Vec<_>, Vec<_>) = wanted(&desired.vnis, &now).partition(|(_, step)| step.from.is_none());
    let changed = add.into_iter().chain(set).map(|(vni, mut step)| {
        // Setting options does not change whose the VNI is.
        if let (Some(from), Some(to)) = (&step.from, &mut step.to) {
            to.origin = from.origin;
        }
        Change::Vni(vni, step)
    });
    renamed.chain(changed).collect()
}

/// The VNIs that are there, once those have no name whose name goes to another.
fn nameless(desired: &Desired, observed: &Observed) -> BTreeMap<Vni, Seen<VniOptions>> {
    let names: BTreeMap<_, _> =
        desired.vnis.iter().filter_map(|(vni, options)| Some((options.name.as_deref()?, *vni))).collect();
    let mut vnis = observed.vnis.clone();
    for (vni, seen) in &mut vnis {
        let ours = seen.origin == Origin::Config || desired.vnis.contains_key(vni);
        let new = seen.value.name.as_deref().and_then(|name| names.get(name));
        if ours && new.is_some_and(|new| new != vni) {
            seen.value.name = None;
        }
    }
    vnis
}

type Stations = BTreeMap<(Vni, Mac), Seen<Station>>;

/// Entries that go away with their port, because it is removed or made anew, and those of them that commands
/// entered and that come back with the new one. They are changes of their own so that they can be undone.
fn displaced(desired: &Desired, observed: &Observed) -> (Stations, Stations) {
    let steps = wanted(&desired.ports, &observed.ports).chain(unwanted(&desired.ports, &observed.ports));
    let leaving: BTreeSet<_> = steps.filter(|(_, step)| step.from.is_some()).map(|(dev, _)| dev).collect();
    let (mut displaced, mut reentered) = (BTreeMap::new(), BTreeMap::new());
    for (key, seen) in &observed.fdb {
        let To::Port(dev) = &seen.value.to else { continue };
        // What was learned will be learned again.
        if !leaving.contains(dev) || seen.origin == Origin::Learned {
            continue;
        }
        displaced.insert(*key, seen.clone());
        let comes_back = desired.ports.get(dev).is_some_and(|port| port.vni == key.0);
        if comes_back && seen.origin != Origin::Config && !desired.fdb.contains_key(key) {
            reentered.insert(*key, seen.clone());
        }
    }
    (displaced, reentered)
}

#[cfg(test)]
mod tests;
