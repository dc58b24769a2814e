//! Hearing of interfaces that go away, so that the daemon forgets their ports.

use futures_util::{Stream, StreamExt as _};
use rtnetlink::{
    MulticastGroup, new_multicast_connection,
    packet_core::{NetlinkMessage, NetlinkPayload},
    packet_route::{AddressFamily, RouteNetlinkMessage},
};

use crate::error::{Error, Result};

/// Indexes of interfaces that are deleted or moved to another namespace, from now on. For use in a tokio runtime.
///
/// A hint, not a record: the kernel drops notifications that are not read fast enough.
pub async fn removed_links() -> Result<impl Stream<Item = u32> + Send + Unpin> {
    let (connection, _, messages) =
        new_multicast_connection(&[MulticastGroup::Link]).map_err(Error::system("watch interfaces"))?;
    tokio::spawn(connection);
    Ok(messages.filter_map(|(message, _)| std::future::ready(removed(&message))))
}

fn removed(message: &NetlinkMessage<RouteNetlinkMessage>) -> Option<u32> {
    let NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) = &message.payload else {
        return None;
    };
    // AF_BRIDGE says the same of an interface that only leaves its bridge.
    (link.header.interface_family == AddressFamily::Unspec).then_some(link.header.index)
}
