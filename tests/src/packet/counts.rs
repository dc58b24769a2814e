//! Counters: all of them, and how they moved.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use vxbpf::dataplane::Stats;
use vxbpf_common::{DropReason, counters::Counters};

/// A row of counters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// Of a VNI.
    Vni(u32),
    /// Of a port.
    Port(String),
    /// Of a VTEP in a VNI.
    Vtep(u32, IpAddr),
    /// Of all VTEPs that nothing names.
    OtherVteps,
    /// Of a drop reason, by its name. Its only column is `frames`.
    Drops(&'static str),
}

/// Counters that are not zero, by row and column. Also differences of such.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<(Counter, &'static str), i128>);

impl Counts {
    /// Adds to a counter.
    pub fn add(&mut self, counter: Counter, column: &'static str, by: u64) {
        let key = (counter, column);
        let value = self.0.entry(key.clone()).or_default();
        *value += i128::from(by);
        if *value == 0 {
            self.0.remove(&key);
        }
    }

    /// All counters of an instance.
    pub(super) fn of(stats: &Stats) -> Self {
        let mut counts = Self::default();
        for (vni, row) in &stats.vnis {
            counts.add_row(&Counter::Vni(vni.get()), row);
        }
        for (dev, _, row) in &stats.ports {
            counts.add_row(&Counter::Port(dev.clone()), row);
        }
        for (vtep, row) in &stats.vteps {
            counts.add_row(
                &vtep.map_or(Counter::OtherVteps, |(vni, addr)| Counter::Vtep(vni.get(), addr)),
                row,
            );
        }
        for (reason, frames) in &stats.drops {
            counts.add(Counter::Drops(reason.name()), "frames", *frames);
        }
        counts
    }

    fn add_row(&mut self, counter: &Counter, row: &Counters) {
        let columns = [
            ("rx_packets", row.rx_packets),
            ("rx_bytes", row.rx_bytes),
            ("tx_packets", row.tx_packets),
            ("tx_bytes", row.tx_bytes),
            ("rx_dropped", row.rx_dropped),
            ("tx_dropped", row.tx_dropped),
            ("rx_errors", row.rx_errors),
            ("reserved", row.reserved),
        ];
        for (column, value) in columns {
            self.add(counter.clone(), column, value);
        }
    }

    /// What moved since `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let mut moved = self.clone();
        for (key, value) in &before.0 {
            *moved.0.entry(key.clone()).or_default() -= value;
        }
        moved.0.retain(|_, value| *value != 0);
        moved
    }

    /// A frame received, of that many bytes.
    pub(super) fn received(&mut self, counter: Counter, len: usize) {
        self.add(counter.clone(), "rx_packets", 1);
        self.add(counter, "rx_bytes", len as u64);
    }

    /// A frame sent, of that many bytes.
    pub(super) fn sent(&mut self, counter: Counter, len: usize) {
        self.add(counter.clone(), "tx_packets", 1);
        self.add(counter, "tx_bytes", len as u64);
    }

    /// A frame received and dropped.
    pub(super) fn received_and_dropped(&mut self, counter: Counter, len: usize, reason: DropReason) {
        self.received(counter.clone(), len);
        self.add(counter, if reason.is_error() { "rx_errors" } else { "rx_dropped" }, 1);
    }

    /// Drops.
    pub(super) fn dropped(&mut self, reason: DropReason) {
        self.add(Counter::Drops(reason.name()), "frames", 1);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(" none");
        }
        self.0
            .iter()
            .try_for_each(|((counter, column), value)| write!(f, "\n    {counter:?}.{column} {value:+}"))
    }
}
