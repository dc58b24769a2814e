//! `vxbpf stats`: counters of VNIs, ports and VTEPs, and drops by reason; once, or again and again.

use std::{fmt::Write, net::IpAddr, thread, time::Duration};

use clap::Args;
use vxbpf_common::Vni;

use super::{Globals, output, values};
use crate::{Error, dataplane::Stats};

mod view;

const AFTER: &str = "\
Without a restriction everything is shown. --watch with -j writes one document per line.

Examples:
  vxbpf stats
  vxbpf stats vni 42
  vxbpf stats port veth1 --watch 1
  vxbpf -j stats drops";

/// Counters of VNIs, ports and VTEPs; drops by reason.
#[derive(Debug, Args)]
#[command(after_help = AFTER, override_usage = "vxbpf stats [vni VNI|port DEV|vtep ADDR|drops] [--watch SECS]")]
pub(super) struct StatsArgs {
    #[command(flatten)]
    only: Only,
    /// Show them again every SECS
    #[arg(long, value_name = "SECS", value_parser = values::interval)]
    watch: Option<Duration>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[group(multiple = false)]
struct Only {
    /// This VNI only
    #[arg(long, value_name = "VNI")]
    vni: Option<Vni>,
    /// This port only
    #[arg(long, value_name = "DEV")]
    port: Option<String>,
    /// This VTEP only
    #[arg(long, value_name = "ADDR", value_parser = values::ip)]
    vtep: Option<IpAddr>,
    /// Drops by reason only
    #[arg(long)]
    drops: bool,
}

/// The part of the counters that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    All,
    Vnis,
    Ports,
    Vteps,
    Drops,
}

impl Only {
    /// Takes everything else away. An object that is not there is an error.
    fn restrict(&self, stats: &mut Stats) -> crate::Result<Part> {
        if let Some(vni) = self.vni {
            stats.vnis.retain(|(other, _)| *other == vni);
            return found(!stats.vnis.is_empty(), Part::Vnis, || format!("VNI {vni}"));
        }
        if let Some(port) = &self.port {
            stats.ports.retain(|(other, ..)| other == port);
            return found(!stats.ports.is_empty(), Part::Ports, || format!("port {port}"));
        }
        if let Some(vtep) = self.vtep {
            let same = |other: IpAddr| other.to_canonical() == vtep.to_canonical();
            stats.vteps.retain(|(other, _)| other.is_some_and(|(_, addr)| same(addr)));
            return found(!stats.vteps.is_empty(), Part::Vteps, || format!("VTEP {vtep}"));
        }
        Ok(if self.drops { Part::Drops } else { Part::All })
    }
}

fn found(found: bool, part: Part, what: impl FnOnce() -> String) -> crate::Result<Part> {
    if found { Ok(part) } else { Err(Error::not_found(what())) }
}

pub(super) fn run(args: &StatsArgs, globals: &Globals) -> anyhow::Result<()> {
    let Some(interval) = args.watch else {
        return output::write(&look(&args.only, globals)?);
    };
    loop {
        let mut text = String::new();
        if !globals.json && output::is_terminal() {
            // Home, and clear to the end: the look stays in place.
            text.push_str("\x1b[H\x1b[2J");
        }
        text.push_str(&look(&args.only, globals)?);
        if !globals.json && !output::is_terminal() {
            writeln!(text)?;
        }
        output::write(&text)?;
        thread::sleep(interval);
    }
}

/// One look. The instance is opened each time: it may have ended, or another one of its name begun.
fn look(only: &Only, globals: &Globals) -> anyhow::Result<String> {
    let mut stats = globals.open()?.stats()?;
    let part = only.restrict(&mut stats)?;
    globals.render(&view::document(&stats, part), || view::tables(&stats, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_is_not_there_is_an_error() {
        let mut stats = Stats { vnis: vec![], ports: vec![], vteps: vec![], drops: vec![] };
        let only = Only { vtep: Some("192.0.2.1".parse().unwrap()), ..Only::default() };
        assert_eq!(only.restrict(&mut stats).unwrap_err().to_string(), "VTEP 192.0.2.1 does not exist");
        let only = Only { port: Some("veth9".into()), ..Only::default() };
        assert_eq!(only.restrict(&mut stats).unwrap_err().to_string(), "port veth9 does not exist");
        assert_eq!(Only::default().restrict(&mut stats).unwrap(), Part::All);
        assert_eq!(Only { drops: true, ..Only::default() }.restrict(&mut stats).unwrap(), Part::Drops);
    }
}
