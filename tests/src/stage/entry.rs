//! FDB entries, in one form for both backends.

use std::net::IpAddr;

use serde_json::Value;
use vxbpf_common::Mac;

/// Where a station is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    /// Behind a remote VTEP.
    Remote(IpAddr),
    /// Behind the port on this interface.
    Port(String),
}

/// An entry, in the words of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The station; zero: the flood list.
    pub mac: Mac,
    /// Where it is.
    pub at: At,
    /// `permanent`, `static` or `dynamic`.
    pub state: String,
    /// The VNI on the wire, of a remote.
    pub vni: Option<u32>,
    /// The UDP port, of a remote.
    pub port: Option<u16>,
}

fn text<'a>(row: &'a Value, key: &str) -> Option<&'a str> {
    row[key].as_str().filter(|text| !text.is_empty())
}

/// Rows of `bridge -j fdb show br BRIDGE`: of the VXLAN device itself (its remotes) and of the bridge (its ports). The
/// interfaces' own addresses are left out, for they are not entries with us.
pub(super) fn of_kernel(rows: &Value, device: &str, vni: u32, dstport: u16) -> Vec<Entry> {
    let entry = |row: &Value| {
        let mac = text(row, "mac")?.parse().ok()?;
        let state = text(row, "state").unwrap_or("dynamic").to_owned();
        if let Some(dst) = text(row, "dst") {
            let number = |key: &str, usual: u64| row[key].as_u64().unwrap_or(usual);
            return Some(Entry {
                mac,
                at: At::Remote(dst.parse().ok()?),
                state,
                vni: u32::try_from(number("vni", vni.into())).ok(),
                port: u16::try_from(number("port", dstport.into())).ok(),
            });
        }
        let port = text(row, "ifname").filter(|dev| *dev != device)?.to_owned();
        let own = state == "permanent" || row.get("master").is_none();
        (!own).then_some(Entry { mac, at: At::Port(port), state, vni: None, port: None })
    };
    sorted(rows, entry)
}

/// Rows of `vxbpf -j fdb show vni VNI`.
pub(super) fn of_vxbpf(rows: &Value) -> Vec<Entry> {
    let entry = |row: &Value| {
        let at = match text(row, "dst") {
            Some(dst) => At::Remote(dst.parse().ok()?),
            None => At::Port(text(row, "dev")?.to_owned()),
        };
        let number = |key: &str| row[key].as_u64();
        Some(Entry {
            mac: text(row, "mac")?.parse().ok()?,
            at,
            state: text(row, "state")?.to_owned(),
            vni: number("dst_vni").and_then(|vni| u32::try_from(vni).ok()),
            port: number("port").and_then(|port| u16::try_from(port).ok()),
        })
    };
    sorted(rows, entry)
}

fn sorted(rows: &Value, entry: impl Fn(&Value) -> Option<Entry>) -> Vec<Entry> {
    let mut entries: Vec<_> = rows.as_array().into_iter().flatten().filter_map(entry).collect();
    entries.sort_by_key(|entry| (entry.mac.octets(), entry.at.clone()));
    entries
}
