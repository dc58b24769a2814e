//! FDB entries as a table and as JSON.

use std::net::IpAddr;

use serde::Serialize;

use crate::{
    cli::output::Columns,
    dataplane::{FdbInfo, FdbState},
};

/// An entry as `fdb show -j` has it.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    mac: String,
    vni: u32,
    dst: Option<IpAddr>,
    dst_vni: Option<u32>,
    port: Option<u16>,
    dev: Option<&'a str>,
    state: FdbState,
    flags: &'static [&'static str],
    used: Option<u64>,
    updated: Option<u64>,
}

/// Ages only with `statistics`.
pub(super) fn row(entry: &FdbInfo, statistics: bool, dstport: u16) -> Row<'_> {
    let remote = entry.dst.is_some();
    Row {
        mac: entry.mac.to_string(),
        vni: entry.vni.get(),
        dst: entry.dst,
        dst_vni: remote.then(|| entry.dst_vni.unwrap_or(entry.vni).get()),
        port: remote.then(|| entry.port.unwrap_or(dstport)),
        dev: entry.dev.as_deref(),
        state: entry.state,
        flags: if remote { &["self"] } else { &[] },
        used: entry.used.filter(|_| statistics),
        updated: entry.updated.filter(|_| statistics),
    }
}

pub(super) fn table(entries: &[FdbInfo], statistics: bool, dstport: u16) -> String {
    let ages = if statistics { &[">USED", ">UPDATED"][..] } else { &[] };
    let mut table = Columns::new(["MAC", ">VNI", "DESTINATION", "STATE"].iter().chain(ages).copied());
    for entry in entries {
        let cells = [
            entry.mac.to_string(),
            entry.vni.to_string(),
            destination(entry, dstport),
            entry.state.to_string(),
        ];
        let seconds = |age: Option<u64>| age.map_or_else(String::new, |age| format!("{age}s"));
        let ages = statistics.then(|| [entry.used, entry.updated].map(seconds));
        table.row(cells.into_iter().chain(ages.into_iter().flatten()));
    }
    table.to_string()
}

/// Where it is, in the words of `fdb add`, as far as they are not what goes without saying.
fn destination(entry: &FdbInfo, dstport: u16) -> String {
    let Some(dst) = entry.dst else {
        return entry.dev.as_ref().map(|dev| format!("port {dev}")).unwrap_or_default();
    };
    let vni = entry.dst_vni.filter(|vni| *vni != entry.vni).map(|vni| format!(" vni {vni}"));
    let port = entry.port.filter(|port| *port != dstport).map(|port| format!(" port {port}"));
    format!("{dst}{}{}", vni.unwrap_or_default(), port.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use vxbpf_common::{Mac, Vni};

    use super::*;
    use crate::dataplane::Origin;

    fn entries() -> [FdbInfo; 3] {
        let vni = |n| Vni::new(n).unwrap();
        let remote = FdbInfo {
            vni: vni(42),
            mac: "02:42:c0:a8:00:03".parse().unwrap(),
            dst: Some("192.168.104.3".parse().unwrap()),
            dst_vni: Some(vni(42)),
            port: Some(4789),
            dev: None,
            state: FdbState::Permanent,
            origin: Origin::Command,
            used: Some(5),
            updated: Some(90),
        };
        let flood = FdbInfo {
            used: None,
            updated: None,
            mac: Mac::ZERO,
            dst: Some("2001:db8::4".parse().unwrap()),
            dst_vni: Some(vni(43)),
            port: Some(4790),
            ..remote.clone()
        };
        let local = FdbInfo {
            dst: None,
            dst_vni: None,
            port: None,
            dev: Some("veth1".into()),
            state: FdbState::Dynamic,
            origin: Origin::Learned,
            ..remote.clone()
        };
        [flood, remote, local]
    }

    #[test]
    fn json_has_the_promised_shape() {
        let [_, remote, local] = entries();
        assert_eq!(
            serde_json::to_string(&row(&remote, true, 4789)).unwrap(),
            r#"{"mac":"02:42:c0:a8:00:03","vni":42,"dst":"192.168.104.3","dst_vni":42,"port":4789,"dev":null,"state":"permanent","flags":["self"],"used":5,"updated":90}"#
        );
        assert_eq!(
            serde_json::to_string(&row(&local, false, 4789)).unwrap(),
            r#"{"mac":"02:42:c0:a8:00:03","vni":42,"dst":null,"dst_vni":null,"port":null,"dev":"veth1","state":"dynamic","flags":[],"used":null,"updated":null}"#
        );
    }

    #[test]
    fn a_destination_says_what_does_not_go_without_saying() {
        assert_eq!(
            table(&entries(), false, 4789),
            "MAC                VNI  DESTINATION                   STATE\n\
             00:00:00:00:00:00   42  2001:db8::4 vni 43 port 4790  permanent\n\
             02:42:c0:a8:00:03   42  192.168.104.3                 permanent\n\
             02:42:c0:a8:00:03   42  port veth1                    dynamic\n"
        );
        assert_eq!(
            table(&entries(), true, 4789),
            "MAC                VNI  DESTINATION                   STATE      USED  UPDATED\n\
             00:00:00:00:00:00   42  2001:db8::4 vni 43 port 4790  permanent     -        -\n\
             02:42:c0:a8:00:03   42  192.168.104.3                 permanent    5s      90s\n\
             02:42:c0:a8:00:03   42  port veth1                    dynamic      5s      90s\n"
        );
    }
}
