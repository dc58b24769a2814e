//! TCP streams from pod to pod: what the receiver gets.
//!
//! Frames that XDP redirects have lost their checksum state, so the pods of the contenders at XDP compute checksums
//! themselves, as the bed has them do; all others have the offloads of a container runtime. XDP at one end of a veth pair
//! also keeps the other end from sending more than a segment at a time.

use anyhow::Result;

use super::{
    bed::Bed,
    contender::Contender,
    cpu,
    iperf::{Run, Server},
    measure::{Measure, Rounds, Sample, Settings},
};

/// All of this topic.
pub fn all() -> Vec<Box<dyn Measure>> {
    [1, 4].map(|streams| Box::new(Tcp { streams }) as Box<dyn Measure>).into()
}

/// So many streams at a time.
#[derive(Clone, Copy, Debug)]
pub struct Tcp {
    /// How many.
    pub streams: u32,
}

impl Measure for Tcp {
    fn id(&self) -> String {
        format!("tcp-{}", self.streams)
    }

    fn title(&self) -> String {
        let streams = if self.streams == 1 { "stream" } else { "streams" };
        format!("TCP, {} {streams} (iperf3, cubic)", self.streams)
    }

    fn unit(&self) -> &'static str {
        "Gb/s"
    }

    fn cpu_per(&self) -> Option<&'static str> {
        Some("GB")
    }

    fn contenders(&self) -> Vec<Contender> {
        Contender::ALL.to_vec()
    }

    fn prepare(&self, contender: Contender, settings: &Settings) -> Result<Box<dyn Rounds>> {
        let bed = Bed::create(contender, settings)?;
        let (seconds, omit) = if settings.quick { (1, 0) } else { (3, 1) };
        let run = Run { streams: self.streams, seconds, omit };
        Ok(Box::new(Ready { run, client_cpu: settings.client_cpu, server_cpu: settings.server_cpu, bed }))
    }
}

struct Ready {
    run: Run,
    client_cpu: usize,
    server_cpu: usize,
    bed: Bed,
}

impl Rounds for Ready {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn play(&mut self) -> Result<Sample> {
        let [client, server] = &self.bed.pods;
        let server = Server::start(&server.netns, server.addr, Some(self.server_cpu))?;
        let busy = cpu::busy()?;
        let report = server.stream(&client.netns, self.client_cpu, self.run)?;
        let cpu = cpu::busy_each(busy, report.bytes as f64 / 1e9)?;
        Ok(Sample {
            value: report.bits_per_second / 1e9,
            cpu: Some(cpu),
            also: vec![("retransmits", "segments", report.retransmits as f64)],
        })
    }
}
