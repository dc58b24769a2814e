//! The verbs for people who work on vxbpf, run as `cargo xtask VERB`. They exist so that a fresh
//! machine needs rustup and nothing else: each verb first installs what it needs and says so.

mod bench;
mod command;
mod conformance;
mod failure;
mod host;
mod interrupts;
mod lab;
mod lint;
mod marks;
mod needs;
mod plan;
mod privilege;
mod run;
mod say;
mod setup;
mod test;
mod version;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Result;
use crate::needs::Purpose;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Work on vxbpf: set up, run, test, measure, lint"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what the other verbs need; does nothing when all is there
    Setup,
    /// Build everything, bring the lab up, ping all pairs, show it, take it down on ^C
    Run {
        #[command(flatten)]
        lab: lab::Options,
        /// Run `vxbpf run ARGS` as root instead of the lab
        #[arg(last = true, value_name = "ARGS", conflicts_with_all = ["nodes", "backend"])]
        daemon: Vec<OsString>,
    },
    /// Lint, then build and run every test as root
    Test {
        /// Only tests whose name contains one of these; what follows `--` goes to libtest too
        #[arg(value_name = "FILTER")]
        filters: Vec<String>,
    },
    /// Try all behaviours beside the kernel, and write docs/CONFORMANCE.md
    Conformance {
        /// Only those whose name contains one of these, without writing; what follows `--` goes to the harness too
        #[arg(value_name = "FILTER")]
        filters: Vec<String>,
    },
    /// Measure beside the kernel and beside the path without encapsulation; a whole run writes docs/BENCHMARKS.md
    #[command(disable_help_flag = true)]
    Bench {
        /// Filters and options of `vxbpf-bench`; `--help` names them
        #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Check formatting, unfinished marks, and clippy for each side
    Lint {
        /// Format the code instead of checking that it is formatted
        #[arg(long)]
        fix: bool,
    },
}

fn dispatch(verb: Verb) -> Result<()> {
    let workspace = Workspace::find()?;
    match verb {
        Verb::Setup => setup::verb(workspace),
        Verb::Run { lab, daemon } => run::verb(workspace, &lab, &daemon),
        Verb::Test { filters } => test::verb(workspace, &filters),
        Verb::Conformance { filters } => conformance::verb(workspace, &filters),
        Verb::Bench { args } => bench::verb(workspace, &args),
        Verb::Lint { fix } => lint::verb(&setup::ensure(workspace, Purpose::Lint)?, fix),
    }
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say::line(format_args!("{failure}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_follows_the_dashes_goes_to_the_daemon() {
        let cli = Cli::try_parse_from(["xtask", "run", "--", "--iface", "eth1"]).unwrap();
        let Verb::Run { daemon, .. } = cli.verb else { panic!("not the verb `run`") };
        assert_eq!(daemon, ["--iface", "eth1"]);
    }

    #[test]
    fn lab_options_and_daemon_arguments_exclude_each_other() {
        assert!(Cli::try_parse_from(["xtask", "run", "--nodes", "3", "--", "--iface", "eth1"]).is_err());
    }

    #[test]
    fn options_of_the_benchmark_go_to_it() {
        for line in ["bench tcp --quick --rounds 2", "bench --quick tcp", "bench --render", "bench --help"] {
            let mut words: Vec<_> = line.split(' ').collect();
            let cli = Cli::try_parse_from(["xtask"].iter().chain(&words)).unwrap();
            let Verb::Bench { args } = cli.verb else { panic!("not the verb `bench`") };
            assert_eq!(args, words.split_off(1));
        }
    }

    #[test]
    fn libtest_options_pass_behind_the_dashes() {
        let cli = Cli::try_parse_from(["xtask", "test", "fdb", "--", "--nocapture"]).unwrap();
        let Verb::Test { filters } = cli.verb else { panic!("not the verb `test`") };
        assert_eq!(filters, ["fdb", "--nocapture"]);
    }
}
