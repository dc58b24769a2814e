//! `vxbpf status`: the instance as a whole.

use std::{net::IpAddr, time::Duration};

use serde::Serialize;

use super::{Globals, output::Columns, port};
use crate::dataplane::{Dataplane, Mode, Status};

pub(super) fn run(globals: &Globals, dataplane: &Dataplane) -> anyhow::Result<()> {
    let status = dataplane.status()?;
    globals.show(&document(&status), || tables(&status))
}

#[derive(Serialize)]
struct Document<'a> {
    instance: &'a str,
    iface: &'a str,
    local: Vec<IpAddr>,
    dstport: u16,
    mode: Mode,
    auto: bool,
    helper: &'a [String],
    netns: &'a str,
    /// Seconds.
    uptime: u64,
    daemon: Option<u32>,
    abi: u32,
    programs: Vec<Program<'a>>,
    ports: Vec<port::Row<'a>>,
    maps: Vec<Map>,
}

#[derive(Serialize)]
struct Program<'a> {
    name: &'a str,
    dev: &'a str,
    hook: &'a str,
    id: u32,
}

#[derive(Serialize)]
struct Map {
    name: &'static str,
    used: u64,
    max: u64,
}

fn document(status: &Status) -> Document<'_> {
    let programs = status.programs.iter();
    Document {
        instance: status.instance.as_str(),
        iface: &status.iface,
        local: status.local.iter().collect(),
        dstport: status.dstport,
        mode: status.mode,
        auto: status.auto,
        helper: &status.helper,
        netns: &status.netns,
        uptime: status.uptime.as_secs(),
        daemon: status.daemon,
        abi: status.abi,
        programs: programs.map(|p| Program { name: &p.name, dev: &p.dev, hook: p.hook, id: p.id }).collect(),
        ports: status.ports.iter().map(port::row).collect(),
        maps: status.maps.iter().map(|map| Map { name: map.name, used: map.used, max: map.max }).collect(),
    }
}

fn tables(status: &Status) -> String {
    let mut instance = Columns::new(["INSTANCE", status.instance.as_str()]);
    let daemon = status
        .daemon
        .map_or_else(|| "none, forwarding without it".to_owned(), |pid| format!("process {pid}"));
    let facts = [
        ("underlay", status.iface.clone()),
        ("local", status.local.to_string()),
        ("dstport", status.dstport.to_string()),
        ("mode", port::mode(status.mode, status.auto)),
        ("helper", status.helper.join(", ")),
        ("netns", status.netns.clone()),
        ("uptime", uptime(status.uptime)),
        ("daemon", daemon),
        ("map layout", status.abi.to_string()),
    ];
    for (name, fact) in facts {
        instance.row([name.to_owned(), fact]);
    }

    let mut programs = Columns::new(["PROGRAM", "INTERFACE", "HOOK", ">ID"]);
    for program in &status.programs {
        let id = if program.id == 0 { String::new() } else { program.id.to_string() };
        programs.row([program.name.clone(), program.dev.clone(), program.hook.to_owned(), id]);
    }

    let mut maps = Columns::new(["MAP", ">USED", ">MAX", ">FULL"]);
    for map in &status.maps {
        let percent = u128::from(map.used) * 100 / u128::from(map.max.max(1));
        maps.row([map.name.to_owned(), map.used.to_string(), map.max.to_string(), format!("{percent}%")]);
    }
    let ports = port::table(&status.ports, false);
    [instance.to_string(), programs.to_string(), ports, maps.to_string()].join("\n")
}

/// `3d 04:05:06`.
fn uptime(uptime: Duration) -> String {
    let seconds = uptime.as_secs();
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    let days = if days == 0 { String::new() } else { format!("{days}d ") };
    format!("{days}{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataplane::{InstanceName, Locals, MapFill, ProgramInfo};

    fn status() -> Status {
        Status {
            instance: InstanceName::default(),
            iface: "eth1".into(),
            local: Locals::first_of(["192.168.104.2".parse().unwrap()]),
            dstport: 4789,
            mode: Mode::Xdp,
            auto: true,
            helper: vec!["vxbpf4789".into()],
            netns: "node1".into(),
            uptime: Duration::from_secs(3 * 86400 + 4 * 3600 + 5 * 60 + 6),
            daemon: None,
            abi: 2,
            programs: vec![ProgramInfo {
                name: "from_underlay".into(),
                dev: "eth1".into(),
                hook: "xdp",
                id: 0,
            }],
            ports: vec![port::tests::info()],
            maps: vec![MapFill { name: "FDB", used: 32768, max: 65536 }],
        }
    }

    #[test]
    fn json_has_everything() {
        let text = serde_json::to_string(&document(&status())).unwrap();
        let start = r#"{"instance":"default","iface":"eth1","local":["192.168.104.2"],"dstport":4789,"mode":"xdp","auto":true,"helper":["vxbpf4789"],"netns":"node1","uptime":273906,"daemon":null,"abi":2,"programs":[{"name":"from_underlay","dev":"eth1","hook":"xdp","id":0}],"ports":[{"dev":"veth1","#;
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with(r#""maps":[{"name":"FDB","used":32768,"max":65536}]}"#), "{text}");
    }

    #[test]
    fn people_see_it_at_a_glance() {
        let text = tables(&status());
        for line in [
            "INSTANCE    default",
            "mode        xdp (auto)",
            "uptime      3d 04:05:06",
            "daemon      none, forwarding without it",
            "from_underlay  eth1       xdp    -",
            "FDB  32768  65536   50%",
        ] {
            assert!(text.lines().any(|l| l == line), "{line:?} in\n{text}");
        }
        assert_eq!(uptime(Duration::from_secs(59)), "00:00:59");
    }
}
