//! Counters and fill levels as OpenMetrics text.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode as encode_registry},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge, info::Info},
    registry::Registry,
};
use vxbpf_common::counters::Counters;

use crate::{
    Error, Result,
    dataplane::{Stats, Status},
};

/// What one scrape shows.
#[derive(Debug)]
struct Snapshot {
    stats: Stats,
    status: Status,
}

/// One of the counters of a row: its name, what it counts, where it is.
type Field = (&'static str, &'static str, fn(&Counters) -> u64);

const FIELDS: [Field; 7] = [
    ("rx_packets", "Frames received", |row| row.rx_packets),
    ("rx_bytes", "Bytes received", |row| row.rx_bytes),
    ("tx_packets", "Frames sent", |row| row.tx_packets),
    ("tx_bytes", "Bytes sent", |row| row.tx_bytes),
    ("rx_dropped", "Frames received and dropped for a reason of policy or state", |row| row.rx_dropped),
    ("tx_dropped", "Frames to be sent and dropped", |row| row.tx_dropped),
    ("rx_errors", "Malformed frames received", |row| row.rx_errors),
];

type Labels = Vec<(&'static str, String)>;

/// The text of a scrape.
pub(super) fn encode(stats: Stats, status: Status) -> Result<String> {
    let mut registry = Registry::with_prefix("vxbpf");
    let version = ("version", env!("CARGO_PKG_VERSION").to_owned());
    let build = Info::new(vec![version, ("abi", status.abi.to_string())]);
    // The encoder adds "_info" to the name.
    registry.register("build", "The vxbpf that exports this", build);
    registry.register_collector(Box::new(Snapshot { stats, status }));
    let mut text = String::new();
    encode_registry(&mut text, &registry).map_err(|e| Error::invalid("metrics", e.to_string()))?;
    Ok(text)
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let vnis = self.stats.vnis.iter().map(|(vni, row)| (vec![("vni", vni.to_string())], *row)).collect();
        rows(&mut encoder, "vni", "per VNI", vnis)?;
        let port = |dev: &str, vni: String| vec![("port", dev.to_owned()), ("vni", vni)];
        let ports =
            self.stats.ports.iter().map(|(dev, vni, row)| (port(dev, vni.to_string()), *row)).collect();
        rows(&mut encoder, "port", "per port", ports)?;
        let vtep = |of: &Option<_>| match of {
            Some((vni, addr)) => vec![("vni", format!("{vni}")), ("vtep", format!("{addr}"))],
            None => vec![("vni", String::new()), ("vtep", "other".to_owned())],
        };
        let vteps =
            self.stats.vteps.iter().map(|(of, row)| (vtep(&of.map(|(v, a)| (v.get(), a))), *row)).collect();
        rows(&mut encoder, "vtep", "per remote VTEP and VNI", vteps)?;

        let drops =
            self.stats.drops.iter().map(|(reason, n)| (vec![("reason", reason.name().to_owned())], *n));
        counters(&mut encoder, "drops", "Frames dropped, by reason", drops)?;
        let label = |name: &str| vec![("map", name.to_owned())];
        let maps = &self.status.maps;
        let used = maps.iter().map(|map| (label(map.name), map.used));
        gauges(&mut encoder, "map_entries", "Entries in a table", used)?;
        let max = maps.iter().map(|map| (label(map.name), map.max));
        gauges(&mut encoder, "map_max_entries", "Entries that fit into a table", max)?;
        let help = "Since the instance was first started";
        let metric = encoder.encode_descriptor("uptime_seconds", help, None, MetricType::Gauge)?;
        ConstGauge::new(self.status.uptime.as_secs()).encode(metric)
    }
}

/// All counters of one kind of object.
fn rows(
    encoder: &mut DescriptorEncoder<'_>,
    object: &str,
    per: &str,
    rows: Vec<(Labels, Counters)>,
) -> fmt::Result {
    for (field, help, get) in FIELDS {
        let values = rows.iter().map(|(labels, row)| (labels.clone(), get(row)));
        counters(encoder, &format!("{object}_{field}"), &format!("{help}, {per}"), values)?;
    }
    Ok(())
}

fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Labels, u64)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in values {
        ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Labels, u64)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}
