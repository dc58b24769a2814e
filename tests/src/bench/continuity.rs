//! Continuity: packets that are lost while what does not forward itself comes and goes. Numbered datagrams flow from one
//! pod to the other, and those that do not arrive are counted.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use vxbpf::dataplane::{Dataplane, Destination, FdbSpec, FdbState, Origin, Remote};
use vxbpf_common::Vni;

use super::{
    bed::{Bed, VNI},
    config::{self, Scrap, Stations},
    contender::Contender,
    forward::Forward,
    measure::{Better, Measure, Rounds, Sample, Settings},
};
use crate::{
    daemon::Daemon,
    traffic::{Numbered, Pace},
};

/// All of this topic.
pub fn all() -> Vec<Box<dyn Measure>> {
    let occasions =
        [Occasion::Kill, Occasion::Restart, Occasion::Upgrade, Occasion::Reapply, Occasion::Churn];
    occasions.into_iter().map(|occasion| Box::new(Lost { occasion }) as Box<dyn Measure>).collect()
}

/// What happens meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The daemons are killed, and stay away.
    Kill,
    /// Daemons take over where there are none.
    Restart,
    /// The daemons end and others take their place: links get the programs of another file, here of the same.
    Upgrade,
    /// A config file in which every station has moved is read again.
    Reapply,
    /// Stations of the same VNI come, move and go as fast as possible.
    Churn,
}

impl Occasion {
    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Upgrade => "upgrade",
            Self::Reapply => "reapply",
            Self::Churn => "churn",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Kill => "the daemons are killed",
            Self::Restart => "daemons take running instances over",
            Self::Upgrade => "the daemons are replaced",
            Self::Reapply => "a config of 100,000 entries is applied again, all of them changed",
            Self::Churn => "entries come, move and go at full speed",
        }
    }
}

/// Packets that are lost on an occasion.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    /// Which.
    pub occasion: Occasion,
}

/// Datagrams a second.
const RATE: u32 = 10_000;
/// Datagrams before what happens and after it.
const AROUND: u64 = 5000;
/// Stations of the config file, in a look and else.
const STATIONS: [u32; 2] = [10_000, 100_000];
/// Stations that come and go, at a time.
const CROWD: u32 = 1000;
/// How long they do, in a look and else.
const CHURN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

impl Measure for Lost {
    fn id(&self) -> String {
        format!("lost-{}", self.occasion.name())
    }

    fn title(&self) -> String {
        format!("Packets lost while {}", self.occasion.words())
    }

    fn unit(&self) -> &'static str {
        "packets"
    }

    fn better(&self) -> Better {
        Better::Less
    }

    fn cpu_per(&self) -> Option<&'static str> {
        None
    }

    fn contenders(&self) -> Vec<Contender> {
        vec![Contender::VxbpfTc, Contender::VxbpfXdp]
    }

    fn prepare(&self, contender: Contender, settings: &Settings) -> Result<Box<dyn Rounds>> {
        let mut bed = Bed::lay(contender, settings)?;
        let stations = match self.occasion {
            Occasion::Reapply => STATIONS[usize::from(!settings.quick)],
            Occasion::Kill | Occasion::Restart | Occasion::Upgrade | Occasion::Churn => 0,
        };
        let files = [Scrap::of(&bed, 0, "toml"), Scrap::of(&bed, 1, "toml")];
        for (node, file) in files.iter().enumerate() {
            file.write(&config::config(&bed, node, Stations::new(if node == 0 { stations } else { 0 }))?)?;
            config::start(&mut bed, node, file)?;
        }
        let stations = Stations::new(stations);
        let churn = CHURN[usize::from(!settings.quick)];
        let pace = Pace { rate: RATE, cpus: Some([settings.client_cpu, settings.server_cpu]) };
        Ok(Box::new(Ready { occasion: self.occasion, bed, files, stations, churn, pace }))
    }
}

/// Nodes that forward, and their config files.
struct Ready {
    occasion: Occasion,
    bed: Bed,
    files: [Scrap; 2],
    stations: Stations,
    churn: Duration,
    pace: Pace,
}

