//! For tests: an instance that is nothing but its state, with the handle's rules about what goes and what does not.

use std::collections::BTreeMap;

use super::{
    apply::Target,
    change::{Change, Step},
    desired::To,
    observed::{Observed, Seen},
};
use crate::{Error, Result};

/// The state, and after how many changes the next one fails.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) state: Observed,
    pub(super) fails_after: Option<usize>,
}

impl Target for Model {
    fn change(&mut self, change: &Change) -> Result<()> {
        match &mut self.fails_after {
            Some(0) => {
                self.fails_after = None;
                return Err(Error::invalid(change.to_string(), "fails for the test"));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        let state = &mut self.state;
        let there = |vni| match state.vnis.contains_key(vni) {
            true => Ok(()),
            false => Err(Error::not_found(format!("VNI {vni}"))),
        };
        match change {
            Change::Vni(vni, step) => {
                let name = step.to.as_ref().and_then(|to| to.value.name.as_ref());
                let taken = |(other, seen): (_, &Seen<_>)| other != vni && seen.value_name() == name;
                if name.is_some() && state.vnis.iter().any(taken) {
                    return Err(Error::exists(format!("VNI name {name:?}")));
                }
                if step.to.is_none() {
                    if state.ports.values().any(|port| port.value.vni == *vni) {
                        return Err(Error::invalid(format!("VNI {vni}"), "has ports"));
                    }
                    state.flood.retain(|(of, ..), _| of != vni);
                    state.fdb.retain(|(of, _), _| of != vni);
                    state.neigh.retain(|(of, _), _| of != vni);
                    state.vteps.retain(|(of, _), _| of != vni);
                }
                set(&mut state.vnis, *vni, step)
            }
            Change::Port(dev, step) => {
                step.to.as_ref().map_or(Ok(()), |to| there(&to.value.vni))?;
                if step.from.is_some() {
                    state.fdb.retain(|_, seen| seen.value.to != To::Port(dev.clone()));
                }
                set(&mut state.ports, dev.clone(), step)
            }
            Change::Flood(vni, mac, tunnel, step) => {
                there(vni)?;
                set(&mut state.flood, (*vni, *mac, *tunnel), step)
            }
            Change::Fdb(vni, mac, step) => {
                there(vni)?;
                if let Some(Seen { value, .. }) = &step.to
                    && let To::Port(dev) = &value.to
                    && state.ports.get(dev).is_none_or(|port| port.value.vni != *vni)
                {
                    return Err(Error::not_found(format!("port {dev} in VNI {vni}")));
                }
                set(&mut state.fdb, (*vni, *mac), step)
            }
            Change::Neigh(vni, addr, step) => {
                there(vni)?;
                set(&mut state.neigh, (*vni, *addr), step)
            }
            Change::Vtep(vni, addr, step) => {
                there(vni)?;
                set(&mut state.vteps, (*vni, *addr), step)
            }
        }
    }
}

impl Seen<crate::dataplane::VniOptions> {
    fn value_name(&self) -> Option<&String> {
        self.value.name.as_ref()
    }
}

/// A step must start from what is there.
fn set<K: Ord, T: Clone + PartialEq>(map: &mut BTreeMap<K, Seen<T>>, key: K, step: &Step<T>) -> Result<()> {
    if map.get(&key) != step.from.as_ref() {
        return Err(Error::invalid("a step", "does not start from what is there"));
    }
    match &step.to {
        Some(to) => map.insert(key, to.clone()),
        None => map.remove(&key),
    };
    Ok(())
}
