//! Addresses of interfaces.

use std::net::IpAddr;

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope},
};

use super::request::{Refusal, request};
use crate::error::Result;

/// The addresses of an interface that others may send to for long and from beyond its link, in the kernel's order. Not
/// those that it will soon lose, nor multicast groups that it is said to listen to.
pub fn global_addresses(index: u32) -> Result<Vec<IpAddr>> {
    let messages = request(async |handle| {
        let all = handle.address().get().set_link_index_filter(index);
        all.execute().try_collect::<Vec<_>>().await.map_err(Refusal::from)
    })?
    .map_err(|e| e.doing(format!("addresses of interface {index}")))?;
    Ok(messages.iter().filter(|m| stays(m)).filter_map(own).filter(|addr| !addr.is_multicast()).collect())
}

/// All addresses of the namespace's interfaces.
pub fn addresses() -> Result<Vec<IpAddr>> {
    let messages = request(async |handle| {
        handle.address().get().execute().try_collect::<Vec<_>>().await.map_err(Refusal::from)
    })?
    .map_err(|e| e.doing("list addresses"))?;
    Ok(messages.iter().filter_map(own).collect())
}

fn stays(message: &AddressMessage) -> bool {
    // IFA_F_TEMPORARY, of IPv6, has the bit of IPv4's IFA_F_SECONDARY (linux/if_addr.h).
    let mut passing = AddressHeaderFlags::Deprecated;
    if message.header.family == AddressFamily::Inet6 {
        passing |= AddressHeaderFlags::Secondary | AddressHeaderFlags::Dadfailed;
    }
    message.header.scope == AddressScope::Universe && !message.header.flags.intersects(passing)
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
        assert_eq!(global_addresses(1).unwrap(), Vec::<IpAddr>::new());
        assert!(addresses().unwrap().contains(&IpAddr::from([127, 0, 0, 1])));
    }
}
