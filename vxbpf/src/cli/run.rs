//! `vxbpf run`: the daemon, in the foreground.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::Args;

use super::{Globals, values};
use crate::{
    Error, daemon,
    dataplane::{Limits, Locals, Mode, Settings},
};

const AFTER: &str = "\
SIGHUP re-reads the config file. SIGINT and SIGTERM detach and clean up, unless --keep: then \
forwarding goes on, and the next run of the instance takes it over without losing a packet.

Examples:
  vxbpf run --iface eth1
  vxbpf run iface eth1 local 192.168.104.2 local fd00:104::2 dstport 4789 config /etc/vxbpf.toml
  vxbpf run --iface eth1 --mode tc --metrics 127.0.0.1:9477 --keep";

/// Forward on an underlay interface, in the foreground.
#[derive(Debug, Args)]
#[command(after_help = AFTER, override_usage = "vxbpf run --iface IFACE [--local ADDR]… [--dstport PORT] \
    [--config FILE] [--mode auto|tc|xdp] [--metrics ADDR:PORT] [--keep]")]
pub(super) struct RunArgs {
    /// The underlay interface
    #[arg(long, alias = "dev")]
    iface: String,
    /// Our VTEP address, or one of each family [default: the interface's first global address of each]
    #[arg(long, value_name = "ADDR", value_parser = values::ip)]
    local: Vec<IpAddr>,
    /// UDP port of VXLAN
    #[arg(long, value_name = "PORT", default_value_t = 4789, value_parser = values::udp_port)]
    dstport: u16,
    /// VNIs, ports, FDB and neighbours to start with (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The hook on the underlay; auto: XDP where the driver does it natively, else TC
    #[arg(long, value_name = "auto|tc|xdp", default_value_t = Mode::Auto)]
    mode: Mode,
    /// Serve Prometheus metrics there
    #[arg(long, value_name = "ADDR:PORT", value_parser = metrics)]
    metrics: Option<SocketAddr>,
    /// Leave everything in place at the end, so that forwarding goes on
    #[arg(long)]
    keep: bool,
}

fn metrics(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not ADDR:PORT, as in 127.0.0.1:9477 or [::1]:9477"))
}

pub(super) fn run(args: &RunArgs, globals: &Globals) -> anyhow::Result<()> {
    Ok(daemon::run(options(args, globals)?)?)
}

fn options(args: &RunArgs, globals: &Globals) -> crate::Result<daemon::Options> {
    let local = Locals::first_of(args.local.iter().copied());
    if let Some(more) = args.local.iter().find(|addr| !local.iter().any(|local| local == addr.to_canonical()))
    {
        let family = if more.to_canonical().is_ipv4() { "IPv4" } else { "IPv6" };
        return Err(Error::invalid(
            format!("local {more}"),
            format!("a second {family} address; an instance has one"),
        ));
    }
    Ok(daemon::Options {
        settings: Settings {
            instance: globals.instance.clone(),
            iface: args.iface.clone(),
            local,
            dstport: args.dstport,
            mode: args.mode,
            limits: Limits::default(),
        },
        config: args.config.clone(),
        metrics: args.metrics,
        keep: args.keep,
    })
}
