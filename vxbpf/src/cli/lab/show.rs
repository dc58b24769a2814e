//! The lab as people and programs read it.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    cli::{
        counters::{self, CountersJson},
        output::{Columns, write},
    },
    lab::{Echo, Entry, LabStatus, Matrix, NodeStatus, Pod},
};

/// How things are shown.
#[derive(Clone, Copy)]
pub(super) struct Show {
    pub(super) json: bool,
    pub(super) pretty: bool,
}

impl Show {
    /// Shows a document: as JSON if that was asked for, else as people read it.
    pub(super) fn document(
        self,
        document: &impl Serialize,
        people: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let text = match (self.json, self.pretty) {
            (true, true) => serde_json::to_string_pretty(document)?,
            (true, false) => serde_json::to_string(document)?,
            (false, _) => people(),
        };
        write(&if text.ends_with('\n') { text } else { text + "\n" })
    }

    /// Shows what came of the pings.
    pub(super) fn matrix(self, matrix: &Matrix) -> anyhow::Result<()> {
        self.document(&matrix_json(matrix), || matrix_text(matrix))
    }

    /// Shows the lab.
    pub(super) fn status(self, status: &LabStatus) -> anyhow::Result<()> {
        let nodes: Vec<Value> = status.nodes.iter().map(node_json).collect();
        self.document(&json!({ "backend": status.backend, "nodes": nodes }), || status_text(status))
    }
}

fn matrix_json(matrix: &Matrix) -> Value {
    let mut pings = Vec::new();
    for (i, from) in matrix.pods.iter().enumerate() {
        for (j, to) in matrix.pods.iter().enumerate() {
            let ms = match matrix.echo(i, j) {
                Some(Echo::Answered(ms)) => Some(ms),
                Some(Echo::Lost) => None,
                None => continue,
            };
            let (from, to, addr) = (from.full_name(), to.full_name(), to.addr);
            pings.push(json!({ "from": from, "to": to, "addr": addr, "ok": ms.is_some(), "ms": ms }));
        }
    }
    json!({ "sent": matrix.pairs(), "lost": matrix.lost(), "pings": pings })
}

fn matrix_text(matrix: &Matrix) -> String {
    let names: Vec<String> = matrix.pods.iter().map(Pod::full_name).collect();
    let mut table = Columns::new(["FROM"].into_iter().chain(names.iter().map(String::as_str)));
    for (i, from) in names.iter().enumerate() {
        let cells = (0..names.len()).map(|j| match matrix.echo(i, j) {
            Some(Echo::Answered(ms)) => format!("ok {ms:.2} ms"),
            Some(Echo::Lost) => "FAIL".to_owned(),
            None => String::new(),
        });
        table.row([from.clone()].into_iter().chain(cells));
    }
    format!("{table}{} of {} pings answered\n", matrix.pairs() - matrix.lost(), matrix.pairs())
}

fn node_json(status: &NodeStatus) -> Value {
    let node = &status.node;
    let pods: Vec<Value> = node
        .pods
        .iter()
        .map(|pod| {
            let (mac, port) = (pod.mac.to_string(), pod.port());
            json!({ "name": pod.name, "namespace": pod.netns(), "addr": pod.addr, "mac": mac, "port": port })
        })
        .collect();
    let fdb: Vec<Value> = status
        .fdb
        .iter()
        .map(|e| json!({ "mac": e.mac.to_string(), "dst": e.dst, "dev": e.dev, "state": e.state }))
        .collect();
    let drops: Map<String, Value> =
        status.drops.iter().map(|(reason, count)| ((*reason).to_owned(), json!(count))).collect();
    json!({
        "name": node.name(),
        "namespace": node.netns(),
        "vtep": node.vtep,
        "instance": status.instance,
        "daemon": status.daemon,
        "pods": pods,
        "fdb": fdb,
        "counters": CountersJson::from(&status.counters),
        "drops": drops,
    })
}

fn status_text(status: &LabStatus) -> String {
    let mut nodes = Columns::new(
        ["NODE", "NAMESPACE", "VTEP", "INSTANCE", "DAEMON"].into_iter().chain(counters::HEADERS),
    );
    let mut pods = Columns::new(["POD", "NAMESPACE", "ADDRESS", "MAC", "PORT"]);
    let mut fdb = Columns::new(["NODE", "MAC", "DST", "DEV", "STATE"]);
    let mut drops = String::new();
    for seen in &status.nodes {
        let node = &seen.node;
        let daemon = match (&seen.instance, seen.daemon) {
            (None, _) => String::new(),
            (Some(_), None) => "dead".to_owned(),
            (Some(_), Some(pid)) => pid.to_string(),
        };
        let instance = seen.instance.clone().unwrap_or_default();
        let head = [node.name(), node.netns(), node.vtep.to_string(), instance, daemon];
        nodes.row(head.into_iter().chain(counters::cells(&seen.counters)));
        for pod in &node.pods {
            pods.row([pod.full_name(), pod.netns(), pod.addr.to_string(), pod.mac.to_string(), pod.port()]);
        }
        for Entry { mac, dst, dev, state } in &seen.fdb {
            let dst = dst.map(|dst| dst.to_string()).unwrap_or_default();
            fdb.row([node.name(), mac.to_string(), dst, dev.clone().unwrap_or_default(), state.to_string()]);
        }
        for (reason, count) in &seen.drops {
            // Writing to a string does not fail.
            let _ = writeln!(drops, "{} dropped {count}: {reason}", node.name());
        }
    }
    let end = if drops.is_empty() { String::new() } else { format!("\n{drops}") };
    format!("backend {}\n\n{nodes}\n{pods}\n{fdb}{end}", status.backend)
}
