//! Hearing of interfaces that go away or change, so that the daemon forgets their ports, or says what no longer fits.

use futures_util::{Stream, StreamExt as _};
use rtnetlink::{
    MulticastGroup, new_multicast_connection,
    packet_core::{NetlinkMessage, NetlinkPayload},
    packet_route::{AddressFamily, RouteNetlinkMessage, link::LinkAttribute},
};

use crate::error::{Error, Result};

/// What happened to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// The one of that index was deleted, or moved to another namespace.
    Removed(u32),
    /// Something about it is, or may be, new.
    Changed {
        /// Its index.
        index: u32,
        /// Its name.
        name: String,
        /// Its MTU.
        mtu: u32,
    },
}

/// What happens to interfaces from now on. For use in a tokio runtime.
///
/// A hint, not a record: the kernel drops notifications that are not read fast enough.
pub async fn link_changes() -> Result<impl Stream<Item = LinkChange> + Send + Unpin> {
    let (connection, _, messages) =
        new_multicast_connection(&[MulticastGroup::Link]).map_err(Error::system("watch interfaces"))?;
    tokio::spawn(connection);
    Ok(messages.filter_map(|(message, _)| std::future::ready(change(&message))))
}

fn change(message: &NetlinkMessage<RouteNetlinkMessage>) -> Option<LinkChange> {
    let NetlinkPayload::InnerMessage(message) = &message.payload else { return None };
    let (RouteNetlinkMessage::DelLink(link) | RouteNetlinkMessage::NewLink(link)) = message else {
        return None;
    };
    // AF_BRIDGE says the same of an interface that only leaves its bridge.
    if link.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let index = link.header.index;
    if let RouteNetlinkMessage::DelLink(_) = message {
        return Some(LinkChange::Removed(index));
    }
    let mtu = |attribute: &_| if let LinkAttribute::Mtu(mtu) = attribute { Some(*mtu) } else { None };
    let name = |attribute: &_| {
        if let LinkAttribute::IfName(name) = attribute { Some(String::clone(name)) } else { None }
    };
    let mut attributes = link.attributes.iter();
    let name = attributes.clone().find_map(name)?;
    Some(LinkChange::Changed { index, name, mtu: attributes.find_map(mtu)? })
}
