//! The other end of an interface, though it be in another network namespace.

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::link::LinkAttribute;

use super::{
    link::{Link, LinkKind, read},
    request::{Refusal, request},
};
use crate::error::Result;

/// The other end of a veth pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name, in its own namespace.
    pub name: String,
    /// Its MTU.
    pub mtu: u32,
}

/// The other end of a veth pair, if it can be seen from here.
pub fn peer(link: &Link) -> Result<Option<Peer>> {
    let (LinkKind::Veth, Some((index, namespace))) = (&link.kind, link.peer) else { return Ok(None) };
    let message = request(async |handle| {
        let mut get = handle.link().get().match_index(index);
        if let Some(id) = namespace {
            // Linux 4.15 looks there, as far as it has the rights (rtnl_get_net_ns_capable).
            get.message_mut().attributes.push(LinkAttribute::IfNetnsId(id));
        }
        get.execute().try_next().await.map_err(Refusal::from)
    })?;
    let link = message.ok().flatten().as_ref().map(read);
    Ok(link.map(|link| Peer { name: link.name, mtu: link.mtu }))
}
