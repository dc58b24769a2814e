//! Addresses of interfaces.

use std::net::IpAddr;

use futures_util::TryStreamExt as _;
use nix::errno::Errno;
use rtnetlink::packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressScope},
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

/// Makes an interface a member of a multicast group, for as long as it has the address that stands for it. False: it
/// had it already.
pub fn join_group(index: u32, group: IpAddr) -> Result<bool> {
    let joined = request(async |handle| {
        let mut add = handle.address().add(index, group, 0);
        *add.message_mut() = membership(index, group);
        add.execute().await.map_err(Refusal::from)
    })?;
    match joined {
        Ok(()) => Ok(true),
        Err(refusal) if refusal.is(Errno::EEXIST) => Ok(false),
        Err(refusal) => Err(refusal.doing(format!("join group {group} on interface {index}"))),
    }
}

/// Ends what [`join_group`] began. Ended already is fine.
pub fn leave_group(index: u32, group: IpAddr) -> Result<()> {
    let left = request(async |handle| {
        handle.address().del(membership(index, group)).execute().await.map_err(Refusal::from)
    })?;
    match left {
        Err(refusal) if !refusal.is(Errno::EADDRNOTAVAIL) && !refusal.is(Errno::ENODEV) => {
            Err(refusal.doing(format!("leave group {group} on interface {index}")))
        }
        _ => Ok(()),
    }
}

/// The address that stands for a membership. It has the scope of the host, so that no packet gets it for its source.
fn membership(index: u32, group: IpAddr) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = if group.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.prefix_len = if group.is_ipv4() { 32 } else { 128 };
    message.header.scope = AddressScope::Host;
    message.header.index = index;
    let flags = AddressFlags::Mcautojoin | AddressFlags::Noprefixroute | AddressFlags::Nodad;
    message.attributes = vec![
        AddressAttribute::Local(group),
        AddressAttribute::Address(group),
        AddressAttribute::Flags(flags),
    ];
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_no_global_address() {
        assert_eq!(global_addresses(1).unwrap(), Vec::<IpAddr>::new());
    }
}
