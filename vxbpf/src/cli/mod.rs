//! The command line: words in, domain verbs of [`crate::dataplane`] called, tables or JSON out.
//!
//! Arguments take one way: [`grammar`] turns iproute2 words into flags, clap checks them, and the module of the
//! object does what they ask. Only this directory prints, and only [`failure`] decides an exit status.

use std::{ffi::OsString, process::ExitCode};

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::dataplane::{Dataplane, InstanceName, look_from_host};

mod counters;
mod detach;
mod failure;
mod fdb;
mod grammar;
mod lab;
mod log;
mod neigh;
mod output;
mod port;
mod run;
mod stats;
mod status;
mod values;
mod vni;
mod vtep;
mod which;

#[cfg(test)]
mod tests;

const AFTER: &str = "\
Every option can be written as a flag or as in iproute2, in any order: \
`--dst 192.0.2.1` is `dst 192.0.2.1`. An object without a verb is shown: \
`vxbpf fdb` is `vxbpf fdb show`.

Examples:
  vxbpf run --iface eth1
  vxbpf vni add 42 name vxlan1
  vxbpf port add veth1 vni 42
  vxbpf fdb add 02:42:c0:a8:00:03 dev vxlan1 self dst 192.168.104.3
  vxbpf neigh add 12.12.12.3 lladdr 02:42:c0:a8:00:03 dev vxlan1 nud permanent
  vxbpf -s fdb";

/// VXLAN overlay forwarding with XDP and TC
#[derive(Debug, Parser)]
#[command(name = "vxbpf", version, max_term_width = 100, after_help = AFTER)]
#[command(override_usage = "vxbpf [-i NAME] [-j [-p]] [-s] [-q|-v] \
    {run|detach|status|vni|port|fdb|neigh|vtep|stats|lab} …")]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    verb: Verb,
}

/// What holds for every verb.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(next_help_heading = "Global options, before or after the command")]
struct Globals {
    /// The instance
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        env = "VXBPF_INSTANCE",
        default_value = "default"
    )]
    #[arg(hide_env_values = true)]
    instance: InstanceName,
    /// One JSON document instead of a table
    #[arg(short, long, global = true)]
    json: bool,
    /// Indented JSON
    #[arg(short, long, global = true)]
    pretty: bool,
    /// Show counters and ages too
    #[arg(short, long, global = true)]
    statistics: bool,
    /// Errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more; -vv says all
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

impl Globals {
    /// The handle on the instance that was asked for.
    fn open(&self) -> crate::Result<Dataplane> {
        Dataplane::open(&self.instance)
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Forward on an underlay interface, in the foreground
    Run(run::RunArgs),
    /// Remove links, pins and helper devices of the instance
    Detach,
    /// Instance, underlay, programs, ports, map fill levels, uptime
    Status,
    /// VXLAN networks: add, set, del, show
    Vni(vni::VniArgs),
    /// Overlay-side interfaces: add, del, show
    Port(port::PortArgs),
    /// Forwarding database: add, append, replace, del, show, get, flush
    Fdb(fdb::FdbArgs),
    /// Neighbour table of the ARP proxy: add, replace, del, show, flush
    Neigh(neigh::NeighArgs),
    /// Who may send to a VNI: allow, deny, show
    Vtep(vtep::VtepArgs),
    /// Counters of VNIs, ports and VTEPs; drops by reason
    Stats(stats::StatsArgs),
    /// The tutorial's nodes in network namespaces on this machine
    Lab(lab::LabArgs),
}

/// Does what the process was asked to do.
pub fn main() -> ExitCode {
    let cli = match parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error),
    };
    log::start(&cli);
    dispatch(&cli).unwrap_or_else(|error| failure::report(&error, cli.globals.verbose > 0))
}

/// Arguments, the program's name first, in either grammar.
fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    let args = grammar::flags(&command, args);
    let mut matches = command.try_get_matches_from_mut(args)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|e| e.format(&mut command))
}

fn dispatch(cli: &Cli) -> anyhow::Result<ExitCode> {
    let globals = &cli.globals;
    look_from_host()?;
    match &cli.verb {
        Verb::Run(args) => run::run(args, globals)?,
        Verb::Detach => detach::run(globals)?,
        Verb::Status => status::run(globals)?,
        Verb::Vni(args) => vni::run(args, globals)?,
        Verb::Port(args) => port::run(args, globals)?,
        Verb::Fdb(args) => fdb::run(args, globals)?,
        Verb::Neigh(args) => neigh::run(args, globals)?,
        Verb::Vtep(args) => vtep::run(args, globals)?,
        Verb::Stats(args) => stats::run(args, globals)?,
        Verb::Lab(args) => return lab::run(args, globals.json, globals.pretty),
    }
    Ok(ExitCode::SUCCESS)
}
