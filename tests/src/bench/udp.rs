//! Datagrams of 64 bytes from a socket in one pod to a socket in the other, as fast as one thread sends them: what the
//! receiver gets. It is not told to the sender what is lost, so a part is lost wherever the way is slower than the sender;
//! each that comes must be whole, and come once.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{
    bed::Bed,
    blast::{self, Pair},
    contender::Contender,
    cpu,
    measure::{Measure, Rounds, Sample, Settings},
};

/// All of this topic.
pub fn all() -> Vec<Box<dyn Measure>> {
    vec![Box::new(Udp)]
}

/// Datagrams.
#[derive(Clone, Copy, Debug)]
pub struct Udp;

impl Measure for Udp {
    fn id(&self) -> String {
        format!("udp-{}", blast::LEN)
    }

    fn title(&self) -> String {
        format!("UDP sockets, {} bytes", blast::LEN)
    }

    fn unit(&self) -> &'static str {
        "datagrams/s"
    }

    fn cpu_per(&self) -> Option<&'static str> {
        Some("datagram")
    }

    fn contenders(&self) -> Vec<Contender> {
        Contender::ALL.to_vec()
    }

    fn prepare(&self, contender: Contender, settings: &Settings) -> Result<Box<dyn Rounds>> {
        let bed = Bed::create(contender, settings)?;
        let [from, to] = &bed.pods;
        let pair = Pair::open((&from.netns, from.addr), (&to.netns, to.addr))?;
        let cpus = (settings.client_cpu, settings.server_cpu);
        let time = Duration::from_secs(if settings.quick { 1 } else { 2 });
        pair.play(time / 10, cpus)?;
        Ok(Box::new(Ready { pair, time, cpus, _bed: bed }))
    }
}

struct Ready {
    pair: Pair,
    time: Duration,
    cpus: (usize, usize),
    _bed: Bed,
}

impl Rounds for Ready {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn play(&mut self) -> Result<Sample> {
        let busy = cpu::busy()?;
        let blast = self.pair.play(self.time, self.cpus)?;
        let (sent, received) = (blast.sent as f64, blast.received as f64);
        let cpu = cpu::busy_each(busy, received)?;
        ensure!(blast.received > 0, "none of {sent} datagrams came");
        let lost = (sent - received) / sent * 100.0;
        Ok(Sample {
            value: received / blast.took.as_secs_f64(),
            cpu: Some(cpu),
            also: vec![("lost", "%", lost), ("sent", "datagrams/s", sent / self.time.as_secs_f64())],
        })
    }
}
