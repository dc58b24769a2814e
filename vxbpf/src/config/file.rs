//! The config file as it is written. What it means is `check`'s.

use std::{fmt, net::IpAddr, num::NonZeroU16};

use serde::{
    Deserialize,
    de::{Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;
use vxbpf_common::{Mac, Vni};

use super::{
    locate::Flaw,
    value::{Group, Word},
};
use crate::dataplane::{ArpMiss, Df, FdbState, Limits, Mode, Tos, Ttl, VtepFilter};

/// A value with its place in the file.
pub(super) type Placed<T> = Spanned<Word<T>>;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct File {
    pub(super) limits: Option<Spanned<Limits>>,
    #[serde(default)]
    pub(super) vni: Vec<VniTable>,
}

/// `[[vni]]`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct VniTable {
    pub(super) vni: Placed<Vni>,
    pub(super) name: Option<Spanned<String>>,
    pub(super) learning: Option<bool>,
    pub(super) ageing: Option<u32>,
    pub(super) limit: Option<u32>,
    pub(super) arp_miss: Option<Word<ArpMiss>>,
    pub(super) ttl: Option<Word<Ttl>>,
    pub(super) tos: Option<Word<Tos>>,
    pub(super) df: Option<Word<Df>>,
    pub(super) vtep_filter: Option<Word<VtepFilter>>,
    pub(super) group: Option<Word<Group>>,
    #[serde(default)]
    pub(super) flood: Vec<Spanned<Remote>>,
    #[serde(default)]
    pub(super) allow: Vec<Placed<IpAddr>>,
    #[serde(default)]
    pub(super) deny: Vec<Placed<IpAddr>>,
    #[serde(default)]
    pub(super) port: Vec<PortTable>,
    #[serde(default)]
    pub(super) fdb: Vec<FdbTable>,
    #[serde(default)]
    pub(super) neigh: Vec<NeighTable>,
    pub(super) stations: Option<Spanned<String>>,
    pub(super) neighbours: Option<Spanned<String>>,
}

/// `[[vni.port]]`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct PortTable {
    pub(super) dev: Spanned<String>,
    pub(super) mode: Option<Word<Mode>>,
    #[serde(default)]
    pub(super) mac_lock: Vec<Placed<Mac>>,
    #[serde(default)]
    pub(super) isolated: bool,
}

/// `[[vni.fdb]]`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct FdbTable {
    pub(super) mac: Placed<Mac>,
    pub(super) dst: Option<Placed<IpAddr>>,
    pub(super) dev: Option<Spanned<String>>,
    pub(super) vni: Option<Placed<Vni>>,
    pub(super) port: Option<Placed<NonZeroU16>>,
    pub(super) state: Option<Word<FdbState>>,
}

/// `[[vni.neigh]]`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct NeighTable {
    pub(super) addr: Placed<IpAddr>,
    pub(super) lladdr: Placed<Mac>,
    #[serde(default)]
    pub(super) router: bool,
}

/// A destination of the flood list: an address, or a table if it has a VNI or UDP port of its own.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) addr: IpAddr,
    pub(super) vni: Option<Vni>,
    pub(super) port: Option<u16>,
}

/// `{ addr = …, vni = …, port = … }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoteTable {
    addr: Word<IpAddr>,
    vni: Option<Word<Vni>>,
    port: Option<Word<NonZeroU16>>,
}

impl<'de> Deserialize<'de> for Remote {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RemoteVisitor)
    }
}

struct RemoteVisitor;

impl<'de> Visitor<'de> for RemoteVisitor {
    type Value = Remote;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an address as in \"192.168.104.3\", or a table as in { addr = \"192.168.104.3\", port = 4789 }",
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Remote, E> {
        let addr = <IpAddr as super::value::Value>::read(text).map_err(E::custom)?;
        Ok(Remote { addr, vni: None, port: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Remote, A::Error> {
        let table = RemoteTable::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Remote {
            addr: table.addr.0,
            vni: table.vni.map(|vni| vni.0),
            port: table.port.map(|port| port.0.get()),
        })
    }
}

/// Reads the text.
pub(super) fn read(text: &str) -> Result<File, Flaw> {
    toml::from_str(text).map_err(|e| {
        let why = e.message().lines().collect::<Vec<_>>().join(", ");
        let why = match why.strip_prefix("missing field ") {
            Some(field) => format!("needs {field}"),
            None => why.replace("expected u32", "expected a whole number from 0 to 4294967295"),
        };
        Flaw { at: e.span().map(|span| span.start), why }
    })
}
