//! `vxbpf vni`: VXLAN networks and their options.

use clap::{ArgGroup, Args, Subcommand};
use serde::Serialize;
use vxbpf_common::Vni;

use super::{Globals, output::Columns, values};
use crate::{
    Error,
    dataplane::{ArpMiss, Dataplane, Df, Origin, Tos, Ttl, VniChange, VniInfo, VniOptions, VtepFilter},
};

const AFTER: &str = "\
`vni show` lists the options that are not the default, `vni show VNI` lists all.

Examples:
  vxbpf vni add 42 name vxlan1
  vxbpf vni add 42 name vxlan1 ageing 600 limit 1000 arp-miss drop ttl inherit
  vxbpf vni set 42 --learning off
  vxbpf vni add 43 group 239.1.1.43
  vxbpf vni show 42
  vxbpf vni del 42";

/// VXLAN networks.
#[derive(Debug, Args)]
#[command(after_help = AFTER, override_usage = "vxbpf vni {add|set|del|show} …")]
pub(super) struct VniArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a VNI
    #[command(override_usage = "vxbpf vni add VNI [name NAME] [learning on|off] [ageing SECS] [limit N] \
        [arp-miss flood|drop] [ttl N|inherit] [tos N|inherit] [df set|unset|inherit] [vtep-filter known|any] \
        [group ADDR|none]")]
    Add(Change),
    /// Change options of a VNI; what is not given stays
    #[command(group = ArgGroup::new("change").required(true).multiple(true).args(OPTIONS))]
    #[command(override_usage = "vxbpf vni set VNI [name NAME] [learning on|off] [ageing SECS] [limit N] \
        [arp-miss flood|drop] [ttl N|inherit] [tos N|inherit] [df set|unset|inherit] [vtep-filter known|any] \
        [group ADDR|none]")]
    Set(Change),
    /// Remove a VNI with its FDB, flood list and neighbours
    #[command(alias = "delete", override_usage = "vxbpf vni del VNI")]
    Del {
        /// The VNI
        vni: Vni,
    },
    /// Show VNIs, their options and how much is in them
    #[command(aliases = ["list", "ls"], override_usage = "vxbpf vni show [VNI]")]
    Show {
        /// This one only
        vni: Option<Vni>,
    },
}

/// One of these must be set by `vni set`.
const OPTIONS: [&str; 10] =
    ["name", "learning", "ageing", "limit", "arp_miss", "ttl", "tos", "df", "vtep_filter", "group"];

#[derive(Debug, Args)]
struct Change {
    /// The VNI
    vni: Vni,
    /// Name, for `dev NAME` in other commands
    #[arg(long)]
    name: Option<String>,
    /// Learn source MACs [default: on]
    #[arg(long, value_name = "on|off", value_parser = values::on_off)]
    learning: Option<bool>,
    /// Seconds that a dynamic FDB entry lives unheard, 0 for ever [default: 300]
    #[arg(long, value_name = "SECS", value_parser = values::number)]
    ageing: Option<u32>,
    /// Most dynamic FDB entries, 0 no limit [default: 0]
    #[arg(long, value_name = "N", value_parser = values::number)]
    limit: Option<u32>,
    /// What becomes of an ARP request or neighbour solicitation that we cannot answer [default: flood]
    #[arg(long, value_name = "flood|drop", alias = "arp_miss")]
    arp_miss: Option<ArpMiss>,
    /// Outer TTL [default: 64]
    #[arg(long, value_name = "N|inherit")]
    ttl: Option<Ttl>,
    /// Outer TOS; its ECN bits always follow RFC 6040 [default: 0]
    #[arg(long, value_name = "N|inherit")]
    tos: Option<Tos>,
    /// Outer DF bit [default: set]
    #[arg(long, value_name = "set|unset|inherit")]
    df: Option<Df>,
    /// Who may send: VTEPs named in FDB, flood list or allow list, or any [default: known]
    #[arg(long, value_name = "known|any", alias = "vtep_filter")]
    vtep_filter: Option<VtepFilter>,
    /// Multicast group of the underlay to flood to and to listen to; makes vtep-filter any unless it is given
    #[arg(long, value_name = "ADDR|none", value_parser = values::group)]
    group: Option<values::Group>,
}

impl Change {
    fn to_change(&self) -> VniChange {
        VniChange {
            name: self.name.clone(),
            learning: self.learning,
            ageing: self.ageing,
            limit: self.limit,
            arp_miss: self.arp_miss,
            ttl: self.ttl,
            tos: self.tos,
            df: self.df,
            vtep_filter: self.vtep_filter,
            group: self.group.map(|group| group.0),
        }
    }
}

