//! Large tables: frames to stations all over an FDB of 1, 64 Ki or 1 Mi entries.
//!
//! The stations are behind the other node, and none of them is there: what comes to its underlay interface is counted
//! and ended, so that what is measured is the sending node with its look-up and its encapsulation.

use anyhow::{Context as _, Result};
use vxbpf::dataplane::{Dataplane, Destination, FdbSpec, FdbState, Origin, Remote};
use vxbpf_common::{Mac, Vni};
use vxbpf_limit::{Traffic, station};

use super::{
    bed::{Bed, DEVICE, Node, VNI},
    contender::Contender,
    counter::{At, Counter},
    frames::Ready,
    measure::{Measure, Rounds, Settings},
};

/// All of this topic.
pub fn all() -> Vec<Box<dyn Measure>> {
    let fdb = [1, 1 << 16, 1 << 20].map(|stations| Box::new(FdbSize { stations }) as Box<dyn Measure>);
    fdb.into()
}

/// Frames of 64 bytes to so many stations, each with an FDB entry.
#[derive(Clone, Copy, Debug)]
pub struct FdbSize {
    /// How many there are.
    pub stations: u32,
}

/// Each is sent to so often before anything is measured, on average: the tables that are large are those in use, and what
/// caches there are, in hardware or software, have seen them.
const WARM: u32 = 3;

/// The most that a look takes time to enter.
const QUICK: u32 = 1 << 16;

impl Measure for FdbSize {
    fn id(&self) -> String {
        format!("fdb-{}", self.stations)
    }

    fn title(&self) -> String {
        let entries =
            if self.stations == 1 { "1 entry".to_owned() } else { format!("{} entries", self.stations) };
        format!("Frames of 64 bytes sent into an FDB of {entries}, destinations at random")
    }

    fn unit(&self) -> &'static str {
        "frames/s"
    }

    fn cpu_per(&self) -> Option<&'static str> {
        Some("frame")
    }

    fn contenders(&self) -> Vec<Contender> {
        vec![Contender::Kernel, Contender::VxbpfTc, Contender::VxbpfXdp]
    }

    fn prepare(&self, contender: Contender, settings: &Settings) -> Result<Box<dyn Rounds>> {
        let stations = if settings.quick { self.stations.min(QUICK) } else { self.stations };
        let mut bed = Bed::lay(contender, settings)?;
        // Room for them and for what an instance has room for anyway. The kernel has no limit.
        bed.start_with(0, &format!("[limits]\nfdb = {}\n", stations + 65536))?;
        enter(contender, &bed.nodes[0], &bed.nodes[1], stations)?;
        let traffic = Traffic { len: 64, flows: 1, stations, ..bed.traffic() };
        let counter = Counter::at_node(&bed, 1, At::of(contender), &traffic)?;
        let mut ready = Ready::to(counter, bed, &traffic, settings)?;
        ready.warm(WARM * stations)?;
        Ok(Box::new(ready))
    }
}

/// Enters the stations, all behind the other node.
fn enter(contender: Contender, node: &Node, other: &Node, stations: u32) -> Result<()> {
    let macs = (0..stations).map(|index| Mac::new(station(index)));
    if contender == Contender::Kernel {
        // Entries of the device, and of the bridge that is asked before it.
        let vtep = other.vtep;
        let lines = macs.flat_map(|mac| {
            [
                format!("fdb add {mac} dev {DEVICE} dst {vtep} self static"),
                format!("fdb add {mac} dev {DEVICE} master static"),
            ]
        });
        return node.batch("bridge", &lines.collect::<Vec<_>>());
    }
    let instance = node.netns.name().parse().map_err(anyhow::Error::msg)?;
    let vni = Vni::new(VNI).context("a VNI")?;
    let remote = Remote { addr: other.vtep.into(), dst_vni: None, port: None };
    let entered = Dataplane::open(&instance)?.bulk(stations as usize, |dataplane| {
        macs.clone().try_for_each(|mac| {
            let to = Destination::Remote(remote.clone());
            dataplane.fdb_add(&FdbSpec { vni, mac, to, state: FdbState::Static }, Origin::Command)
        })
    })?;
    Ok(entered?)
}
