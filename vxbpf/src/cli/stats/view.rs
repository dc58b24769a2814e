//! Counters as tables and as JSON.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Serialize;
use vxbpf_common::counters::Counters;

use super::Part;
use crate::{
    cli::{
        counters::{self, CountersJson},
        output::Columns,
    },
    dataplane::Stats,
};

/// What `stats -j` writes; a part that was not asked for is absent.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    vnis: Option<Vec<VniRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<Vec<PortRow<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vteps: Option<Vec<VtepRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drops: Option<BTreeMap<&'static str, u64>>,
}

#[derive(Serialize)]
struct VniRow {
    vni: u32,
    #[serde(flatten)]
    counters: CountersJson,
}

#[derive(Serialize)]
struct PortRow<'a> {
    dev: &'a str,
    vni: u32,
    #[serde(flatten)]
    counters: CountersJson,
}

/// Both are null for all VTEPs that have no counters of their own.
#[derive(Serialize)]
struct VtepRow {
    vni: Option<u32>,
    addr: Option<IpAddr>,
    #[serde(flatten)]
    counters: CountersJson,
}

pub(super) fn document(stats: &Stats, part: Part) -> Document<'_> {
    let asked = |this| part == Part::All || part == this;
    let vnis = || {
        let row = |(vni, c): &(vxbpf_common::Vni, Counters)| VniRow { vni: vni.get(), counters: c.into() };
        stats.vnis.iter().map(row).collect()
    };
    let ports = || {
        let rows = stats.ports.iter();
        rows.map(|(dev, vni, c)| PortRow { dev, vni: vni.get(), counters: c.into() }).collect()
    };
    let vteps = || {
        let rows = stats.vteps.iter();
        rows.map(|(at, c)| VtepRow {
            vni: at.map(|(vni, _)| vni.get()),
            addr: at.map(|(_, addr)| addr),
            counters: c.into(),
        })
        .collect()
    };
    let drops = || stats.drops.iter().map(|(reason, count)| (reason.name(), *count)).collect();
    Document {
        vnis: asked(Part::Vnis).then(vnis),
        ports: asked(Part::Ports).then(ports),
        vteps: asked(Part::Vteps).then(vteps),
        drops: asked(Part::Drops).then(drops),
    }
}

/// Tables with an empty line between them. Reasons that never happened are left out.
pub(super) fn tables(stats: &Stats, part: Part) -> String {
    let asked = |this| part == Part::All || part == this;
    let table = |headers: &[&'static str]| Columns::new(headers.iter().chain(&counters::HEADERS).copied());
    let mut tables = Vec::new();
    if asked(Part::Vnis) {
        let mut vnis = table(&[">VNI"]);
        for (vni, c) in &stats.vnis {
            vnis.row([vni.to_string()].into_iter().chain(counters::cells(c)));
        }
        tables.push(vnis.to_string());
    }
    if asked(Part::Ports) {
        let mut ports = table(&["PORT", ">VNI"]);
        for (dev, vni, c) in &stats.ports {
            ports.row([dev.clone(), vni.to_string()].into_iter().chain(counters::cells(c)));
        }
        tables.push(ports.to_string());
    }
    if asked(Part::Vteps) {
        let mut vteps = table(&["VTEP", ">VNI"]);
        for (at, c) in &stats.vteps {
            let (addr, vni) = at.map_or_else(
                || ("(others)".into(), String::new()),
                |(vni, ip)| (ip.to_string(), vni.to_string()),
            );
            vteps.row([addr, vni].into_iter().chain(counters::cells(c)));
        }
        tables.push(vteps.to_string());
    }
    if asked(Part::Drops) {
        let mut drops = Columns::new(["DROP-REASON", ">COUNT"]);
        for (reason, count) in stats.drops.iter().filter(|(_, count)| *count > 0) {
            drops.row([reason.name().to_owned(), count.to_string()]);
        }
        tables.push(drops.to_string());
    }
    tables.join("\n")
}

#[cfg(test)]
mod tests {
    use vxbpf_common::{DropReason, Vni};

    use super::*;

    fn stats() -> Stats {
        let vni = Vni::new(42).unwrap();
        let counters = Counters { rx_packets: 2, rx_bytes: 200, tx_dropped: 1, ..Default::default() };
        Stats {
            vnis: vec![(vni, counters)],
            ports: vec![("veth1".into(), vni, counters)],
            vteps: vec![
                (Some((vni, "192.168.104.3".parse().unwrap())), counters),
                (None, Counters::default()),
            ],
            drops: DropReason::ALL.iter().map(|r| (*r, u64::from(*r == DropReason::NoRoute))).collect(),
        }
    }

    #[test]
    fn json_has_the_promised_shape() {
        let json = serde_json::to_value(document(&stats(), Part::All)).unwrap();
        let numbers = r#""rx_packets":2,"rx_bytes":200,"tx_packets":0,"tx_bytes":0,"rx_dropped":0,"tx_dropped":1,"rx_errors":0"#;
        let text = serde_json::to_string(&document(&stats(), Part::All)).unwrap();
        let start =
            format!(r#"{{"vnis":[{{"vni":42,{numbers}}}],"ports":[{{"dev":"veth1","vni":42,{numbers}}}],"#);
        assert!(text.starts_with(&start), "{text}");
        assert_eq!(json["vteps"][0]["addr"], "192.168.104.3");
        assert!(json["vteps"][1]["vni"].is_null());
        assert_eq!(json["drops"].as_object().map(|d| d.len()), Some(DropReason::ALL.len()));
        assert_eq!(json["drops"]["no_route"], 1);
    }

    #[test]
    fn a_part_is_that_part_alone() {
        let text = serde_json::to_string(&document(&stats(), Part::Drops)).unwrap();
        assert!(text.starts_with(r#"{"drops":{"#), "{text}");
        assert_eq!(tables(&stats(), Part::Drops), "DROP-REASON  COUNT\nno_route         1\n");
        assert_eq!(
            tables(&stats(), Part::Vteps),
            "VTEP           VNI  RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES  RX-DROPPED  TX-DROPPED  RX-ERRORS\n\
             192.168.104.3   42           2       200           0         0           0           1          0\n\
             (others)         -           0         0           0         0           0           0          0\n"
        );
        assert_eq!(tables(&stats(), Part::All).matches("\n\n").count(), 3);
    }
}
