//! Where `tracing` goes: stderr, as much as `-q` and `-v` ask for.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::{Cli, Verb};

/// Starts logging for a command.
pub(super) fn start(cli: &Cli) {
    let daemon = matches!(cli.verb, Some(Verb::Run(_)));
    let logging = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter(cli.globals.quiet, cli.globals.verbose, daemon)))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(cli.globals.verbose > 1)
        .without_time()
        // Would panic: a line that nobody can read any more is no reason to stop forwarding.
        .log_internal_errors(false)
        .compact();
    // Only a second call could fail.
    drop(logging.try_init());
}

/// The libraries' own messages come one step later than ours.
fn filter(quiet: bool, verbose: u8, daemon: bool) -> &'static str {
    match (quiet, verbose, daemon) {
        (true, _, _) => "error",
        (_, 0, false) => "warn",
        (_, 0, true) => "warn,vxbpf=info",
        (_, 1, _) => "info,vxbpf=debug",
        _ => "debug,vxbpf=trace",
    }
}
