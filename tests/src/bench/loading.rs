//! Loading: how long it takes to enter very many FDB entries, from the start of the command to its end. The same stations
//! for all: with the kernel's device by `bridge -batch`, with ours by `vxbpf -batch`, and beside that by a config file that
//! is read again.

use std::{
    fmt::Write as _,
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use vxbpf::dataplane::Dataplane;
use vxbpf_common::Vni;

use super::{
    bed::{BRIDGE, Bed, DEVICE, VNI},
    config::{self, Scrap, Stations},
    contender::Contender,
    cpu,
    measure::{Better, Measure, Rounds, Sample, Settings},
};
use crate::command::binary;

/// All of this topic.
pub fn all() -> Vec<Box<dyn Measure>> {
    let sizes = [("100k", 100_000), ("1m", 1_000_000)];
    sizes.into_iter().map(|(name, entries)| Box::new(Loading { name, entries }) as Box<dyn Measure>).collect()
}

/// So many entries.
#[derive(Clone, Copy, Debug)]
pub struct Loading {
    name: &'static str,
    entries: u32,
}

/// What a look loads.
const QUICK: u32 = 20_000;

impl Measure for Loading {
    fn id(&self) -> String {
        format!("loading-{}", self.name)
    }

    fn title(&self) -> String {
        format!("Loading {} FDB entries", self.entries)
    }

    fn unit(&self) -> &'static str {
        "s"
    }

    fn better(&self) -> Better {
        Better::Less
    }

    fn cpu_per(&self) -> Option<&'static str> {
        Some("entry")
    }

    fn contenders(&self) -> Vec<Contender> {
        vec![Contender::Kernel, Contender::VxbpfTc]
    }

    fn prepare(&self, contender: Contender, settings: &Settings) -> Result<Box<dyn Rounds>> {
        let entries = if settings.quick { self.entries.min(QUICK) } else { self.entries };
        let stations = Stations::new(entries);
        let bed = Bed::lay(contender, settings)?;
        let batch = Scrap::of(&bed, 0, "batch");
        batch.write(&stations.lines(|text, mac, [c, d]| {
            writeln!(text, "fdb add {mac} dev {DEVICE} dst 192.168.{c}.{d} self permanent")
        })?)?;
        let file = Scrap::of(&bed, 0, "toml");
        Ok(Box::new(Ready { bed, stations, batch, file }))
    }
}

/// A node, and files of what is to be loaded.
struct Ready {
    bed: Bed,
    stations: Stations,
    batch: Scrap,
    file: Scrap,
}

impl Rounds for Ready {
    fn play(&mut self) -> Result<Sample> {
        let entries = f64::from(self.stations.count);
        // With the instance, or the device, and all.
        let before = quiet_memory()?;
        self.start()?;
        let busy = cpu::busy()?;
        let took = self.load()?.as_secs_f64();
        let cpu = cpu::busy_each(busy, entries)?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53 bytes")]
        let memory = quiet_memory()?.saturating_sub(before) as f64 / entries;
        self.check()?;
        let mut also = vec![("rate", "entries/s", entries / took), ("memory", "bytes/entry", memory)];
        if self.bed.contender != Contender::Kernel {
            also.push(("config", "s", self.reload()?.as_secs_f64()));
            self.check()?;
        }
        self.stop()?;
        Ok(Sample { value: took, cpu: Some(cpu), also })
    }
}

impl Ready {
    fn start(&mut self) -> Result<()> {
        if self.bed.contender == Contender::Kernel {
            return self.bed.start(0, "");
        }
        self.file.write(&format!("[limits]\nfdb = {}\n", self.stations.count + 65536))?;
        self.bed.start(0, &format!("--config {}", self.file.path().display()))
    }

    /// Enters the stations by lines.
    fn load(&self) -> Result<Duration> {
        let netns = &self.bed.nodes[0].netns;
        let program =
            if self.bed.contender == Contender::Kernel { "bridge".as_ref() } else { binary().as_os_str() };
        let mut command = Command::new(program);
        command.arg("-batch").arg(self.batch.path()).env("VXBPF_INSTANCE", netns.name());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        netns.run(|| {
            let begun = Instant::now();
            let ended = command.status().with_context(|| format!("{command:?}"))?;
            let took = begun.elapsed();
            ensure!(ended.success(), "{command:?}: {ended}");
            Ok(took)
        })
    }

