//! Drops in the log: whatever the rate of bad frames, a line per second and kind of trouble.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use tracing::Level;
use vxbpf_common::{
    Addr, DropReason,
    event::{Event, PER_SECOND},
};

use super::words::place;
use crate::dataplane::InstanceName;

/// Between two lines about the same.
const PERIOD: Duration = Duration::from_secs(1);
/// Most kinds of trouble that are kept apart. Whoever forges sender addresses gets no more lines than this.
const MOST: usize = 64;

/// One kind of trouble: why, in which VNI, and with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    reason: DropReason,
    vni: u32,
    remote: Addr,
    /// The port, when no VTEP is involved.
    ifindex: u32,
}

/// Samples since the last line.
#[derive(Debug)]
struct Crowd {
    since: Instant,
    count: u64,
}

/// Collects samples of drops into lines.
#[derive(Debug)]
pub(super) struct Drops {
    instance: InstanceName,
    crowds: HashMap<Kind, Crowd>,
    others: BTreeMap<u32, (DropReason, u64)>,
}

/// A line for the log.
pub(super) type Line = (Level, String);

impl Drops {
    /// Nothing yet.
    pub(super) fn new(instance: &InstanceName) -> Self {
        Self { instance: instance.clone(), crowds: HashMap::new(), others: BTreeMap::new() }
    }

    /// Takes a sample in. The first of its kind is a line at once.
    pub(super) fn sample(
        &mut self,
        event: &Event,
        now: Instant,
        dev: impl Fn(u32) -> String,
    ) -> Option<Line> {
        let reason = *DropReason::ALL.get(usize::from(event.reason))?;
        let ifindex = if event.remote.is_none() { event.ifindex } else { 0 };
        let kind = Kind { reason, vni: event.vni, remote: event.remote, ifindex };
        if let Some(crowd) = self.crowds.get_mut(&kind) {
            crowd.count += 1;
            return None;
        }
        if self.crowds.len() >= MOST {
            self.others.entry(reason as u32).or_insert((reason, 0)).1 += 1;
            return None;
        }
        self.crowds.insert(kind, Crowd { since: now, count: 0 });
        Some(self.line(&kind, 1, dev))
    }

    /// The lines that are due. What was quiet for a period is forgotten.
    pub(super) fn sum_up(&mut self, now: Instant, dev: impl Fn(u32) -> String) -> Vec<Line> {
        let mut due = Vec::new();
        self.crowds.retain(|kind, crowd| {
            if now.duration_since(crowd.since) < PERIOD {
                return true;
            }
            let count = std::mem::take(&mut crowd.count);
            crowd.since = now;
            if count > 0 {
                due.push((*kind, count));
            }
            count > 0
        });
        let mut lines: Vec<_> = due.iter().map(|(kind, count)| self.line(kind, *count, &dev)).collect();
        for (reason, count) in std::mem::take(&mut self.others).into_values() {
            lines.push((
                level(reason),
                format!("dropped {} from many others: {}", frames(count), reason.name()),
            ));
        }
        lines
    }

    fn line(&self, kind: &Kind, count: u64, dev: impl Fn(u32) -> String) -> Line {
        let Kind { reason, vni, remote, ifindex } = *kind;
        let who = place(ifindex, remote, dev);
        let mut text = format!("dropped {} in VNI {vni}, {who}: {}", frames(count), reason.name());
        if reason == DropReason::VtepNotAllowed {
            text.push_str(&format!("; to allow it: vxbpf vtep allow {remote} vni {vni}"));
            if self.instance != InstanceName::default() {
                text.push_str(&format!(" -i {}", self.instance));
            }
        }
        (level(reason), text)
    }
}

/// The data path reports only so many a second.
fn frames(count: u64) -> String {
    match count {
        1 => "1 frame".to_owned(),
        n if n >= u64::from(PER_SECOND) => format!("at least {n} frames"),
        n => format!("{n} frames"),
    }
}

