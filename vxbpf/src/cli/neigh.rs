//! `vxbpf neigh`: the neighbour table that answers ARP and ND.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use serde::Serialize;
use vxbpf_common::Mac;

use super::{
    Globals,
    output::Columns,
    values,
    which::{HomeVni, Scope, once},
};
use crate::dataplane::{Dataplane, FdbState, NeighInfo, Neighbour, Origin};

const AFTER: &str = "\
Examples:
  vxbpf neigh add 12.12.12.3 lladdr 02:42:c0:a8:00:03 vni 42
  vxbpf neigh add 12.12.12.3 lladdr 02:42:c0:a8:00:03 dev vxlan1 nud permanent
  vxbpf neigh add fd12::1 lladdr 02:42:c0:a8:00:01 router vni 42
  vxbpf neigh show vni 42
  vxbpf neigh del 12.12.12.3 dev vxlan1";

/// Neighbour table for ARP and ND.
#[derive(Debug, Args)]
#[command(after_help = AFTER, override_usage = "vxbpf neigh {add|replace|del|show|flush} …")]
pub(super) struct NeighArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add a neighbour
    #[command(override_usage = "vxbpf neigh add ADDR lladdr MAC [router] {vni VNI|dev NAME}")]
    Add(Entry),
    /// Add a neighbour or change it
    #[command(override_usage = "vxbpf neigh replace ADDR lladdr MAC [router] {vni VNI|dev NAME}")]
    Replace(Entry),
    /// Remove a neighbour
    #[command(alias = "delete", override_usage = "vxbpf neigh del ADDR {vni VNI|dev NAME}")]
    Del(Del),
    /// Show neighbours
    #[command(aliases = ["list", "ls"], override_usage = "vxbpf neigh show [vni VNI] [dev NAME]")]
    Show(Scope),
    /// Remove neighbours: of a VNI, or without one of all VNIs
    #[command(override_usage = "vxbpf neigh flush [vni VNI] [dev NAME]")]
    Flush(Scope),
}

#[derive(Debug, Args)]
struct Entry {
    /// The address
    #[arg(value_parser = values::ip)]
    addr: IpAddr,
    /// The station that has it
    #[arg(long, value_name = "MAC")]
    lladdr: Mac,
    /// It is a router, and ND is to say so
    #[arg(long)]
    router: bool,
    #[command(flatten)]
    which: HomeVni,
    /// Accepted, changes nothing
    #[arg(long, value_name = "permanent", value_parser = values::nud)]
    nud: Option<()>,
}

#[derive(Debug, Args)]
struct Del {
    /// The address
    #[arg(value_parser = values::ip)]
    addr: IpAddr,
    #[command(flatten)]
    which: HomeVni,
    /// Accepted and not compared, as in iproute2
    #[arg(long, value_name = "MAC")]
    lladdr: Option<Mac>,
    /// Accepted, changes nothing
    #[arg(long, value_name = "permanent", value_parser = values::nud)]
    nud: Option<()>,
}

impl NeighArgs {
    /// A usual line of a batch, as clap would take it; see `FdbArgs::usual`.
    pub(super) fn usual<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let (Some("neigh"), Some(verb @ ("add" | "replace" | "del"))) = (words.next(), words.next()) else {
            return None;
        };
        let (mut addr, mut lladdr, mut router, mut nud) = (None, None, false, None);
        let mut which = HomeVni::default();
        while let Some(word) = words.next() {
            match word {
                "lladdr" => once(&mut lladdr, words.next()?.parse().ok()?)?,
                "nud" => once(&mut nud, values::nud(words.next()?).ok()?)?,
                "router" if !router && verb != "del" => router = true,
                _ if which.usual(word, &mut words)? => {}
                _ => once(&mut addr, values::ip(word).ok()?)?,
            }
        }
        let (addr, which) = (addr?, which.given()?);
        let verb = match verb {
            "add" => Verb::Add(Entry { addr, lladdr: lladdr?, router, which, nud }),
            "replace" => Verb::Replace(Entry { addr, lladdr: lladdr?, router, which, nud }),
            _ => Verb::Del(Del { addr, which, lladdr, nud }),
        };
        Some(Self { verb })
    }
}

impl Entry {
    fn neighbour(&self) -> Neighbour {
        Neighbour { lladdr: self.lladdr, router: self.router }
    }
}

pub(super) fn run(args: &NeighArgs, globals: &Globals, dataplane: &mut Dataplane) -> anyhow::Result<()> {
    match &args.verb {
        Verb::Add(entry) => {
            let vni = entry.which.resolve(dataplane)?;
            dataplane.neigh_add(vni, entry.addr, entry.neighbour(), Origin::Command)?;
        }
        Verb::Replace(entry) => {
            let vni = entry.which.resolve(dataplane)?;
            dataplane.neigh_replace(vni, entry.addr, entry.neighbour(), Origin::Command)?;
        }
        Verb::Del(del) => {
            let vni = del.which.resolve(dataplane)?;
            dataplane.neigh_del(vni, del.addr)?;
        }
        Verb::Show(scope) => {
            let neighs = dataplane.neighs(scope.resolve(dataplane)?)?;
            globals.show(&neighs.iter().map(row).collect::<Vec<_>>(), || table(&neighs))?;
        }
        Verb::Flush(scope) => {
            let vni = scope.resolve(dataplane)?;
            globals.removed(dataplane.neigh_flush(vni)?)?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Row {
    addr: IpAddr,
    lladdr: String,
    vni: u32,
    state: FdbState,
    router: bool,
}

fn row(neigh: &NeighInfo) -> Row {
    let Neighbour { lladdr, router } = neigh.neighbour;
    Row { addr: neigh.addr, lladdr: lladdr.to_string(), vni: neigh.vni.get(), state: neigh.state, router }
}

fn table(neighs: &[NeighInfo]) -> String {
    let mut table = Columns::new(["ADDRESS", "LLADDR", ">VNI", "STATE", "FLAGS"]);
    for n in neighs {
        let Neighbour { lladdr, router } = n.neighbour;
        table.row([
            n.addr.to_string(),
            lladdr.to_string(),
            n.vni.to_string(),
            n.state.to_string(),
            if router { "router" } else { "" }.to_owned(),
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use vxbpf_common::Vni;

    use super::*;

    #[test]
    fn neighbours_are_shown_as_promised() {
        let neigh = |addr: &str, router| NeighInfo {
            vni: Vni::new(42).unwrap(),
            addr: addr.parse().unwrap(),
            neighbour: Neighbour { lladdr: "02:42:c0:a8:00:03".parse().unwrap(), router },
            state: FdbState::Permanent,
            origin: Origin::Command,
        };
        assert_eq!(
            serde_json::to_string(&row(&neigh("12.12.12.3", false))).unwrap(),
            r#"{"addr":"12.12.12.3","lladdr":"02:42:c0:a8:00:03","vni":42,"state":"permanent","router":false}"#
        );
        assert_eq!(
            table(&[neigh("12.12.12.3", false), neigh("fd12::3", true)]),
            "ADDRESS     LLADDR             VNI  STATE      FLAGS\n\
             12.12.12.3  02:42:c0:a8:00:03   42  permanent  -\n\
             fd12::3     02:42:c0:a8:00:03   42  permanent  router\n"
        );
    }
}
