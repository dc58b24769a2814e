//! The config file: what it says, whether it can be, and the changes that make the running state equal to it.
//!
//! [`load`] turns a file into a [`Config`] or into one line that names the place and what to do about it.
//! [`Desired`] (from the file) and [`Observed`] (from the handle) are two types, joined by the pure function
//! [`reconcile`]; [`apply`] carries its changes out, all or none.

mod apply;
mod change;
mod check;
mod desired;
mod file;
mod joined;
mod lines;
mod locate;
#[cfg(test)]
mod model;
mod observed;
mod reconcile;
mod value;

use std::{fs, path::Path};

pub use apply::{Applied, Target, apply, settle};
pub use change::{Change, Step};
pub use desired::{Decision, Desired, Port, Station, To, Tunnel};
pub use observed::{Observed, Seen};
pub use reconcile::{held, reconcile};

use crate::{Error, Result, dataplane::Limits};

/// A config file that was read and found to make sense.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Sizes of the tables, if the file has any.
    pub limits: Option<Limits>,
    /// What shall be.
    pub desired: Desired,
}

/// Reads a config file. Nothing is applied.
pub fn load(path: &Path) -> Result<Config> {
    let text = fs::read_to_string(path).map_err(Error::system(format!("read config {}", path.display())))?;
    parse(&path.display().to_string(), &text)
}

/// Reads the text of a config file; `name` is what errors call it.
pub fn parse(name: &str, text: &str) -> Result<Config> {
    let config = file::read(text).and_then(|file| check::check(&file, text));
    config.map_err(|flaw| locate::error(name, text, &flaw))
}

#[cfg(test)]
mod tests;
