//! The signals that the daemon obeys.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{Error, Result};

/// What a signal means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    /// Read the config file again.
    Reload,
    /// End, because of this signal.
    Stop(&'static str),
}

/// From its making on, these signals wait for the daemon instead of ending it.
pub(super) struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes the signals over.
    pub(super) fn new() -> Result<Self> {
        let take = |kind| signal(kind).map_err(Error::system("handle signals"));
        Ok(Self {
            hangup: take(SignalKind::hangup())?,
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.interrupt.recv() => Wish::Stop("SIGINT"),
            _ = self.terminate.recv() => Wish::Stop("SIGTERM"),
        }
    }
}
