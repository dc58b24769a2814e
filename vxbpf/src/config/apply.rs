//! Carries changes out on a running instance: all of them, or none.

use std::{collections::BTreeSet, net::IpAddr};

use tracing::{error, warn};
use vxbpf_common::{Mac, Vni};

use super::{
    change::{Change, Step},
    desired::{Decision, Desired, Port, Station, Tunnel},
    observed::{Observed, Seen},
    reconcile::{held, reconcile},
};
use crate::{
    Error, Result,
    dataplane::{Dataplane, Destination, FdbSpec, FdbState, Neighbour, Remote, VniChange, VniOptions},
};

/// What changes can be applied to: the handle, or a model of it.
pub trait Target {
    /// Carries out one change, or nothing.
    fn change(&mut self, change: &Change) -> Result<()>;

    /// Carries out changes in their order, until one fails: then those before it are done, and how many they are is given
    /// with its error.
    fn change_all(&mut self, changes: &[Change]) -> std::result::Result<(), (usize, Error)> {
        let mut changes = changes.iter().enumerate();
        changes.try_for_each(|(done, change)| self.change(change).map_err(|e| (done, e)))
    }
}

/// Applies the changes in order. When one fails, those before it are undone, last first, and its error is returned.
pub fn apply(target: &mut impl Target, changes: &[Change]) -> Result<()> {
    let Err((done, e)) = target.change_all(changes) else { return Ok(()) };
    let (before, failed) = changes.split_at(done);
    let failed = failed.first().map(Change::to_string).unwrap_or_default();
    match done {
        0 => warn!("{failed}: failed"),
        _ => warn!("{failed}: failed; undoing the changes before it, {done} in all"),
    }
    let inverse: Vec<_> = before.iter().rev().map(Change::inverse).collect();
    let mut left = inverse.as_slice();
    while let Err((done, e)) = target.change_all(left) {
        if let [change, ..] = left.split_at(done).1 {
            error!("{change}: cannot undo: {e}");
        }
        left = left.get(done + 1..).unwrap_or_default();
    }
    Err(e)
}

/// What [`settle`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// VNIs that are no longer wanted but stay, because commands entered something in them.
    pub held: BTreeSet<Vni>,
}

/// Makes a running instance equal to what is wanted, or leaves it as it is. Nobody else changes it meanwhile.
pub fn settle(dataplane: &mut Dataplane, desired: Desired) -> Result<Applied> {
    let dstport = dataplane.dstport();
    dataplane.exclusive(|dataplane| {
        let (desired, observed) = (desired.on(dstport), Observed::read(dataplane, dstport)?);
        let applied = Applied { changes: reconcile(&desired, &observed), held: held(&desired, &observed) };
        apply(dataplane, &applied.changes)?;
        Ok(applied)
    })
}

impl Target for Dataplane {
    fn change(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::Vni(vni, step) => set_vni(self, *vni, step),
            Change::Port(dev, step) => set_port(self, dev, step),
            Change::Flood(vni, mac, tunnel, step) => set_flood(self, *vni, *mac, *tunnel, step),
            Change::Fdb(vni, mac, step) => set_fdb(self, *vni, *mac, step),
            Change::Neigh(vni, addr, step) => set_neigh(self, *vni, *addr, step),
            Change::Vtep(vni, addr, step) => set_vtep(self, *vni, *addr, step),
        }
    }

    fn change_all(&mut self, changes: &[Change]) -> std::result::Result<(), (usize, Error)> {
        let mut done = 0;
        for run in changes.chunk_by(|a, b| is_entry(a) && is_entry(b)).flat_map(|run| run.chunks(TOGETHER)) {
            let one_by_one = |this: &mut Self| {
                let mut run = run.iter().enumerate();
                run.try_for_each(|(done, change)| this.change(change).map_err(|e| (done, e)))
            };
            let result = match run {
                [_] => one_by_one(self),
                _ => self.bulk(run.len(), one_by_one).unwrap_or_else(|e| Err((0, e))),
            };
            result.map_err(|(of_run, e)| (done + of_run, e))?;
            done += run.len();
        }
        Ok(())
    }
}

/// So many changes are held in memory at a time.
const TOGETHER: usize = 1 << 20;

/// Whether a change is one of those that can be made together.
fn is_entry(change: &Change) -> bool {
    matches!(change, Change::Flood(..) | Change::Fdb(..) | Change::Neigh(..))
}

fn set_vni(dataplane: &mut Dataplane, vni: Vni, step: &Step<VniOptions>) -> Result<()> {
    match (&step.from, &step.to) {
        (None, Some(to)) => dataplane.vni_add(vni, &to.value, to.origin),
        (Some(from), Some(to)) => dataplane.vni_set(vni, &difference(&from.value, &to.value)),
        (_, None) => dataplane.vni_del(vni),
    }
}

