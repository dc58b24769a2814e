//! What a later command must know of the lab that is up.

use std::{collections::BTreeMap, fs, io};

use serde::{Deserialize, Serialize};

use super::{Backend, Topology, place};
use crate::error::{Error, Result};

const FILE: &str = "state.json";

/// The lab that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What forwards.
    pub backend: Backend,
    /// How many nodes there are.
    pub nodes: u8,
    /// Daemons by instance.
    pub daemons: BTreeMap<String, u32>,
    /// Everything is there; false while it is being built, or when that was interrupted.
    pub complete: bool,
}

impl State {
    /// The lab that is up; it is an error if there is none.
    pub fn of_running() -> Result<Self> {
        let refuse = |why: &str, hint: &str| {
            Err(Error::Refused { what: "lab".to_owned(), why: why.to_owned(), hint: hint.to_owned() })
        };
        match Self::load()? {
            Some(state) if state.complete => Ok(state),
            Some(_) => refuse("it is not complete", "take it down, and up again: vxbpf lab down"),
            None => refuse("it is not up", "bring it up: vxbpf lab up"),
        }
    }

    /// What was saved, if anything.
    pub(super) fn load() -> Result<Option<Self>> {
        let path = place::path(FILE);
        let reading = format!("read {}", path.display());
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|e| Error::invalid(reading, e.to_string()))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::system(reading)(e)),
        }
    }

    /// Saves it, all or nothing.
    pub(super) fn save(&self) -> Result<()> {
        let (path, new) = (place::path(FILE), place::path("state.json.new"));
        let writing = format!("write {}", path.display());
        let bytes = serde_json::to_vec(self).map_err(|e| Error::invalid(writing.clone(), e.to_string()))?;
        fs::write(&new, bytes).and_then(|()| fs::rename(&new, &path)).map_err(Error::system(writing))
    }

    /// Who is where.
    pub fn topology(&self) -> Topology {
        Topology::new(self.nodes)
    }
}