/// How loud: what somebody should look into, or what is as it should be.
fn level(reason: DropReason) -> Level {
    match reason {
        DropReason::InnerTooShort
        | DropReason::InvalidSourceMac
        | DropReason::InvalidVxlanHeader
        | DropReason::InvalidOuterLength
        | DropReason::VtepNotAllowed
        | DropReason::StationPinned
        | DropReason::MacLocked
        | DropReason::NoRoute
        | DropReason::TooBig
        | DropReason::EncapFailed
        | DropReason::DecapFailed
        | DropReason::CloneFailed
        | DropReason::NotFromUs => Level::WARN,
        DropReason::EcnNotCapable
        | DropReason::PortIsolated
        | DropReason::SamePort
        | DropReason::SplitHorizon
        | DropReason::NoDestination
        | DropReason::ArpMiss => Level::INFO,
    }
}

#[cfg(test)]
mod tests {
    use vxbpf_common::event::KIND_DROP;

    use super::{super::words::tests::event, *};

    const STRANGER: Addr = Addr::v4([192, 168, 104, 9]);

    fn drop_of(reason: DropReason, remote: Addr) -> Event {
        let reason = u8::try_from(reason as u32).expect("fits");
        Event { reason, remote, ..event(KIND_DROP) }
    }

    fn dev(ifindex: u32) -> String {
        format!("veth{ifindex}")
    }

    fn text(lines: impl IntoIterator<Item = Line>) -> Vec<String> {
        lines.into_iter().map(|(level, text)| format!("{level} {text}")).collect()
    }

    #[test]
    fn the_first_drop_is_told_at_once_and_the_rest_once_a_second() {
        let mut drops = Drops::new(&InstanceName::default());
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let stranger = drop_of(DropReason::VtepNotAllowed, STRANGER);
        let allow = "vtep_not_allowed; to allow it: vxbpf vtep allow 192.168.104.9 vni 42";
        assert_eq!(
            text(drops.sample(&stranger, at(0), dev)),
            [format!("WARN dropped 1 frame in VNI 42, 192.168.104.9: {allow}")]
        );
        for millis in 1..500 {
            assert_eq!(drops.sample(&stranger, at(millis), dev), None);
        }
        assert!(drops.sum_up(at(999), dev).is_empty());
        let summed = text(drops.sum_up(at(1000), dev));
        assert_eq!(summed, [format!("WARN dropped 499 frames in VNI 42, 192.168.104.9: {allow}")]);
        // A quiet second, and it is news again.
        assert!(drops.sum_up(at(2000), dev).is_empty());
        assert!(drops.sample(&stranger, at(2001), dev).is_some());
    }

    #[test]
    fn kinds_are_told_apart() {
        let mut drops = Drops::new(&"node1".parse().expect("a name"));
        let now = Instant::now();
        let locked = Event { ifindex: 7, ..drop_of(DropReason::MacLocked, Addr::NONE) };
        assert_eq!(
            text(drops.sample(&locked, now, dev)),
            ["WARN dropped 1 frame in VNI 42, port veth7: mac_locked"]
        );
        let other_port = Event { ifindex: 8, ..locked };
        assert!(drops.sample(&other_port, now, dev).is_some());
        let stranger = text(drops.sample(&drop_of(DropReason::VtepNotAllowed, STRANGER), now, dev));
        assert!(stranger[0].ends_with("vtep allow 192.168.104.9 vni 42 -i node1"), "{stranger:?}");
        assert!(drops.sample(&Event { reason: 255, ..locked }, now, dev).is_none());
    }

    #[test]
    fn forged_senders_do_not_flood_the_log() {
        let mut drops = Drops::new(&InstanceName::default());
        let now = Instant::now();
        let told = (0..10_000_u32).filter(|number| {
            let [_, _, a, b] = number.to_be_bytes();
            let forged = drop_of(DropReason::VtepNotAllowed, Addr::v4([10, 0, a, b]));
            drops.sample(&forged, now, dev).is_some()
        });
        assert_eq!(told.count(), MOST);
        let later = text(drops.sum_up(now + PERIOD, dev));
        assert_eq!(later, ["WARN dropped at least 9936 frames from many others: vtep_not_allowed"]);
    }
}