impl Rounds for Ready {
    fn play(&mut self) -> Result<Sample> {
        if self.occasion == Occasion::Restart {
            self.kill()?;
        }
        let traffic = Numbered::paced(&self.bed.pods[0], &self.bed.pods[1], self.pace);
        traffic.go_on(AROUND);
        let begun = Instant::now();
        let mut also = Vec::new();
        match self.occasion {
            Occasion::Kill => self.kill()?,
            Occasion::Restart => self.take_over()?,
            Occasion::Upgrade => self.replace()?,
            Occasion::Reapply => self.reapply()?,
            Occasion::Churn => also.push(("rate", "changes/s", self.come_and_go()?)),
        }
        let took = begun.elapsed();
        traffic.go_on(AROUND);
        let (sent, lost) = traffic.lost();
        if self.occasion == Occasion::Kill {
            self.take_over()?;
        }
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let (sent, lost) = (sent as f64, lost.len() as f64);
        also.extend([("sent", "packets", sent), ("took", "s", took.as_secs_f64())]);
        Ok(Sample { value: lost, cpu: None, also })
    }
}

impl Ready {
    fn kill(&mut self) -> Result<()> {
        for node in 0..2 {
            self.daemon(node)?.kill();
        }
        Ok(())
    }

    /// Has daemons for the instances of those that ended.
    fn take_over(&mut self) -> Result<()> {
        for node in 0..2 {
            if let Some(Forward::Ours(daemon)) = self.bed.nodes[node].forward.take() {
                daemon.abandon();
            }
            config::start(&mut self.bed, node, &self.files[node])?;
            let daemon = self.daemon(node)?;
            ensure!(daemon.log().contains("took over the running instance"), "{}", daemon.log());
        }
        Ok(())
    }

    fn replace(&mut self) -> Result<()> {
        for node in 0..2 {
            let daemon = self.daemon(node)?;
            daemon.signal(Signal::SIGTERM);
            let end = daemon.wait_end();
            ensure!(end.success(), "{end}: {}", daemon.log());
        }
        self.take_over()
    }

    fn reapply(&mut self) -> Result<()> {
        self.stations.turn += 1;
        self.files[0].write(&config::config(&self.bed, 0, self.stations)?)?;
        let daemon = self.daemon(0)?;
        let before = daemon.log().matches(": reloaded").count();
        daemon.signal(Signal::SIGHUP);
        crate::wait::expect("the file to be read again", crate::wait::SOON, || {
            daemon.log().matches(": reloaded").count() > before
        });
        Ok(())
    }

    /// Gives changes per second.
    fn come_and_go(&mut self) -> Result<f64> {
        let instance = self.bed.nodes[0].netns.name().parse().map_err(anyhow::Error::msg)?;
        let mut dataplane = Dataplane::open(&instance)?;
        let vni = Vni::new(VNI).context("a VNI")?;
        let begun = Instant::now();
        let mut stations = Stations::new(CROWD);
        let mut changes = 0;
        while begun.elapsed() < self.churn {
            dataplane.bulk(CROWD as usize, |dataplane| {
                stations.each().try_for_each(|(mac, [c, d])| {
                    let remote = Remote { addr: [192, 168, c, d].into(), dst_vni: None, port: None };
                    let to = Destination::Remote(remote);
                    dataplane.fdb_replace(&FdbSpec { vni, mac, to, state: FdbState::Static }, Origin::Command)
                })
            })??;
            changes += CROWD;
            stations.turn += 1;
            // Every third time they leave.
            if stations.turn.is_multiple_of(3) {
                dataplane.bulk(CROWD as usize, |dataplane| {
                    stations.each().try_for_each(|(mac, _)| dataplane.fdb_del(vni, mac, None))
                })??;
                changes += CROWD;
            }
        }
        Ok(f64::from(changes) / begun.elapsed().as_secs_f64())
    }

    fn daemon(&mut self, node: usize) -> Result<&mut Daemon> {
        self.bed.nodes[node].forward.as_mut().and_then(Forward::daemon).context("a daemon")
    }
}
