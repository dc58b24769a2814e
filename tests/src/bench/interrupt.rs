//! ^C and its kin: the first asks to end between two rounds, so that guards remove what was made; the second ends at
//! once, and the reaper removes it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// Exit status of who was interrupted, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// Whether we were asked to end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Catches the signals from here on. `told` is called at the first one.
    pub fn catch(told: impl Fn() + Send + 'static) -> Result<Self> {
        let this = Self::default();
        let flag = Arc::clone(&this.0);
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("catch signals")?;
        thread::spawn(move || {
            for _ in signals.forever() {
                if flag.swap(true, Ordering::Relaxed) {
                    std::process::exit(INTERRUPTED.into());
                }
                told();
            }
        });
        Ok(this)
    }

    /// Whether a signal came.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// As if one had come.
    #[cfg(test)]
    pub(super) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
