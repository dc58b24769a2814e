//! ^C and its kin, caught so that the lab is taken down before we leave. Handlers, unlike ignored
//! or blocked signals, don't pass to the programs we start: those still end on ^C.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::{Failure, Result};

/// From here on the signals are ours.
pub(crate) struct Interrupts {
    signals: Signals,
    seen: bool,
}

impl Interrupts {
    /// Catches what asks us to leave, the closed terminal included.
    pub(crate) fn catch() -> Result<Self> {
        let signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|cause: io::Error| {
            Failure::new(format!("signal handlers: {cause}"), "without them the lab would be left behind")
        })?;
        Ok(Self { signals, seen: false })
    }

    /// Whether we were asked to leave since [`Self::catch`].
    pub(crate) fn seen(&mut self) -> bool {
        self.seen |= self.signals.pending().next().is_some();
        self.seen
    }

    /// Returns when we are asked to leave, at once if that was before.
    pub(crate) fn wait(&mut self) {
        while !self.seen() {
            self.seen |= self.signals.wait().next().is_some();
        }
    }
    /// For tests: as if a signal had come. A real one would reach the tests running beside.
    #[cfg(test)]
    pub(crate) fn came(self) -> Self {
        Self { seen: true, ..self }
    }
}
