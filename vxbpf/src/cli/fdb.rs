//! `vxbpf fdb`: the forwarding database, in the words of `bridge fdb`.

use clap::Subcommand;

use super::Globals;
use crate::{
    Error,
    dataplane::{Dataplane, FdbFilter, Origin},
};

mod args;
mod usual;
mod view;

use args::{Del, Entry, Filter, Get};

const AFTER: &str = "\
The local VNI is src_vni if given, else that of dev NAME, else vni. The VNI on the wire is vni if \
given, else the local one. MAC 00:00:00:00:00:00 is the flood list of the VNI: one append per \
remote VTEP. A multicast MAC may have a list of its own, whose remotes get its frames instead.

Examples:
  vxbpf fdb add 02:42:c0:a8:00:03 dst 192.168.104.3 vni 42
  vxbpf fdb add 02:42:c0:a8:00:03 dev vxlan1 self dst 192.168.104.3 vni 42 port 4789
  vxbpf fdb append 00:00:00:00:00:00 dst 192.168.104.4 vni 42
  vxbpf fdb append 01:00:5e:00:00:fb dst 192.168.104.4 vni 42
  vxbpf fdb add 02:42:c0:a8:00:02 port-dev veth1 vni 42
  vxbpf fdb show vni 42 dst 192.168.104.3
  vxbpf fdb flush vni 42 dynamic";

/// Forwarding database.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER, override_usage = "vxbpf fdb {add|append|replace|del|show|get|flush} …")]
pub(super) struct FdbArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add an entry, or the first remote of a list
    #[command(
        override_usage = "vxbpf fdb add MAC {dst ADDR|port-dev DEV} [vni VNI] [src_vni VNI] [dev NAME] \
        [port PORT] [permanent|static|dynamic] [self]"
    )]
    Add(Entry),
    /// Add one more remote to the flood list or to a multicast MAC
    #[command(
        override_usage = "vxbpf fdb append MAC dst ADDR [vni VNI] [src_vni VNI] [dev NAME] [port PORT] \
        [permanent|static|dynamic] [self]"
    )]
    Append(Entry),
    /// Add or change an entry; not the flood list, nor a multicast MAC
    #[command(
        override_usage = "vxbpf fdb replace MAC {dst ADDR|port-dev DEV} [vni VNI] [src_vni VNI] [dev NAME] \
        [port PORT] [permanent|static|dynamic] [self]"
    )]
    Replace(Entry),
    /// Remove an entry; of the flood list or a multicast MAC, a remote or all
    #[command(alias = "delete")]
    #[command(
        override_usage = "vxbpf fdb del MAC [dst ADDR|port-dev DEV] [vni VNI] [src_vni VNI] [dev NAME] \
        [port PORT] [self]"
    )]
    Del(Del),
    /// Show entries; ages with -s
    #[command(aliases = ["list", "ls"])]
    #[command(override_usage = "vxbpf fdb show [vni VNI] [dev NAME] [mac MAC] [dst ADDR] \
        [state STATE|permanent|static|dynamic]")]
    Show(Filter),
    /// Show the entry of one MAC
    #[command(override_usage = "vxbpf fdb get MAC {vni VNI|src_vni VNI|dev NAME}")]
    Get(Get),
    /// Remove entries, learned or not; without a filter all of all VNIs
    #[command(
        after_help = "The remotes of flood lists and of multicast MACs stay, unless dst or mac is given."
    )]
    #[command(override_usage = "vxbpf fdb flush [vni VNI] [dev NAME] [mac MAC] [dst ADDR] \
        [state STATE|permanent|static|dynamic]")]
    Flush(Filter),
}

pub(super) fn run(args: &FdbArgs, globals: &Globals, dataplane: &mut Dataplane) -> anyhow::Result<()> {
    match &args.verb {
        Verb::Add(entry) => {
            let spec = entry.spec(dataplane)?;
            dataplane.fdb_add(&spec, Origin::Command)?;
        }
        Verb::Append(entry) => {
            let spec = entry.spec(dataplane)?;
            dataplane.fdb_append(&spec, Origin::Command)?;
        }
        Verb::Replace(entry) => {
            let spec = entry.spec(dataplane)?;
            dataplane.fdb_replace(&spec, Origin::Command)?;
        }
        Verb::Del(del) => delete(del, dataplane)?,
        Verb::Show(filter) => show(&filter.resolve(dataplane)?, dataplane, globals)?,
        Verb::Get(get) => {
            let vni = get.vni(dataplane)?;
            // A list has several destinations; that there is none is an error, as for any other MAC.
            dataplane.fdb_get(vni, get.mac)?;
            let filter = FdbFilter { vni: Some(vni), mac: Some(get.mac), ..FdbFilter::default() };
            show(&filter, dataplane, globals)?;
        }
        Verb::Flush(filter) => {
            let filter = filter.resolve(dataplane)?;
            globals.removed(dataplane.fdb_flush(&filter)?)?;
        }
    }
    Ok(())
}

/// Removes an entry, behind a local port only if it is behind that one.
fn delete(del: &Del, dataplane: &mut Dataplane) -> crate::Result<()> {
    let vni = del.vni(dataplane)?;
    if let Some(dev) = &del.port_dev {
        let found = dataplane.fdb_get(vni, del.mac)?;
        if found.dev.as_ref() != Some(dev) {
            return Err(Error::not_found(format!("FDB entry {} behind port {dev} in VNI {vni}", del.mac)));
        }
    }
    dataplane.fdb_del(vni, del.mac, del.remote().as_ref())
}

fn show(filter: &FdbFilter, dataplane: &Dataplane, globals: &Globals) -> anyhow::Result<()> {
    let entries = dataplane.fdb(filter)?;
    let (statistics, dstport) = (globals.statistics, dataplane.dstport());
    let rows: Vec<_> = entries.iter().map(|entry| view::row(entry, statistics, dstport)).collect();
    globals.show(&rows, || view::table(&entries, statistics, dstport))
}
