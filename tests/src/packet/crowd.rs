//! Frames among so many others that they have no decision of their own: that of another pair of stations is in its
//! place. Then it is the FDB, or its cache, that says where they go.

use std::{fmt, fs::File};

use anyhow::{Context as _, Error, Result, bail, ensure};
use aya::maps::{Array, HashMap, Map, MapData, MapError};
use nix::{
    sched::{CpuSet, sched_getcpu, sched_setaffinity},
    unistd::Pid,
};
use vxbpf_common::{
    Mac,
    decision::{DECISIONS, Decision, DecisionKey},
    fdb::{FdbEntry, FdbKey},
};

use super::{
    bed::{Bed, vni},
    frame::Frame,
    given::Given,
    row::{Action, Row},
    run::{Hook, Input},
    table::meet,
};

/// How often something is tried that has to be quicker than a decision ends: 10 ms and more, by the kernel's timer.
const ATTEMPTS: u32 = 50;

/// It took so long that a decision ended.
#[derive(Debug)]
struct Late;

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decision ended meanwhile")
    }
}

impl std::error::Error for Late {}

impl Bed {
    /// Tells a story of frames among others in one hook; once more from its beginning when it took so long that a
    /// decision ended.
    pub fn among_others(&mut self, hook: Hook, story: impl Fn(&mut Crowd<'_>) -> Result<()>) -> Result<()> {
        let cpu = stay()?;
        for _ in 0..ATTEMPTS {
            match story(&mut Crowd { bed: self, hook, cpu }) {
                Err(e) if e.is::<Late>() => {}
                end => return end,
            }
        }
        bail!("none of {ATTEMPTS} attempts was quick enough")
    }
}

/// Keeps the calling thread on the CPU that it is on: each has decisions of its own.
fn stay() -> Result<u32> {
    let cpu = sched_getcpu()?;
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &cpus).context("stay on a CPU")?;
    Ok(u32::try_from(cpu)?)
}

/// Others that the place of each decision is full of.
pub struct Crowd<'a> {
    bed: &'a mut Bed,
    hook: Hook,
    cpu: u32,
}

/// How it begins.
impl Crowd<'_> {
    /// A station that the decision about frames from `src` to is in the place of that from `src` to `dst`.
    pub fn other(&self, port: &str, src: Mac, dst: Mac) -> Result<Mac> {
        let place = self.key(port, src, dst)?.place();
        for number in 0..64 * DECISIONS {
            let [_, a, b, c] = number.to_be_bytes();
            let other = Mac::new([2, 0xcc, 0, a, b, c]);
            if self.key(port, src, other)?.place() == place {
                return Ok(other);
            }
        }
        bail!("no other station has the place of {dst}")
    }

    /// There is what a row presupposes, and nothing else.
    pub fn begin(&mut self, row: &Row) -> Result<()> {
        self.bed.prepare(row)
    }

    /// There is what a row presupposes, too.
    pub fn and(&mut self, row: &Row) -> Result<()> {
        self.bed.presuppose(row)
    }

    /// Something happens in the VNI of a row.
    pub fn then(&mut self, row: &Row, given: Given) -> Result<()> {
        self.bed.give(row.vni, &given.here())
    }

    /// A writer is killed when it has moved two stations to where the other was, and before it has said so; then the
    /// daemon looks for stations that have expired, and finds none.
    pub fn killed_moving(&mut self, row: &Row, macs: [Mac; 2]) -> Result<()> {
        let mut stations = self.stations()?;
        let keys = macs.map(|mac| FdbKey::new(vni(row.vni), mac));
        let [one, other] = [stations.get(&keys[0], 0)?, stations.get(&keys[1], 0)?];
        stations.insert(keys[0], other, 0)?;
        stations.insert(keys[1], one, 0)?;
        let pins = self.bed.pins();
        let (run, name) = (pins.ancestors().nth(2), pins.file_name());
        let (run, name) = (run.context("a directory")?, name.context("a name")?.display());
        let lock = File::options().write(true).open(run.join(format!("{name}.lock")))?;
        lock.set_len(1)?;
        ensure!(self.bed.instance.dataplane.sweep()? == 0, "a station had expired");
        Ok(())
    }
}

