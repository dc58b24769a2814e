//! Changing interfaces that are there.

use nix::errno::Errno;
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use super::{
    link,
    request::{Refusal, request},
};
use crate::error::Result;

/// Deletes the interface of that name. One that is gone already is fine.
pub fn delete(name: &str) -> Result<()> {
    let Some(link) = link::find(name)? else { return Ok(()) };
    let deleted =
        request(async |handle| handle.link().del(link.index).execute().await.map_err(Refusal::from))?;
    match deleted {
        Err(refusal) if !refusal.is(Errno::ENODEV) => Err(refusal.doing(format!("delete interface {name}"))),
        _ => Ok(()),
    }
}

/// Sets the MTU of an interface.
pub fn set_mtu(index: u32, mtu: u32) -> Result<()> {
    set(index, |change| change.mtu(mtu))?
        .map_err(|e| e.doing(format!("set the MTU of interface {index} to {mtu}")))
}

/// Sets an interface up.
pub fn set_up(index: u32) -> Result<()> {
    set(index, LinkMessageBuilder::up)?.map_err(|e| e.doing(format!("set interface {index} up")))
}

/// Makes an interface a port of a bridge.
pub fn enslave(index: u32, bridge: u32) -> Result<()> {
    set(index, |change| change.controller(bridge))?
        .map_err(|e| e.doing(format!("add interface {index} to bridge {bridge}")))
}

pub(super) fn set(
    index: u32,
    change: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>,
) -> Result<std::result::Result<(), Refusal>> {
    let message = change(LinkUnspec::new_with_index(index)).build();
    request(async |handle| handle.link().set(message).execute().await.map_err(Refusal::from))
}
