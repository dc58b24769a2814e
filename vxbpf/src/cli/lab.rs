//! `vxbpf lab`: the tutorial's nodes in network namespaces on this machine.

mod show;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::Context as _;
use clap::{Args, Subcommand, value_parser};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use self::show::Show;
use crate::lab::{self, Backend, MOST_NODES, Options, State};

#[derive(Debug, Args)]
pub(super) struct LabArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Build it: a namespace per node and pod, and an overlay between them
    Up(Kind),
    /// Ping from every pod to every other
    Ping(Kind),
    /// Remove all of it
    Down(Kind),
    /// Nodes, pods, FDB, counters
    Status(Kind),
}

/// Without an option, `up` builds the tutorial's lab, and the others take the one that is there.
#[derive(Debug, Args)]
struct Kind {
    /// How many nodes, 2 to 16 [default: 3]
    #[arg(long, value_name = "N", value_parser = value_parser!(u8).range(2..=i64::from(MOST_NODES)))]
    nodes: Option<u8>,
    /// What forwards: vxbpf or kernel [default: vxbpf]
    #[arg(long, value_name = "BACKEND")]
    backend: Option<Backend>,
}

impl Kind {
    /// The lab that is up, if it is of the kind that was asked for.
    fn running(&self) -> anyhow::Result<State> {
        let state = State::of_running()?;
        if self.nodes.is_some_and(|nodes| nodes != state.nodes)
            || self.backend.is_some_and(|backend| backend != state.backend)
        {
            anyhow::bail!("the lab that is up has {} nodes and backend {}", state.nodes, state.backend);
        }
        Ok(state)
    }
}

pub(super) fn run(args: &LabArgs, json: bool, pretty: bool) -> anyhow::Result<ExitCode> {
    let show = Show { json, pretty };
    match &args.verb {
        Verb::Up(kind) => up(kind, show),
        Verb::Ping(kind) => {
            kind.running()?;
            let matrix = lab::ping()?;
            show.matrix(&matrix)?;
            Ok(if matrix.lost() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Verb::Status(kind) => {
            kind.running()?;
            show.status(&lab::status()?)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Down(_) => down(show),
    }
}

fn up(kind: &Kind, show: Show) -> anyhow::Result<ExitCode> {
    let options = Options {
        nodes: kind.nodes.unwrap_or(3),
        backend: kind.backend.unwrap_or(Backend::Vxbpf),
        program: std::env::current_exe().context("own program")?,
    };
    let started = Instant::now();
    let interrupted = interrupted()?;
    let state = lab::up(&options, &interrupted)?;
    let pods = state.topology().pods().count();
    let example = state.topology().pods().next().map(lab::Pod::netns).unwrap_or_default();
    show.document(&json!({ "backend": state.backend, "nodes": state.nodes, "pods": pods }), || {
        format!(
            "lab is up: {} nodes, {pods} pods, backend {}, in {:.1} s\n\
             a look into a pod: ip netns exec {example} ip address\n",
            state.nodes,
            state.backend,
            started.elapsed().as_secs_f32(),
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn down(show: Show) -> anyhow::Result<ExitCode> {
    let mut down = lab::down()?;
    for (pid, namespace) in &down.lingering {
        tracing::warn!("process {pid} still uses what was network namespace {namespace}");
    }
    let numbers = json!({ "namespaces": down.namespaces, "instances": down.instances });
    show.document(&numbers, || {
        if down.found {
            format!("lab is down: removed {} namespaces, {} instances", down.namespaces, down.instances)
        } else {
            "no lab".to_owned()
        }
    })?;
    // The last one is the command's; all are told.
    let Some(last) = down.errors.pop() else { return Ok(ExitCode::SUCCESS) };
    for error in down.errors {
        tracing::error!("{error}");
    }
    Err(last.into())
}

/// Becomes true on ^C, and when we are asked to end.
fn interrupted() -> anyhow::Result<Arc<AtomicBool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let signals = {
        let _inside = runtime.enter();
        kinds.into_iter().map(signal).collect::<Result<Vec<_>, _>>().context("signals")?
    };
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    thread::spawn(move || {
        runtime.block_on(async {
            let mut signals = signals;
            let received = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
            futures_util::future::select_all(received).await;
        });
        set.store(true, Ordering::Relaxed);
    });
    Ok(flag)
}
