//! The command line: words in, domain verbs of [`crate::dataplane`] called, tables or JSON out.
//!
//! Arguments take one way: [`grammar`] turns iproute2 words into flags, clap checks them, and the module of the
//! object does what they ask. Only this directory prints, and only [`failure`] decides an exit status.

use std::{ffi::OsString, process::ExitCode};

use clap::{
    ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::dataplane::{Dataplane, InstanceName, look_from_host};

mod batch;
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
  vxbpf -s fdb
  vxbpf -batch FILE                           # a command in each line, without `vxbpf`; - is stdin";

/// VXLAN overlay forwarding with XDP and TC
#[derive(Debug, Parser)]
#[command(name = "vxbpf", version, max_term_width = 100, after_help = AFTER, arg_required_else_help = true)]
#[command(override_usage = "vxbpf [-i NAME] [-j [-p]] [-s] [-q|-v] \
    {run|detach|status|vni|port|fdb|neigh|vtep|stats|lab} … | [-force] -batch FILE")]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(flatten)]
    batch: batch::BatchArgs,
    #[command(subcommand)]
    verb: Option<Verb>,
}

impl Cli {
    /// The arguments as they stand, without what they do not allow beside each other.
    fn checked(self, command: &clap::Command) -> Result<Self, clap::Error> {
        let mut error = match (&self.verb, self.batch.is_given()) {
            (Some(_), false) | (None, true) => return Ok(self),
            (None, false) => clap::Error::new(ErrorKind::MissingSubcommand),
            (Some(_), true) => {
                let mut error = clap::Error::new(ErrorKind::ArgumentConflict);
                error.insert(ContextKind::InvalidArg, ContextValue::String("--batch".to_owned()));
                error.insert(ContextKind::PriorArg, ContextValue::String("command".to_owned()));
                error
            }
        };
        let usage = command.clone().render_usage();
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
        Err(error.with_cmd(command))
    }
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
    parse_by(&mut Cli::command(), args)
}

/// The same, by the definition of the arguments.
fn parse_by(
    command: &mut clap::Command,
    args: impl IntoIterator<Item = OsString>,
) -> Result<Cli, clap::Error> {
    let args = grammar::flags(command, args);
    let mut matches = command.try_get_matches_from_mut(args)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|e| e.format(command))?.checked(command)
}

fn dispatch(cli: &Cli) -> anyhow::Result<ExitCode> {
    let globals = &cli.globals;
    look_from_host()?;
    match &cli.verb {
        None => return batch::run(&cli.batch, globals),
        Some(Verb::Run(args)) => run::run(args, globals)?,
        Some(Verb::Detach) => detach::run(globals)?,
        Some(Verb::Stats(args)) => stats::run(args, globals)?,
        Some(Verb::Lab(args)) => return lab::run(args, globals.json, globals.pretty),
        Some(verb) => act(verb, globals, &mut globals.open()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Does what a command asks of a running instance.
fn act(verb: &Verb, globals: &Globals, dataplane: &mut Dataplane) -> anyhow::Result<()> {
    match verb {
        Verb::Status => status::run(globals, dataplane),
        Verb::Vni(args) => vni::run(args, globals, dataplane),
        Verb::Port(args) => port::run(args, globals, dataplane),
        Verb::Fdb(args) => fdb::run(args, globals, dataplane),
        Verb::Neigh(args) => neigh::run(args, globals, dataplane),
        Verb::Vtep(args) => vtep::run(args, globals, dataplane),
        Verb::Run(_) | Verb::Detach | Verb::Stats(_) | Verb::Lab(_) => {
            Err(crate::Error::invalid("command", "not one that can stand in a batch").into())
        }
    }
}