    /// Enters them by a config file, after others went.
    fn reload(&mut self) -> Result<Duration> {
        let (text, stations) = (config::config(&self.bed, 0, self.stations)?, self.stations.count);
        let node = &mut self.bed.nodes[0];
        // What commands entered is not the file's: it would stay as it is.
        node.forward = None;
        self.file.write(&format!("[limits]\nfdb = {}\n", stations + 65536))?;
        config::start(&mut self.bed, 0, &self.file)?;
        self.file.write(&text)?;
        let daemon =
            self.bed.nodes[0].forward.as_mut().and_then(|forward| forward.daemon()).context("a daemon")?;
        let begun = Instant::now();
        daemon.signal(Signal::SIGHUP);
        daemon.wait_log(": reloaded");
        Ok(begun.elapsed())
    }

    /// All are there.
    fn check(&self) -> Result<()> {
        let node = &self.bed.nodes[0];
        if self.bed.contender == Contender::Kernel {
            return self.check_kernel();
        }
        let instance = node.netns.name().parse().map_err(anyhow::Error::msg)?;
        let vnis = Dataplane::open(&instance)?.vnis()?;
        let there = vnis.iter().find(|info| Some(info.vni) == Vni::new(VNI)).map_or(0, |info| info.fdb);
        // And the pods.
        let expected = self.stations.count as usize + 2;
        ensure!(there == expected, "{there} of {expected} entries are there");
        Ok(())
    }

    /// A dump of a million takes the kernel minutes, so some are asked for; for the others stands that each line was
    /// acknowledged, else the batch had ended with an error.
    fn check_kernel(&self) -> Result<()> {
        let step = (self.stations.count / 1000).max(1) as usize;
        let some = self.stations.each().step_by(step).map(|(mac, _)| mac);
        let last = self.stations.each().last().map(|(mac, _)| mac);
        let lines = some.chain(last).map(|mac| format!("fdb get {mac} dev {DEVICE} self"));
        self.bed.nodes[0].batch("bridge", &lines.collect::<Vec<_>>())
    }

    fn stop(&mut self) -> Result<()> {
        let node = &mut self.bed.nodes[0];
        node.forward = None;
        if self.bed.contender == Contender::Kernel {
            for device in [DEVICE, BRIDGE] {
                node.must(&format!("ip link del {device}"))?;
            }
        }
        Ok(())
    }
}

/// The same once it stays the same: what is removed is given back later (RCU).
fn quiet_memory() -> Result<u64> {
    const QUIET: Duration = Duration::from_millis(200);
    const NOISE: u64 = 1 << 20;
    let mut before = kernel_memory()?;
    for _ in 0..50 {
        thread::sleep(QUIET);
        let now = kernel_memory()?;
        if now.abs_diff(before) < NOISE {
            return Ok(now);
        }
        before = now;
    }
    Ok(before)
}

/// What the kernel has taken of the machine's memory for things like tables, in bytes.
fn kernel_memory() -> Result<u64> {
    let info = fs::read_to_string("/proc/meminfo").context("read /proc/meminfo")?;
    kilobytes(&info).map(|kilobytes| kilobytes * 1024).context("/proc/meminfo is not as it was")
}

/// The slabs that cannot be given back at will, areas of pages, and what each CPU has of its own.
fn kilobytes(info: &str) -> Option<u64> {
    let of = |name: &str| {
        let value = info.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().ok()
    };
    Some(of("SUnreclaim:")? + of("VmallocUsed:")? + of("Percpu:")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_the_kernel_is_the_sum_of_its_kinds() {
        let info = "SUnreclaim:        100 kB\nKernelStack:      7 kB\nVmallocUsed:       20 kB\nPercpu:            3 kB\n";
        assert_eq!(kilobytes(info), Some(123));
        assert!(kernel_memory().unwrap() > 0);
    }
}
