//! `vxbpf port`: overlay-side interfaces.

use clap::{Args, Subcommand};
use serde::Serialize;
use vxbpf_common::{Mac, Vni};

use super::{
    Globals,
    counters::{self, CountersJson},
    output::Columns,
    values,
};
use crate::{
    Error,
    dataplane::{Dataplane, Mode, Origin, PortInfo, PortOptions},
};

const AFTER: &str = "\
Examples:
  vxbpf port add veth1 vni 42
  vxbpf port add tap0 vni 42 mode tc mac-lock 02:42:c0:a8:00:02 isolated on
  vxbpf -s port show veth1
  vxbpf port del veth1";

/// Overlay-side interfaces.
#[derive(Debug, Args)]
#[command(after_help = AFTER, override_usage = "vxbpf port {add|del|show} …")]
pub(super) struct PortArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make an interface a port of a VNI
    #[command(
        override_usage = "vxbpf port add DEV vni VNI [mode auto|tc|xdp] [mac-lock MAC]… [isolated on|off]"
    )]
    Add(Add),
    /// Give an interface back
    #[command(alias = "delete", override_usage = "vxbpf port del DEV")]
    Del {
        /// The interface
        dev: String,
    },
    /// Show ports
    #[command(aliases = ["list", "ls"], override_usage = "vxbpf port show [DEV] [vni VNI]")]
    Show {
        /// This one only
        dev: Option<String>,
        /// Ports of this VNI only
        #[arg(long, value_name = "VNI")]
        vni: Option<Vni>,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// The interface: host side of a veth, a tap, a NIC
    dev: String,
    /// The VNI it belongs to
    #[arg(long, value_name = "VNI")]
    vni: Vni,
    /// The hook; auto: XDP where the driver does it natively, else TC
    #[arg(long, value_name = "auto|tc|xdp", default_value_t = Mode::Auto)]
    mode: Mode,
    /// Let this source MAC send, and no others; may be given again
    #[arg(long, value_name = "MAC", alias = "mac_lock")]
    mac_lock: Vec<Mac>,
    /// Keep it from other isolated ports [default: off]
    #[arg(long, value_name = "on|off", value_parser = values::on_off)]
    isolated: Option<bool>,
}

pub(super) fn run(args: &PortArgs, globals: &Globals, dataplane: &mut Dataplane) -> anyhow::Result<()> {
    match &args.verb {
        Verb::Add(add) => {
            let options = PortOptions {
                mode: add.mode,
                mac_lock: add.mac_lock.clone(),
                isolated: add.isolated.unwrap_or(false),
            };
            let added = dataplane.port_add(&add.dev, add.vni, &options, Origin::Command)?;
            globals.warn(&added.warnings);
        }
        Verb::Del { dev } => dataplane.port_del(dev)?,
        Verb::Show { dev, vni } => {
            let mut ports = dataplane.ports()?;
            if let Some(dev) = dev {
                ports.retain(|port| port.dev == *dev);
                if ports.is_empty() {
                    return Err(Error::not_found(format!("port {dev}")).into());
                }
            }
            ports.retain(|port| vni.is_none_or(|vni| vni == port.vni));
            globals.show(&ports.iter().map(row).collect::<Vec<_>>(), || table(&ports, globals.statistics))?;
        }
    }
    Ok(())
}

/// A port as `port show -j` and `status -j` have it.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    dev: &'a str,
    ifindex: u32,
    vni: u32,
    mode: Mode,
    auto: bool,
    isolated: bool,
    mac_lock: Vec<String>,
    #[serde(flatten)]
    counters: CountersJson,
}

pub(super) fn row(port: &PortInfo) -> Row<'_> {
    Row {
        dev: &port.dev,
        ifindex: port.ifindex,
        vni: port.vni.get(),
        mode: port.mode,
        auto: port.auto,
        isolated: port.isolated,
        mac_lock: port.mac_lock.iter().map(Mac::to_string).collect(),
        counters: (&port.counters).into(),
    }
}

pub(super) fn table(ports: &[PortInfo], statistics: bool) -> String {
    let numbers = if statistics { &counters::HEADERS[..] } else { &[] };
    let headers = ["PORT", ">VNI", "MODE", "ISOLATED", "MAC-LOCK"];
    let mut table = Columns::new(headers.iter().chain(numbers).copied());
    for port in ports {
        let locks: Vec<_> = port.mac_lock.iter().map(Mac::to_string).collect();
        let isolated = if port.isolated { "on" } else { "off" };
        let mode = mode(port.mode, port.auto);
        let cells = [port.dev.clone(), port.vni.to_string(), mode, isolated.to_owned(), locks.join(",")];
        let numbers = statistics.then(|| counters::cells(&port.counters));
        table.row(cells.into_iter().chain(numbers.into_iter().flatten()));
    }
    table.to_string()
}

/// The hook in force and whether it was our choice: `xdp (auto)`.
pub(super) fn mode(mode: Mode, auto: bool) -> String {
    format!("{mode}{}", if auto { " (auto)" } else { "" })
}

#[cfg(test)]
pub(super) mod tests {
    use vxbpf_common::counters::Counters;

    use super::*;

    pub(in super::super) fn info() -> PortInfo {
        PortInfo {
            dev: "veth1".into(),
            ifindex: 7,
            vni: Vni::new(42).unwrap(),
            mode: Mode::Tc,
            auto: true,
            isolated: false,
            mac_lock: vec!["02:42:c0:a8:00:02".parse().unwrap()],
            origin: Origin::Command,
            counters: Counters { rx_packets: 3, rx_bytes: 180, ..Default::default() },
        }
    }

    #[test]
    fn json_has_the_promised_shape() {
        assert_eq!(
            serde_json::to_string(&row(&info())).unwrap(),
            r#"{"dev":"veth1","ifindex":7,"vni":42,"mode":"tc","auto":true,"isolated":false,"mac_lock":["02:42:c0:a8:00:02"],"rx_packets":3,"rx_bytes":180,"tx_packets":0,"tx_bytes":0,"rx_dropped":0,"tx_dropped":0,"rx_errors":0}"#
        );
    }

    #[test]
    fn people_see_counters_when_they_ask() {
        assert_eq!(
            table(&[info()], false),
            "PORT   VNI  MODE       ISOLATED  MAC-LOCK\n\
             veth1   42  tc (auto)  off       02:42:c0:a8:00:02\n"
        );
        assert!(table(&[info()], true).contains("RX-PACKETS"));
    }
}
