//! Changes in the log: each by its sentence, unless thousands come at once.

use std::time::{Duration, Instant};

use tracing::Level;
use vxbpf_common::event::{Event, KIND_ADD, KIND_AGE, KIND_CHANGE, KIND_DELETE};

use super::{drops::Line, words};

/// Lines a second; what is more is summed up.
const MOST: u32 = 50;
const PERIOD: Duration = Duration::from_secs(1);

/// What is to be summed up, and how it is said.
const KINDS: [(u8, &str); 4] =
    [(KIND_ADD, "added"), (KIND_CHANGE, "changed"), (KIND_DELETE, "removed"), (KIND_AGE, "aged out")];

/// Turns changes into lines.
#[derive(Debug)]
pub(super) struct Changes {
    /// The instance's UDP port, which goes without saying.
    dstport: u16,
    since: Option<Instant>,
    told: u32,
    more: [u64; KINDS.len()],
}

impl Changes {
    /// Of an instance at that UDP port.
    pub(super) fn new(dstport: u16) -> Self {
        Self { dstport, since: None, told: 0, more: [0; KINDS.len()] }
    }

    /// Takes a change in.
    pub(super) fn line(&mut self, event: &Event, now: Instant, dev: impl Fn(u32) -> String) -> Option<Line> {
        let (level, text) = words::change(event, self.dstport, dev)?;
        if self.since.is_none_or(|since| now.duration_since(since) >= PERIOD) {
            self.since = Some(now);
            self.told = 0;
        }
        if level == Level::DEBUG {
            return Some((level, text));
        }
        if self.told >= MOST {
            let kinds = self.more.iter_mut().zip(KINDS);
            kinds.filter(|(_, (kind, _))| *kind == event.kind).for_each(|(more, _)| *more += 1);
            return None;
        }
        self.told += 1;
        Some((level, text))
    }

    /// What was not told by itself.
    pub(super) fn sum_up(&mut self) -> Option<Line> {
        let more = std::mem::take(&mut self.more);
        let parts: Vec<_> = KINDS
            .iter()
            .zip(more)
            .filter(|(_, count)| *count > 0)
            .map(|((_, verb), count)| format!("{count} more {verb}"))
            .collect();
        (!parts.is_empty()).then(|| (Level::INFO, format!("FDB: {}", parts.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::words::tests::event, *};

    #[test]
    fn thousands_of_changes_are_a_page_and_a_sum() {
        let mut changes = Changes::new(4789);
        let now = Instant::now();
        let told = (0..10_000).filter(|_| changes.line(&event(KIND_ADD), now, |_| String::new()).is_some());
        assert_eq!(told.count(), 50);
        assert_eq!(changes.line(&event(KIND_DELETE), now, |_| String::new()), None);
        assert_eq!(changes.sum_up(), Some((Level::INFO, "FDB: 9950 more added, 1 more removed".to_owned())));
        assert_eq!(changes.sum_up(), None);
        // The next second has its own page.
        assert!(changes.line(&event(KIND_ADD), now + PERIOD, |_| String::new()).is_some());
    }
}
