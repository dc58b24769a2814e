//! The daemon: what `vxbpf run` does beside forwarding, which goes on without it. It applies the config file and
//! reloads it, sweeps aged entries, puts events into the log, lets go of ports whose interface vanishes, and
//! serves metrics.

mod changes;
mod drops;
mod log;
mod metrics;
mod notify;
mod service;
mod signals;
mod words;

use std::{net::SocketAddr, path::PathBuf, pin::pin, time::Duration};

use futures_util::StreamExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::{error, info, warn};

use self::{
    log::EventLog,
    service::Service,
    signals::{Signals, Wish},
};
use crate::{
    Error, Result, config,
    dataplane::{Dataplane, Settings},
    netdev::{self, LinkChange},
};

/// How often expired entries are removed. They are not seen by look-ups from the moment they expire.
const SWEEP: Duration = Duration::from_secs(10);
/// Where a table is so large that this takes longer than one part of so many of the time, it is done less often.
const SWEEP_SHARE: u32 = 100;
/// How often repeated drops are summed up in the log.
const SUM_UP: Duration = Duration::from_secs(1);

/// What `vxbpf run` was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The instance.
    pub settings: Settings,
    /// The config file, read now and on SIGHUP.
    pub config: Option<PathBuf>,
    /// Where to serve metrics.
    pub metrics: Option<SocketAddr>,
    /// Leave everything running at the end.
    pub keep: bool,
}

/// Runs until SIGINT or SIGTERM.
pub fn run(options: Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::system("start the event loop"))?.block_on(serve(options))
}

async fn serve(options: Options) -> Result<()> {
    // First, so that a signal from here on is not the end before everything is cleaned up.
    let signals = Signals::new()?;
    let config = options.config.as_deref().map(config::load).transpose()?;
    let mut settings = options.settings.clone();
    if let Some(limits) = config.as_ref().and_then(|config| config.limits) {
        settings.limits = limits;
    }
    let (dataplane, started) = Dataplane::start(&settings)?;
    for warning in &started.warnings {
        warn!("{warning}");
    }
    if started.taken_over {
        info!("took over the running instance {}", settings.instance);
    }
    let instance = settings.instance.clone();
    let mut service = Service::new(dataplane, settings, options.config.clone());
    let before_ready = Ready { config, metrics: options.metrics };
    let mut is_ready = false;
    let result = serve_until_stopped(&mut service, before_ready, signals, &mut is_ready).await;
    // What never was ready leaves nothing, but what ran before this daemon goes on.
    let leave = if is_ready { options.keep } else { started.taken_over };
    notify::stopping();
    if leave {
        info!("stopping; instance {instance} goes on forwarding");
        return result;
    }
    info!("stopping; detaching instance {instance}");
    // With the handle, and so the daemon's lock, still held: nobody takes it over in between.
    match (result, Dataplane::detach(&instance)) {
        (Ok(()), Err(Error::NotRunning { .. })) => Ok(()),
        (Ok(()), detached) => detached,
        (Err(e), detached) => {
            if let Err(e) = detached {
                error!("cannot clean up: {e}");
            }
            Err(e)
        }
    }
}

/// What is done before the daemon is ready.
struct Ready {
    config: Option<config::Config>,
    metrics: Option<SocketAddr>,
}

async fn serve_until_stopped(
    service: &mut Service,
    ready: Ready,
    mut signals: Signals,
    is_ready: &mut bool,
) -> Result<()> {
    let listener = match ready.metrics {
        Some(addr) => Some(metrics::bind(addr).await?),
        None => None,
    };
    // Before the ports are looked at for the first time, so that none vanishes unseen.
    let mut changes = pin!(netdev::link_changes().await?);
    let mut log = EventLog::new(service.events()?, service.instance(), service.dstport())?;
    if let Some(config) = ready.config {
        service.compare_limits(&config);
        service.apply(config)?;
    }
    if let Some(listener) = listener {
        info!(
            "metrics on http://{}/metrics",
            listener.local_addr().map_err(Error::system("ask for the address"))?
        );
        tokio::spawn(metrics::serve(listener, service.instance().clone()));
    }
    let mut sweep = pin!(sleep(Duration::ZERO));
    let mut sum_up = interval(SUM_UP);
    sum_up.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut listening, mut watching) = (true, true);
    *is_ready = true;
    info!("ready: {}", service.summary());
    notify::ready(&service.summary());
    loop {
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::Reload => service.reload(),
                Wish::Stop(signal) => {
                    info!("{signal}");
                    break;
                }
            },
            () = &mut sweep => {
                let begun = Instant::now();
                service.sweep();
                let pause = SWEEP.max(begun.elapsed() * SWEEP_SHARE);
                sweep.as_mut().reset(Instant::now() + pause);
            }
            _ = sum_up.tick() => log.sum_up(),
            drained = log.drain(), if listening => if let Err(e) = drained {
                error!("events are no longer logged: {e}");
                listening = false;
            },
            change = changes.next(), if watching => match change {
                Some(LinkChange::Removed(ifindex)) => service.link_removed(ifindex),
                Some(LinkChange::Changed { index, name, mtu }) => service.link_changed(index, &name, mtu),
                None => {
                    warn!("the kernel no longer tells of interfaces that go away; looking every {SWEEP:?} instead");
                    watching = false;
                }
            },
        }
    }
    log.finish();
    Ok(())
}
