//! The first packet: how long it takes from the start of what sets up forwarding on a node until the first packet that its
//! pod sends arrives at the other's. With ours that is `vxbpf run` with a config file; with the kernel's device `ip` and
//! `bridge`, each with its lines in one batch.

use std::{
    net::UdpSocket,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{
    bed::{BRIDGE, Bed, DEVICE},
    config::{self, Scrap, Stations},
    contender::Contender,
    cpu,
    forward::Forward,
    measure::{Better, Measure, Rounds, Sample, Settings},
};
use crate::daemon::Daemon;

/// All of this topic.
pub fn all() -> Vec<Box<dyn Measure>> {
    vec![Box::new(FirstPacket)]
}

/// The first packet of a pod.
#[derive(Clone, Copy, Debug)]
pub struct FirstPacket;

/// The time between two packets.
const PACE: Duration = Duration::from_micros(100);
/// Nothing takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

impl Measure for FirstPacket {
    fn id(&self) -> String {
        "first-packet".to_owned()
    }

    fn title(&self) -> String {
        "Time from the start of what forwards to the first packet".to_owned()
    }

    fn unit(&self) -> &'static str {
        "ms"
    }

    fn better(&self) -> Better {
        Better::Less
    }

    fn cpu_per(&self) -> Option<&'static str> {
        None
    }

    fn contenders(&self) -> Vec<Contender> {
        vec![Contender::Kernel, Contender::VxbpfTc, Contender::VxbpfXdp]
    }

    fn prepare(&self, contender: Contender, settings: &Settings) -> Result<Box<dyn Rounds>> {
        let mut bed = Bed::lay(contender, settings)?;
        bed.start(1, "")?;
        let file = Scrap::of(&bed, 0, "toml");
        file.write(&config::config(&bed, 0, Stations::new(0))?)?;
        Ok(Box::new(Ready { bed, file, settings: *settings }))
    }
}

/// A node that forwards, one that does not yet, and its config file.
struct Ready {
    bed: Bed,
    file: Scrap,
    settings: Settings,
}

impl Rounds for Ready {
    fn play(&mut self) -> Result<Sample> {
        let [from, to] = &self.bed.pods;
        let (sender, receiver) = (
            from.netns.run(|| Ok(UdpSocket::bind((from.addr, 0))?))?,
            to.netns.run(|| Ok(UdpSocket::bind((to.addr, 0))?))?,
        );
        receiver.set_read_timeout(Some(PATIENCE))?;
        sender.connect(receiver.local_addr()?)?;
        let Settings { client_cpu, server_cpu, .. } = self.settings;
        let stop = AtomicBool::new(false);
        let took = thread::scope(|scope| {
            let arrives = scope.spawn(move || {
                cpu::stay_on(server_cpu)?;
                receiver.recv(&mut [0]).context("no packet arrives")?;
                anyhow::Ok(Instant::now())
            });
            let stop = &stop;
            let sends = scope.spawn(move || {
                cpu::stay_on(client_cpu)?;
                while !stop.load(Ordering::Relaxed) {
                    // An answer to an earlier one that nobody took is an error of this one; the next may arrive.
                    let _ = sender.send(&[1]);
                    thread::sleep(PACE);
                }
                anyhow::Ok(())
            });
            let begun = Instant::now();
            let started = self.start();
            let arrived = arrives.join().map_err(|_| anyhow::anyhow!("the receiver panicked"))?;
            stop.store(true, Ordering::Relaxed);
            sends.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
            started?;
            anyhow::Ok(arrived?.duration_since(begun))
        })?;
        self.stop()?;
        Ok(Sample { value: took.as_secs_f64() * 1000.0, cpu: None, also: Vec::new() })
    }
}

impl Ready {
    /// Starts it; ours may not be ready when that returns.
    fn start(&mut self) -> Result<()> {
        if self.bed.contender == Contender::Kernel {
            return self.bed.start(0, "");
        }
        let words = config::words(&self.bed, 0, &self.file);
        let node = &mut self.bed.nodes[0];
        node.forward = Some(Forward::Ours(Daemon::spawn(&node.netns, node.netns.name(), &words)));
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        let node = &mut self.bed.nodes[0];
        if let Some(daemon) = node.forward.as_mut().and_then(Forward::daemon) {
            daemon.wait_ready();
        }
        node.forward = None;
        if self.bed.contender == Contender::Kernel {
            for device in [DEVICE, BRIDGE] {
                node.must(&format!("ip link del {device}"))?;
            }
        }
        Ok(())
    }
}
