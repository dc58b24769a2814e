//! `vxbpf-bench`: measures vxbpf beside the kernel and beside the same path without encapsulation. `cargo xtask bench`
//! builds it and runs it as root.

use std::{
    io::{Write as _, stderr, stdout},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Result, bail};
use clap::Parser;
use vxbpf_tests::{
    bench::{
        archive::{self, Archive},
        code,
        contender::Contender,
        document, environment, header,
        interrupt::{INTERRUPTED, Interrupt},
        measure::{Measure, Settings, Wire},
        model::{FORM, Run},
        progress::Progress,
        runner, suite, table,
    },
    reaper,
};

/// Fewer say little about what scatters.
const LEAST_ROUNDS: u32 = 5;

#[derive(Parser)]
#[command(
    name = "vxbpf-bench",
    about = "Measure vxbpf beside the kernel, and beside the same path without encapsulation"
)]
struct Cli {
    /// Only measurements whose name has these words, `tcp` or `frames-64`, or else such a part
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// A look of two minutes instead of a measurement
    #[arg(long)]
    quick: bool,
    /// Rounds of each measurement; at least 5, and 5 if not given; with --quick at least 1, and 1 if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// What the underlay carries: frames of its MTU, or merged ones
    #[arg(long, value_enum, default_value_t = Wire::Mtu)]
    wire: Wire,
    /// Only this contender; may be given several times
    #[arg(long, value_name = "NAME", value_enum)]
    contender: Vec<Contender>,
    /// Write what was found to this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Make docs/BENCHMARKS.md and its charts again from the runs that are kept, without measuring
    #[arg(long, conflicts_with_all = ["filters", "quick", "rounds", "contender", "json", "list"])]
    render: bool,
    /// Name the measurements and who takes part in them
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(why) => {
            say(&format!("error: {why:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    if cli.render {
        return render();
    }
    let measures = suite::wanted(&cli.filters);
    if measures.is_empty() {
        bail!("no measurement has a name with {}\nhint: --list names them", cli.filters.join(" or "));
    }
    if cli.list {
        list(&measures);
        return Ok(ExitCode::SUCCESS);
    }
    let settings = settings(cli)?;
    if !nix::unistd::geteuid().is_root() {
        bail!("network namespaces and BPF programs need root\nhint: `cargo xtask bench` asks sudo for it");
    }
    reaper::arm();
    let mut progress = Progress::new(measures.len());
    let told = progress.clone();
    let interrupt = Interrupt::catch(move || told.say("ending after this round; once more ends at once"))?;

    let mut run = Run {
        form: FORM,
        environment: environment::look()?,
        settings,
        programs: code::look(&settings)?,
        measurements: Vec::new(),
    };
    show(&header::terminal(&run));
    let everyone = cli.contender.is_empty();
    let wanted = if everyone { Contender::ALL.to_vec() } else { cli.contender.clone() };
    for measure in &measures {
        let Some(measured) = runner::play(measure.as_ref(), &wanted, &settings, &mut progress, &interrupt)
        else {
            progress.finish();
            say("interrupted: what was made is removed, and nothing is written");
            return Ok(ExitCode::from(INTERRUPTED));
        };
        if !measured.entrants.is_empty() {
            progress.aside(|| show(&table::terminal(&measured)));
            run.measurements.push(measured);
        }
    }
    progress.finish();
    finish(cli, &run, everyone && cli.filters.is_empty() && !cli.quick)
}

/// Writes what is to be written. A `whole` run is kept in the docs.
fn finish(cli: &Cli, run: &Run, whole: bool) -> Result<ExitCode> {
    if let Some(file) = &cli.json {
        archive::write(file, &archive::json(run)?)?;
    }
    if cli.quick {
        show("\nThis was a look, not a measurement: nothing is written to docs/.\n");
    }
    if whole {
        let archive = Archive::here();
        archive.keep(run)?;
        complain(&document::write(&archive)?);
        say("docs/BENCHMARKS.md is written");
    }
    let failures: Vec<_> = run
        .failures()
        .map(|(measured, who, why)| format!("{}: {}: {why}", measured.id, who.name()))
        .collect();
    if failures.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    bail!("failed:\n  {}", failures.join("\n  "))
}

fn render() -> Result<ExitCode> {
    complain(&document::write(&Archive::here())?);
    Ok(ExitCode::SUCCESS)
}

fn complain(complaints: &[String]) {
    for complaint in complaints {
        say(&format!("target {complaint}"));
    }
}

fn list(measures: &[Box<dyn Measure>]) {
    for measure in measures {
        let contenders: Vec<_> = measure.contenders().iter().map(|contender| contender.name()).collect();
        show(&format!("{:24} {} ({})\n", measure.id(), measure.title(), contenders.join(", ")));
    }
}

fn settings(cli: &Cli) -> Result<Settings> {
    let default = if cli.quick { 1 } else { LEAST_ROUNDS };
    let rounds = cli.rounds.unwrap_or(default);
    if rounds < LEAST_ROUNDS && !cli.quick {
        bail!(
            "{rounds} rounds are too few for a measurement\nhint: at least {LEAST_ROUNDS}, or --quick for a look"
        );
    }
    let cpus = environment::cpus()?;
    let Some(&client_cpu) = cpus.first() else { bail!("there is no CPU that we may use") };
    // On a machine of one CPU both share it.
    let server_cpu = cpus.get(1).copied().unwrap_or(client_cpu);
    Ok(Settings { rounds, quick: cli.quick, wire: cli.wire, client_cpu, server_cpu })
}

/// A reader that went away is no error.
fn show(text: &str) {
    drop(stdout().write_all(text.as_bytes()));
}

fn say(line: &str) {
    drop(writeln!(stderr(), "{line}"));
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
    fn a_measurement_has_five_rounds_and_a_look_may_have_one() {
        let rounds = |words: &[&str]| {
            let cli = Cli::try_parse_from(["vxbpf-bench"].iter().chain(words)).unwrap();
            settings(&cli).map(|settings| settings.rounds).ok()
        };
        assert_eq!(rounds(&[]), Some(5));
        assert_eq!(rounds(&["--rounds", "4"]), None);
        assert_eq!(rounds(&["--rounds", "4", "--quick"]), Some(4));
        assert_eq!(rounds(&["--quick"]), Some(1));
    }
}