/// What to set. An empty name takes the name away.
fn difference(from: &VniOptions, to: &VniOptions) -> VniChange {
    fn new<T: Clone + PartialEq>(from: &T, to: &T) -> Option<T> {
        (from != to).then(|| to.clone())
    }
    VniChange {
        name: new(&from.name, &to.name).map(Option::unwrap_or_default),
        learning: new(&from.learning, &to.learning),
        ageing: new(&from.ageing, &to.ageing),
        limit: new(&from.limit, &to.limit),
        arp_miss: new(&from.arp_miss, &to.arp_miss),
        ttl: new(&from.ttl, &to.ttl),
        tos: new(&from.tos, &to.tos),
        df: new(&from.df, &to.df),
        // A group that comes brings a filter of its own where none is given.
        vtep_filter: if from.group == to.group {
            new(&from.vtep_filter, &to.vtep_filter)
        } else {
            Some(to.vtep_filter)
        },
        group: new(&from.group, &to.group),
    }
}

fn set_port(dataplane: &mut Dataplane, dev: &str, step: &Step<Port>) -> Result<()> {
    if step.from.is_some() {
        gone(dataplane.port_del(dev))?;
    }
    let Some(to) = &step.to else { return Ok(()) };
    let added = add_port(dataplane, dev, to);
    if added.is_err()
        && let Some(from) = &step.from
        && let Err(e) = add_port(dataplane, dev, from)
    {
        error!("port {dev}: cannot put it back into VNI {}: {e}", from.value.vni);
    }
    added
}

fn add_port(dataplane: &mut Dataplane, dev: &str, port: &Seen<Port>) -> Result<()> {
    let added = dataplane.port_add(dev, port.value.vni, &port.value.options, port.origin)?;
    for warning in added.warnings {
        warn!("port {dev}: {warning}");
    }
    Ok(())
}

fn set_flood(dataplane: &mut Dataplane, vni: Vni, mac: Mac, tunnel: Tunnel, step: &Step<()>) -> Result<()> {
    let remote = Remote {
        addr: tunnel.addr,
        dst_vni: Some(tunnel.vni.unwrap_or(vni)),
        port: Some(tunnel.port.unwrap_or_else(|| dataplane.dstport())),
    };
    match &step.to {
        Some(to) => {
            let spec = FdbSpec { vni, mac, to: Destination::Remote(remote), state: FdbState::Permanent };
            dataplane.fdb_append(&spec, to.origin)
        }
        None => gone(dataplane.fdb_del(vni, mac, Some(&remote))),
    }
}

fn set_fdb(dataplane: &mut Dataplane, vni: Vni, mac: Mac, step: &Step<Station>) -> Result<()> {
    match &step.to {
        Some(to) => {
            let spec = FdbSpec { vni, mac, to: to.value.to.clone().into(), state: to.value.state };
            dataplane.fdb_replace(&spec, to.origin)
        }
        None => gone(dataplane.fdb_del(vni, mac, None)),
    }
}

fn set_neigh(dataplane: &mut Dataplane, vni: Vni, addr: IpAddr, step: &Step<Neighbour>) -> Result<()> {
    match &step.to {
        Some(to) => dataplane.neigh_replace(vni, addr, to.value, to.origin),
        None => gone(dataplane.neigh_del(vni, addr)),
    }
}

fn set_vtep(dataplane: &mut Dataplane, vni: Vni, addr: IpAddr, step: &Step<Decision>) -> Result<()> {
    match &step.to {
        Some(to) => match to.value {
            Decision::Allow => dataplane.vtep_allow(vni, addr, to.origin),
            Decision::Deny => dataplane.vtep_deny(vni, addr, to.origin),
        },
        None => gone(dataplane.vtep_forget(vni, addr)),
    }
}

/// What was to be removed and is gone already, aged out or with its interface, is removed.
fn gone(result: Result<()>) -> Result<()> {
    match result {
        Err(Error::NotFound { .. }) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_set_and_a_name_can_be_taken_away() {
        let named = VniOptions { name: Some("vxlan1".to_owned()), ..VniOptions::default() };
        let slow = VniOptions { ageing: 60, ..named.clone() };
        assert_eq!(difference(&named, &slow), VniChange { ageing: Some(60), ..VniChange::default() });
        let nameless = difference(&named, &VniOptions::default());
        assert_eq!(nameless, VniChange { name: Some(String::new()), ..VniChange::default() });
        assert_eq!(difference(&named, &named), VniChange::default());
    }
}
