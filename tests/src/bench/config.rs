//! Config files of ours that have a node of the bed carry what it carries by commands otherwise.

use std::{
    fmt::{self, Write as _},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use vxbpf_common::Mac;

use super::{
    bed::{Bed, DEVICE, IFACE, PORT, VNI},
    contender::Contender,
    forward::Forward,
};
use crate::daemon::Daemon;

/// Many stations that are not there: a number of their MAC addresses, each behind one of 200 VTEPs.
#[derive(Clone, Copy, Debug)]
pub struct Stations {
    /// How many there are.
    pub count: u32,
    /// Moves all of them to other VTEPs.
    pub turn: u32,
}

impl Stations {
    /// So many.
    pub const fn new(count: u32) -> Self {
        Self { count, turn: 0 }
    }

    /// Each with the last two bytes of its VTEP's address.
    pub fn each(self) -> impl Iterator<Item = (Mac, [u8; 2])> {
        (0..self.count).map(move |number| {
            let [a, b, c, d] = number.to_be_bytes();
            let vtep = (number + self.turn) % 200;
            let [.., low] = vtep.to_be_bytes();
            (Mac::new([2, 0, a, b, c, d]), [105 + low / 100, 1 + low % 100])
        })
    }

    /// A text with a line for each.
    pub fn lines(self, line: impl Fn(&mut String, Mac, [u8; 2]) -> fmt::Result) -> Result<String> {
        let mut text = String::new();
        self.each().try_for_each(|(mac, vtep)| line(&mut text, mac, vtep))?;
        Ok(text)
    }
}

/// A file that is gone when dropped.
#[derive(Debug)]
pub struct Scrap(PathBuf);

impl Scrap {
    /// A file of a node, by its index, of which nothing is written yet.
    pub fn of(bed: &Bed, node: usize, extension: &str) -> Self {
        Self(std::env::temp_dir().join(format!("{}.{extension}", bed.nodes[node].netns.name())))
    }

    /// Writes it.
    pub fn write(&self, text: &str) -> Result<()> {
        fs::write(&self.0, text).with_context(|| format!("write {}", self.0.display()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scrap {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// How ours is run at a hook.
pub(super) fn mode(contender: Contender) -> &'static str {
    if contender == Contender::VxbpfXdp { "xdp" } else { "tc" }
}

/// The words behind `run`, with a config file. Who ends leaves forwarding to the next.
pub(super) fn words(bed: &Bed, node: usize, file: &Scrap) -> String {
    let (vtep, mode) = (bed.nodes[node].vtep, mode(bed.contender));
    format!("--iface {IFACE} --local {vtep} --mode {mode} --keep --config {}", file.path().display())
}

/// What has a node carry between its pod and the other's, with more stations that nobody sends to.
pub(super) fn config(bed: &Bed, node: usize, more: Stations) -> Result<String> {
    let (other, mode) = (bed.nodes[1 - node].vtep, mode(bed.contender));
    let (mine, theirs) = (bed.pods[node].mac, bed.pods[1 - node].mac);
    let lines = more.lines(|text, mac, [c, d]| writeln!(text, "{mac} dst 192.168.{c}.{d}"))?;
    Ok(format!(
        "[limits]\nfdb = {}\n[[vni]]\nvni = {VNI}\nname = \"{DEVICE}\"\nflood = [\"{other}\"]\n\
         stations = \"\"\"\n{theirs} dst {other} static\n{mine} dev {PORT} static\n{lines}\"\"\"\n\
         [[vni.port]]\ndev = \"{PORT}\"\nmode = \"{mode}\"\n",
        more.count + 65536
    ))
}

/// Has ours carry on a node by a config file.
pub(super) fn start(bed: &mut Bed, node: usize, file: &Scrap) -> Result<()> {
    let words = words(bed, node, file);
    let netns = &bed.nodes[node].netns;
    let daemon = Daemon::start(netns, netns.name(), &words);
    bed.nodes[node].forward = Some(Forward::Ours(daemon));
    Ok(())
}
