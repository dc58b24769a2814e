//! Stations as the kernel knows them: neighbours, and the FDB of its VXLAN devices.

use std::net::IpAddr;

use futures_util::{StreamExt as _, TryStreamExt as _};
use rtnetlink::{
    packet_core::{
        NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage,
        NetlinkPayload,
    },
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState},
    },
};
use vxbpf_common::Mac;

use super::request::{Refusal, request};
use crate::error::Result;

/// What to do about an entry that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExisting {
    /// It is an error.
    Fail,
    /// Change it.
    Replace,
    /// Add one more destination.
    Append,
}

/// An entry in the FDB of a VXLAN device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelFdb {
    /// The station; zero is for everything unknown.
    pub mac: Mac,
    /// The VTEP it is behind.
    pub dst: IpAddr,
    /// Whether it stays for ever.
    pub permanent: bool,
}

/// Adds a permanent neighbour to an interface.
pub fn add_neighbour(index: u32, addr: IpAddr, mac: Mac) -> Result<()> {
    request(async |handle| {
        let neighbour = handle.neighbours().add(index, addr).link_layer_address(&mac.octets());
        neighbour.execute().await.map_err(Refusal::from)
    })?
    .map_err(|e| e.doing(format!("add neighbour {addr} of interface {index}")))
}

/// Adds a permanent entry to the FDB of a VXLAN device.
pub fn add_fdb(index: u32, mac: Mac, dst: IpAddr, existing: OnExisting) -> Result<()> {
    let mut entry = NeighbourMessage::default();
    entry.header.family = AddressFamily::Bridge;
    entry.header.ifindex = index;
    entry.header.state = NeighbourState::Permanent;
    entry.header.flags = NeighbourFlags::Own;
    entry.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.octets().to_vec()));
    entry.attributes.push(NeighbourAttribute::Destination(match dst {
        IpAddr::V4(dst) => NeighbourAddress::Inet(dst),
        IpAddr::V6(dst) => NeighbourAddress::Inet6(dst),
    }));
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::NewNeighbour(entry));
    message.header.flags = NLM_F_REQUEST
        | NLM_F_ACK
        | NLM_F_CREATE
        | match existing {
            OnExisting::Fail => NLM_F_EXCL,
            OnExisting::Replace => NLM_F_REPLACE,
            OnExisting::Append => NLM_F_APPEND,
        };
    request(async |mut handle| {
        let mut answers = handle.request(message)?;
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(error) = answer.payload {
                return Err(rtnetlink::Error::NetlinkError(error).into());
            }
        }
        Ok(())
    })?
    .map_err(|e| e.doing(format!("add FDB entry {mac} of interface {index}")))
}

/// The FDB of a VXLAN device, sorted.
pub fn fdb(index: u32) -> Result<Vec<KernelFdb>> {
    let messages = request(async |handle| {
        let all = handle.neighbours().get().set_address_family(AddressFamily::Bridge);
        all.execute().try_collect::<Vec<_>>().await.map_err(Refusal::from)
    })?
    .map_err(|e| e.doing(format!("FDB of interface {index}")))?;
    let mut entries: Vec<KernelFdb> =
        messages.iter().filter(|m| m.header.ifindex == index).filter_map(read).collect();
    entries.sort_unstable_by_key(|entry| (entry.mac, entry.dst));
    Ok(entries)
}

/// Entries of the bridge above the device have no VTEP, and are left out.
fn read(message: &NeighbourMessage) -> Option<KernelFdb> {
    let (mut mac, mut dst) = (None, None);
    for attribute in &message.attributes {
        if let NeighbourAttribute::LinkLayerAddress(bytes) = attribute {
            mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(Mac::new);
        } else if let NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) = attribute {
            // rtnetlink goes by the message's family, which is that of the bridge; only the length tells.
            dst = <[u8; 4]>::try_from(bytes.as_slice()).map(IpAddr::from).ok();
            dst = dst.or_else(|| <[u8; 16]>::try_from(bytes.as_slice()).map(IpAddr::from).ok());
        }
    }
    Some(KernelFdb { mac: mac?, dst: dst?, permanent: message.header.state == NeighbourState::Permanent })
}
