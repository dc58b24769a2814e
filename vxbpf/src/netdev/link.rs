//! Interfaces as they are: what they are called, what they are, and whether they are up.

use futures_util::TryStreamExt as _;
use nix::errno::Errno;
use rtnetlink::packet_route::link::{
    InfoData, InfoKind, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use vxbpf_common::{Mac, Vni};

use super::{
    helper::IpVersion,
    request::{Refusal, request},
};
use crate::error::{Error, Result};

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: LinkKind,
    /// Its MAC address, if it has one.
    pub mac: Option<Mac>,
    /// Its MTU.
    pub mtu: u32,
    /// Whether it is set up.
    pub up: bool,
    /// Whether it carries Ethernet frames.
    pub ethernet: bool,
    /// Whether its other end (of a veth, say) is in another network namespace.
    pub leads_out: bool,
    /// Index of its other end, and the id that we have for the namespace of that, if it is another.
    pub(crate) peer: Option<(u32, Option<i32>)>,
}

/// What an interface is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// One end of a veth pair.
    Veth,
    /// A tun or tap device.
    Tun,
    /// One that has a driver of its own, virtual hardware included.
    Hardware,
    /// A VXLAN device of the kernel.
    Vxlan {
        /// Its VNI, if it has only one.
        vni: Option<Vni>,
        /// Its UDP port.
        dstport: u16,
        /// Takes the VNI from the packet's metadata (`external`).
        external: bool,
        /// The version of IP that its socket is for.
        version: IpVersion,
    },
    /// Any other, by the name that `ip link add type` has for it.
    Other(String),
}

/// The interface of that name.
pub fn link(name: &str) -> Result<Link> {
    find(name)?.ok_or_else(|| Error::not_found(format!("interface {name}")))
}

/// The interface of that index, if there is one.
pub fn link_at(index: u32) -> Result<Option<Link>> {
    let message = request(async |handle| {
        handle.link().get().match_index(index).execute().try_next().await.map_err(Refusal::from)
    })?;
    found(message, || format!("interface {index}"))
}

/// All interfaces of the namespace, by index.
pub fn links() -> Result<Vec<Link>> {
    let messages = request(async |handle| {
        handle.link().get().execute().try_collect::<Vec<_>>().await.map_err(Refusal::from)
    })?;
    let mut links: Vec<Link> = messages.map_err(|e| e.doing("list interfaces"))?.iter().map(read).collect();
    links.sort_unstable_by_key(|link| link.index);
    Ok(links)
}

/// As [`link`], when it is no error that there is none.
pub(super) fn find(name: &str) -> Result<Option<Link>> {
    // The kernel has no longer names, and would find an interface that is called something else.
    if name.is_empty() || name.len() > 15 {
        return Ok(None);
    }
    let message = request(async |handle| {
        handle.link().get().match_name(name).execute().try_next().await.map_err(Refusal::from)
    })?;
    found(message, || format!("interface {name}"))
}

fn found(
    message: std::result::Result<Option<LinkMessage>, Refusal>,
    what: impl FnOnce() -> String,
) -> Result<Option<Link>> {
    match message {
        Ok(message) => Ok(message.as_ref().map(read)),
        Err(refusal) if refusal.is(Errno::ENODEV) => Ok(None),
        Err(refusal) => Err(refusal.doing(what())),
    }
}

pub(super) fn read(message: &LinkMessage) -> Link {
    let header = &message.header;
    let mut link = Link {
        index: header.index,
        name: String::new(),
        kind: LinkKind::Hardware,
        mac: None,
        mtu: 0,
        up: header.flags.contains(LinkFlags::Up),
        ethernet: header.link_layer_type == LinkLayerType::Ether,
        leads_out: false,
        peer: None,
    };
    let mut namespace = None;
    if header.flags.contains(LinkFlags::Loopback) {
        link.kind = LinkKind::Other("loopback".to_owned());
    }
    for attribute in &message.attributes {
        if let LinkAttribute::IfName(name) = attribute {
            link.name.clone_from(name);
        } else if let LinkAttribute::Mtu(mtu) = attribute {
            link.mtu = *mtu;
        } else if let LinkAttribute::LinkNetNsId(id) = attribute {
            link.leads_out = true;
            namespace = Some(*id);
        } else if let LinkAttribute::Link(index) = attribute {
            link.peer = Some((*index, None));
        } else if let LinkAttribute::Address(bytes) = attribute {
            link.mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(Mac::new);
        } else if let LinkAttribute::LinkInfo(infos) = attribute {
            link.kind = read_kind(infos).unwrap_or(link.kind);
        }
    }
    link.peer = link.peer.map(|(index, _)| (index, namespace));
    link
}

fn read_kind(infos: &[LinkInfo]) -> Option<LinkKind> {
    let kind =
        infos.iter().find_map(|info| if let LinkInfo::Kind(kind) = info { Some(kind) } else { None })?;
    let read = [
        (InfoKind::Veth, LinkKind::Veth),
        (InfoKind::Tun, LinkKind::Tun),
        (InfoKind::Vxlan, read_vxlan(infos)),
    ];
    let known = read.into_iter().find(|(ours, _)| ours == kind);
    Some(known.map_or_else(|| LinkKind::Other(kind.to_string()), |(_, link_kind)| link_kind))
}

fn read_vxlan(infos: &[LinkInfo]) -> LinkKind {
    let (mut vni, mut dstport, mut external, mut version) = (None, 0, false, IpVersion::V4);
    for info in infos {
        let LinkInfo::Data(InfoData::Vxlan(data)) = info else { continue };
        for item in data {
            if let InfoVxlan::Id(id) = item {
                vni = Vni::new(*id);
            } else if let InfoVxlan::Port(port) = item {
                dstport = *port;
            } else if let InfoVxlan::CollectMetadata(on) = item {
                external = *on;
            } else if let InfoVxlan::Local6(_) | InfoVxlan::Group6(_) = item {
                version = IpVersion::V6;
            }
        }
    }
    LinkKind::Vxlan { vni: vni.filter(|_| !external), dstport, external, version }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_has_a_loopback() {
        let lo = link("lo").unwrap();
        assert_eq!((lo.index, lo.kind, lo.ethernet), (1, LinkKind::Other("loopback".to_owned()), false));
        assert!(links().unwrap().iter().any(|link| link.name == "lo"));
    }

    #[test]
    fn an_interface_that_is_not_there_is_named() {
        for name in ["nope", "much-too-long-for-an-interface"] {
            assert_eq!(link(name).unwrap_err().to_string(), format!("interface {name} does not exist"));
        }
    }
}
