//! Requests and responses of one byte from pod to pod, one at a time: how long one takes.

use std::{
    net::{TcpStream, UdpSocket},
    time::Instant,
};

use anyhow::Result;
use hdrhistogram::Histogram;

use super::{
    bed::Bed,
    contender::Contender,
    cpu,
    measure::{Better, Measure, Rounds, Sample, Settings},
    pingpong::{self, Line},
};

/// All of this topic.
pub fn all() -> Vec<Box<dyn Measure>> {
    [Protocol::Tcp, Protocol::Udp].map(|protocol| Box::new(Rr { protocol }) as Box<dyn Measure>).into()
}

/// What carries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// One connection, without Nagle's algorithm.
    Tcp,
    /// Datagrams, none of which may be lost.
    Udp,
}

/// Requests and responses.
#[derive(Clone, Copy, Debug)]
pub struct Rr {
    /// What carries them.
    pub protocol: Protocol,
}

impl Rr {
    const fn name(self) -> &'static str {
        match self.protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        }
    }
}

/// A round is played in so many parts, each with threads of its own, and is worth the median of theirs: how two threads
/// wake each other falls into one of several ways, some ten per cent apart, and stays there for as long as they live.
const PARTS: u32 = 5;

impl Measure for Rr {
    fn id(&self) -> String {
        format!("rr-{}", self.name().to_lowercase())
    }

    fn title(&self) -> String {
        format!("{} request and response, one byte each, p50", self.name())
    }

    fn unit(&self) -> &'static str {
        "us"
    }

    fn better(&self) -> Better {
        Better::Less
    }

    fn cpu_per(&self) -> Option<&'static str> {
        Some("transaction")
    }

    fn contenders(&self) -> Vec<Contender> {
        Contender::ALL.to_vec()
    }

    fn prepare(&self, contender: Contender, settings: &Settings) -> Result<Box<dyn Rounds>> {
        let bed = Bed::create(contender, settings)?;
        let [client, server] = &bed.pods;
        let ends = match self.protocol {
            Protocol::Tcp => Ends::Tcp(pingpong::tcp(&client.netns, &server.netns, server.addr)?),
            Protocol::Udp => {
                Ends::Udp(pingpong::udp((&client.netns, client.addr), (&server.netns, server.addr))?)
            }
        };
        let cpus = (settings.client_cpu, settings.server_cpu);
        let count = if settings.quick { 2_000 } else { 20_000 };
        Ok(Box::new(Ready { ends, cpus, count, _bed: bed }))
    }
}

enum Ends {
    Tcp((TcpStream, TcpStream)),
    Udp((UdpSocket, UdpSocket)),
}

struct Ready {
    ends: Ends,
    cpus: (usize, usize),
    count: u32,
    _bed: Bed,
}

impl Rounds for Ready {
    fn play(&mut self) -> Result<Sample> {
        match &mut self.ends {
            Ends::Tcp(ends) => round(ends, self.cpus, self.count),
            Ends::Udp(ends) => round(ends, self.cpus, self.count),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn round<L: Line>(ends: &mut (L, L), cpus: (usize, usize), count: u32) -> Result<Sample> {
    let mut play = |count| pingpong::play((&mut ends.0, &mut ends.1), cpus, count);
    // Caches and the scheduler's idea of the threads are warm then.
    play(count / 10)?;
    let (begin, busy) = (Instant::now(), cpu::busy()?);
    let parts = (0..PARTS).map(|_| play(count / PARTS)).collect::<Result<Vec<_>>>()?;
    let took = begin.elapsed();
    let mut times = Histogram::<u64>::new(3)?;
    parts.iter().try_for_each(|part| times.add(part))?;
    let mut medians: Vec<_> = parts.iter().map(|part| part.value_at_quantile(0.5)).collect();
    medians.sort_unstable();
    let cpu = cpu::busy_each(busy, f64::from(count))?;
    let at = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Sample {
        value: medians[medians.len() / 2] as f64 / 1e3,
        cpu: Some(cpu),
        also: vec![
            ("p99", "us", at(0.99)),
            ("rate", "transactions/s", f64::from(count) / took.as_secs_f64()),
        ],
    })
}
