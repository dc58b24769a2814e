//! What systemd is told, if it started us: sd_notify(3). Without NOTIFY_SOCKET nothing is said to nobody.

use sd_notify::NotifyState;
use tracing::debug;

/// The instance is set up as the config file says.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The config file is being read again. `ready` ends it.
pub(super) fn reloading() {
    // systemd wants the time with it, to tell this reload from one before.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("reading the config file")]),
        Err(e) => debug!("sd_notify: {e}"),
    }
}

/// The end.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(state) {
        debug!("sd_notify: {e}");
    }
}