pub(super) fn run(args: &VniArgs, globals: &Globals, dataplane: &mut Dataplane) -> anyhow::Result<()> {
    match &args.verb {
        Verb::Add(add) => {
            let options = add.to_change().apply(&VniOptions::default());
            dataplane.vni_add(add.vni, &options, Origin::Command)?;
        }
        Verb::Set(set) => dataplane.vni_set(set.vni, &set.to_change())?,
        Verb::Del { vni } => dataplane.vni_del(*vni)?,
        Verb::Show { vni } => {
            let mut vnis = dataplane.vnis()?;
            if let Some(vni) = vni {
                vnis.retain(|info| info.vni == *vni);
                if vnis.is_empty() {
                    return Err(Error::not_found(format!("VNI {vni}")).into());
                }
            }
            globals.show(&vnis.iter().map(row).collect::<Vec<_>>(), || table(&vnis, vni.is_some()))?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Row<'a> {
    vni: u32,
    #[serde(flatten)]
    options: &'a VniOptions,
    ports: usize,
    fdb: usize,
    learned: usize,
    remotes: usize,
    groups: usize,
    neigh: usize,
}

fn row(info: &VniInfo) -> Row<'_> {
    Row {
        vni: info.vni.get(),
        options: &info.options,
        ports: info.ports,
        fdb: info.fdb,
        learned: info.learned,
        remotes: info.remotes,
        groups: info.groups,
        neigh: info.neigh,
    }
}

fn table(vnis: &[VniInfo], all: bool) -> String {
    let mut table = Columns::new([
        ">VNI", "NAME", ">PORTS", ">FDB", ">LEARNED", ">REMOTES", ">GROUPS", ">NEIGH", "OPTIONS",
    ]);
    for info in vnis {
        let counts = [info.ports, info.fdb, info.learned, info.remotes, info.groups, info.neigh]
            .map(|count| count.to_string());
        let name = info.options.name.clone().unwrap_or_default();
        let cells = [info.vni.to_string(), name].into_iter().chain(counts);
        table.row(cells.chain([options(&info.options, all)]));
    }
    table.to_string()
}

/// Options as `vni set` takes them: all of them, or those that are not the default.
fn options(options: &VniOptions, all: bool) -> String {
    let words = |options: &VniOptions| {
        [
            ("learning", if options.learning { "on" } else { "off" }.to_owned()),
            ("ageing", options.ageing.to_string()),
            ("limit", options.limit.to_string()),
            ("arp-miss", options.arp_miss.to_string()),
            ("ttl", options.ttl.to_string()),
            ("tos", options.tos.to_string()),
            ("df", options.df.to_string()),
            ("vtep-filter", options.vtep_filter.to_string()),
            ("group", options.group.map_or_else(|| "none".to_owned(), |group| group.to_string())),
        ]
    };
    let shown = words(options)
        .into_iter()
        .zip(words(&VniOptions::default()))
        .filter(|(ours, default)| all || ours != default);
    shown.map(|((word, value), _)| format!("{word} {value}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> VniInfo {
        let options =
            VniOptions { name: Some("vxlan1".into()), ageing: 600, ttl: Ttl::Inherit, ..Default::default() };
        VniInfo {
            vni: Vni::new(42).unwrap(),
            options,
            ports: 2,
            fdb: 5,
            learned: 1,
            remotes: 2,
            groups: 0,
            neigh: 5,
            origin: Origin::Command,
        }
    }

    #[test]
    fn json_has_every_option_and_the_counts() {
        assert_eq!(
            serde_json::to_string(&row(&info())).unwrap(),
            r#"{"vni":42,"name":"vxlan1","learning":true,"ageing":600,"limit":0,"arp_miss":"flood","ttl":"inherit","tos":0,"df":"set","vtep_filter":"known","group":null,"ports":2,"fdb":5,"learned":1,"remotes":2,"groups":0,"neigh":5}"#
        );
    }

    #[test]
    fn people_see_what_is_not_the_default_or_everything_of_one() {
        assert_eq!(
            table(&[info()], false),
            "VNI  NAME    PORTS  FDB  LEARNED  REMOTES  GROUPS  NEIGH  OPTIONS\n \
              42  vxlan1      2    5        1        2       0      5  ageing 600 ttl inherit\n"
        );
        assert_eq!(
            options(&VniOptions::default(), true),
            "learning on ageing 300 limit 0 arp-miss flood ttl 64 tos 0 df set vtep-filter known group none"
        );
        assert_eq!(options(&VniOptions::default(), false), "");
    }
}