/// How frames fare.
impl Crowd<'_> {
    /// A row's frame, which has no decision of its own, fares as the row says.
    pub fn meets(&mut self, row: &Row) -> Result<()> {
        self.met(row).map(drop)
    }

    /// The same, soon without the FDB: the cache has been filled by a frame before.
    pub fn cached(&mut self, row: &Row) -> Result<()> {
        for _ in 0..ATTEMPTS {
            match self.met(row) {
                Ok(Some(0)) => return Ok(()),
                Ok(_) => {}
                Err(e) if e.is::<Late>() => {}
                // It may be a station that does not live for long.
                Err(_) if self.bed.instance.dataplane.fdb_get(vni(row.vni), dst(row)?).is_err() => {
                    return Err(Late.into());
                }
                Err(e) => return Err(e),
            }
        }
        bail!("`{}`: the FDB was asked for each of {ATTEMPTS} frames", row.name)
    }

    /// The same, by the FDB each time.
    pub fn asked(&mut self, row: &Row) -> Result<()> {
        for _ in 0..3 {
            let used = self.met(row)?;
            ensure!(used.is_some_and(|used| used != 0), "`{}`: the FDB was not asked", row.name);
        }
        Ok(())
    }

    /// The same, with a decision of its own, as often as that ends.
    pub fn decided(&mut self, row: &Row) -> Result<()> {
        let pair = self.pair(row)?;
        self.push_out(row)?;
        for round in 0..4 {
            self.end(&pair)?;
            self.age(row.vni, dst(row)?)?;
            let begin = self.known_of_source(row)?;
            meet(self.bed, row, self.hook).map_err(Error::msg)?;
            let used = self.used(row.vni, dst(row)?)?;
            ensure!(self.decision(&pair)?.key == pair && self.known_of_source(row)? == begin, Late);
            // The first takes the place of another's.
            ensure!(round == 0 || used != Some(0), "`{}`: the FDB does not get to know", row.name);
        }
        Ok(())
    }

    /// When the station that a row's frame is for was last sent to, as the FDB has it, if the last time before was 0.
    fn met(&mut self, row: &Row) -> Result<Option<u64>> {
        let begin = self.push_out(row)?;
        self.age(row.vni, dst(row)?)?;
        meet(self.bed, row, self.hook).map_err(Error::msg)?;
        let used = self.used(row.vni, dst(row)?)?;
        self.send(row)?;
        ensure!(self.standing(row)? == begin, Late);
        Ok(used)
    }

    /// Fills the place of a row's decision with another, and has all that is known of its source made anew.
    fn push_out(&mut self, row: &Row) -> Result<Decision> {
        self.end(&self.pair(row)?)?;
        self.end(&self.key(&row.input.dev, src(row)?, Mac::ZERO)?)?;
        self.bed.probe()?;
        self.age(row.vni, self.rival(row)?)?;
        self.send(row)?;
        self.standing(row)
    }

    /// Sends a frame to the other station.
    fn send(&self, row: &Row) -> Result<()> {
        let frame = Frame::new(src(row)?, self.rival(row)?);
        let input = Input::new(row.input.program, &row.input.dev, frame.bytes());
        let outcome = self.bed.run(self.hook, &input)?;
        ensure!(outcome.code == Action::Redirect.code(self.hook), "a frame to the other went nowhere");
        Ok(())
    }

    /// The other's decision, without what each frame changes.
    fn standing(&self, row: &Row) -> Result<Decision> {
        let other = self.key(&row.input.dev, src(row)?, self.rival(row)?)?;
        let decision = self.decision(&other)?;
        ensure!(decision.key == other, Late);
        Ok(Decision { id: 0, ..decision })
    }

    fn known_of_source(&self, row: &Row) -> Result<Decision> {
        self.decision(&self.key(&row.input.dev, src(row)?, Mac::ZERO)?)
    }

    fn rival(&self, row: &Row) -> Result<Mac> {
        self.other(&row.input.dev, src(row)?, dst(row)?)
    }

    fn pair(&self, row: &Row) -> Result<DecisionKey> {
        self.key(&row.input.dev, src(row)?, dst(row)?)
    }

    fn key(&self, port: &str, src: Mac, dst: Mac) -> Result<DecisionKey> {
        let key = DecisionKey::from_port(self.bed.index(port), self.hook == Hook::Xdp, src, dst);
        key.with_context(|| format!("{port} has too large an index"))
    }
}

/// Maps that have no verbs, because nobody but the data path has to do with what is written here.
impl Crowd<'_> {
    fn decisions(&self) -> Result<Array<MapData, Decision>> {
        let map = MapData::from_pin(self.bed.pins().join("DECISIONS"))?;
        Ok(Array::try_from(Map::Array(map))?)
    }

    /// What is remembered where a decision belongs.
    fn decision(&self, key: &DecisionKey) -> Result<Decision> {
        Ok(self.decisions()?.get(&(self.cpu * DECISIONS + key.place()), 0)?)
    }

    /// Ends what is remembered where a decision belongs.
    fn end(&self, key: &DecisionKey) -> Result<()> {
        let decision = Decision { expires: 0, ..self.decision(key)? };
        Ok(self.decisions()?.set(self.cpu * DECISIONS + key.place(), decision, 0)?)
    }

    fn stations(&self) -> Result<HashMap<MapData, FdbKey, FdbEntry>> {
        let map = MapData::from_pin(self.bed.pins().join("FDB"))?;
        Ok(HashMap::try_from(Map::HashMap(map))?)
    }

    /// When a station was last sent to, if the FDB knows it.
    fn used(&self, number: u32, mac: Mac) -> Result<Option<u64>> {
        match self.stations()?.get(&FdbKey::new(vni(number), mac), 0) {
            Ok(entry) => Ok(Some(entry.used)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Makes the time when a station was last sent to 0.
    fn age(&self, number: u32, mac: Mac) -> Result<()> {
        let key = FdbKey::new(vni(number), mac);
        let mut stations = self.stations()?;
        if self.used(number, mac)?.is_some() {
            let entry = FdbEntry { used: 0, ..stations.get(&key, 0)? };
            stations.insert(key, entry, 0)?;
        }
        Ok(())
    }
}

fn src(row: &Row) -> Result<Mac> {
    address(row, 6)
}

fn dst(row: &Row) -> Result<Mac> {
    address(row, 0)
}

fn address(row: &Row, at: usize) -> Result<Mac> {
    let bytes = row.input.frame.get(at..at + 6).context("a frame without addresses")?;
    Ok(Mac::new(bytes.try_into()?))
}
