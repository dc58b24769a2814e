//! Large tables: frames to stations all over an FDB of 1, 64 Ki or 1 Mi entries, and frames in the last of 4,096 VNIs.
//!
//! The stations of the FDB are behind the other node, and none of them is there: what comes to its underlay interface is
//! counted and ended, so that what is measured is the sending node with its look-up and its encapsulation. VNIs are
//! looked up by the receiver as well: there both nodes have them all, and the pod's frames are counted.

use std::fs;

use anyhow::{Context as _, Result};
use vxbpf::dataplane::{Dataplane, Destination, FdbSpec, FdbState, Origin, Remote};
use vxbpf_common::{Mac, Vni};
use vxbpf_limit::{Traffic, station};

use super::{
    bed::{Bed, DEVICE, Node, VNI},
    contender::Contender,
    counter::{At, Counter},
    generator::{BATCH, Generator},
    measure::{Better, Measure, Rounds, Sample, Settings},
    offer::Offer,
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

    fn better(&self) -> Better {
        Better::More
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
        start_with_room(&mut bed, stations)?;
        enter(contender, &bed.nodes[0], &bed.nodes[1], stations)?;
        let traffic = Traffic {
            len: 64,
            flows: 1,
            stations,
            source: bed.pods[0].mac.octets(),
            destination: station(0),
        };
        let mut offer = Offer {
            counter: Counter::at_node(&bed, 1, At::of(contender), &traffic)?,
            generator: Generator::create(&bed.nodes[0], &bed.pods[0], &traffic, settings.client_cpu)?,
            batch: BATCH,
            copies: 1,
        };
        let frames = offer.size(&bed.pods[0], settings)?;
        Ok(Box::new(Ready { offer, frames, bed }))
    }
}

/// Has the first node forward, with room for that many stations in its FDB and a few others. Only ours has a limit.
fn start_with_room(bed: &mut Bed, stations: u32) -> Result<()> {
    let file = std::env::temp_dir().join(format!("{}.toml", bed.nodes[0].netns.name()));
    fs::write(&file, format!("[limits]\nfdb = {}\n", stations + 65536)).context("write a config file")?;
    let started = bed.start(0, &format!("--config {}", file.display()));
    let _ = fs::remove_file(&file);
    started
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
    Dataplane::open(&instance)?.exclusive(|dataplane| {
        for mac in macs {
            let to = Destination::Remote(remote.clone());
            dataplane.fdb_add(&FdbSpec { vni, mac, to, state: FdbState::Static }, Origin::Command)?;
        }
        Ok(())
    })?;
    Ok(())
}

struct Ready {
    offer: Offer,
    frames: u32,
    bed: Bed,
}

impl Rounds for Ready {
    fn play(&mut self) -> Result<Sample> {
        let taken = self.offer.play(&self.bed.pods[0], self.frames)?;
        Ok(Sample { value: taken.rate(), cpu: Some(taken.cpu), also: Vec::new() })
    }
}
