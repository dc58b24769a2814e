//! Addresses of interfaces.

use std::net::IpAddr;

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage, AddressScope};

use super::request::{Refusal, request};
use crate::error::Result;

/// The first address of an interface that is good beyond its link: IPv4 if there is one, else IPv6.
pub fn first_global_address(index: u32) -> Result<Option<IpAddr>> {
    let messages = request(async |handle| {
        let all = handle.address().get().set_link_index_filter(index);
        all.execute().try_collect::<Vec<_>>().await.map_err(Refusal::from)
    })?
    .map_err(|e| e.doing(format!("addresses of interface {index}")))?;
    let global: Vec<IpAddr> =
        messages.iter().filter(|m| m.header.scope == AddressScope::Universe).filter_map(own).collect();
    Ok(global.iter().find(|addr| addr.is_ipv4()).or(global.first()).copied())
}

/// Our end of an address: on a point-to-point interface `Address` is the other end's.
fn own(message: &AddressMessage) -> Option<IpAddr> {
    let (mut local, mut address) = (None, None);
    for attribute in &message.attributes {
        if let AddressAttribute::Local(addr) = attribute {
            local = Some(*addr);
        } else if let AddressAttribute::Address(addr) = attribute {
            address = Some(*addr);
        }
    }
    local.or(address)
}

/// Gives an interface an address.
pub fn add_address(index: u32, addr: IpAddr, prefix: u8) -> Result<()> {
    request(async |handle| handle.address().add(index, addr, prefix).execute().await.map_err(Refusal::from))?
        .map_err(|e| e.doing(format!("add address {addr}/{prefix} to interface {index}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_no_global_address() {
        assert_eq!(first_global_address(1).unwrap(), None);
    }
}
