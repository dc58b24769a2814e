//! `vxbpf vtep`: who may send to a VNI.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    Globals,
    counters::{self, CountersJson},
    output::Columns,
    values,
    which::{HomeVni, Scope},
};
use crate::dataplane::{Dataplane, Origin, VtepInfo, VtepPolicy};

const AFTER: &str = "\
A VTEP may send when the FDB or the flood list names it or it is allowed, and it is not denied.

Examples:
  vxbpf vtep allow 192.168.104.9 vni 42
  vxbpf vtep deny 192.168.104.66 vni 42
  vxbpf -s vtep show vni 42";

/// Who may send to a VNI.
#[derive(Debug, Args)]
#[command(after_help = AFTER, override_usage = "vxbpf vtep {allow|deny|show} …")]
pub(super) struct VtepArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Let a VTEP send though nothing names it
    #[command(override_usage = "vxbpf vtep allow ADDR {vni VNI|dev NAME}")]
    Allow(Entry),
    /// Keep a VTEP from sending whatever names it
    #[command(override_usage = "vxbpf vtep deny ADDR {vni VNI|dev NAME}")]
    Deny(Entry),
    /// Show VTEPs and whether they may send
    #[command(aliases = ["list", "ls"], override_usage = "vxbpf vtep show [vni VNI] [dev NAME]")]
    Show(Scope),
}

#[derive(Debug, Args)]
struct Entry {
    /// The VTEP
    #[arg(value_parser = values::ip)]
    addr: IpAddr,
    #[command(flatten)]
    which: HomeVni,
}

pub(super) fn run(args: &VtepArgs, globals: &Globals, dataplane: &mut Dataplane) -> anyhow::Result<()> {
    match &args.verb {
        Verb::Allow(entry) => {
            let vni = entry.which.resolve(dataplane)?;
            dataplane.vtep_allow(vni, entry.addr, Origin::Command)?;
        }
        Verb::Deny(entry) => {
            let vni = entry.which.resolve(dataplane)?;
            dataplane.vtep_deny(vni, entry.addr, Origin::Command)?;
        }
        Verb::Show(scope) => {
            let vteps = dataplane.vteps(scope.resolve(dataplane)?)?;
            globals.show(&vteps.iter().map(row).collect::<Vec<_>>(), || table(&vteps, globals.statistics))?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Row {
    vni: u32,
    addr: IpAddr,
    policy: Option<&'static str>,
    named: u32,
    may_send: bool,
    #[serde(flatten)]
    counters: CountersJson,
}

fn row(vtep: &VtepInfo) -> Row {
    Row {
        vni: vtep.vni.get(),
        addr: vtep.addr,
        policy: policy(vtep.policy),
        named: vtep.named,
        may_send: vtep.may_send,
        counters: (&vtep.counters).into(),
    }
}

fn policy(policy: VtepPolicy) -> Option<&'static str> {
    match policy {
        VtepPolicy::None => None,
        VtepPolicy::Allow => Some("allow"),
        VtepPolicy::Deny => Some("deny"),
    }
}

fn table(vteps: &[VtepInfo], statistics: bool) -> String {
    let numbers = if statistics { &counters::HEADERS[..] } else { &[] };
    let headers = ["VTEP", ">VNI", "POLICY", ">NAMED", "MAY-SEND"];
    let mut table = Columns::new(headers.iter().chain(numbers).copied());
    for v in vteps {
        let (policy, may_send) =
            (policy(v.policy).unwrap_or_default(), if v.may_send { "yes" } else { "no" });
        let cells = [
            v.addr.to_string(),
            v.vni.to_string(),
            policy.to_owned(),
            v.named.to_string(),
            may_send.to_owned(),
        ];
        let numbers = statistics.then(|| counters::cells(&v.counters));
        table.row(cells.into_iter().chain(numbers.into_iter().flatten()));
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use vxbpf_common::{Vni, counters::Counters};

    use super::*;

    #[test]
    fn vteps_are_shown_with_policy_and_verdict() {
        let vtep = VtepInfo {
            vni: Vni::new(42).unwrap(),
            addr: "192.168.104.3".parse().unwrap(),
            policy: VtepPolicy::None,
            named: 3,
            may_send: true,
            origin: Origin::Command,
            counters: Counters::default(),
        };
        let json = serde_json::to_string(&row(&vtep)).unwrap();
        assert!(
            json.starts_with(
                r#"{"vni":42,"addr":"192.168.104.3","policy":null,"named":3,"may_send":true,"rx_packets":0"#
            ),
            "{json}"
        );
        assert_eq!(
            table(&[vtep], false),
            "VTEP           VNI  POLICY  NAMED  MAY-SEND\n\
             192.168.104.3   42  -           3  yes\n"
        );
    }
}
