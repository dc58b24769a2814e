//! Making interfaces: veth pairs, bridges, and VXLAN devices of the kernel to compare with.

use std::{
    net::IpAddr,
    os::fd::{AsFd as _, AsRawFd as _},
};

use rtnetlink::{
    LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, LinkVxlan,
    packet_route::link::{InfoData, InfoVeth, LinkMessage},
};
use vxbpf_common::{Mac, Vni};

use super::request::{Refusal, request};
use crate::{
    error::{Error, Result},
    netns::NetNs,
};

/// One end of a veth pair.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Its name.
    pub name: &'a str,
    /// The namespace it is made in; that of the caller if not given.
    pub netns: Option<&'a NetNs>,
    /// Its MAC address; a random one if not given.
    pub mac: Option<Mac>,
    /// Its MTU.
    pub mtu: u32,
}

/// Makes a veth pair, each end where it belongs. Both are down.
pub fn create_veth(a: &End<'_>, b: &End<'_>) -> Result<()> {
    let peer = a_link(b, LinkUnspec::new_with_name(b.name)).build();
    let pair =
        a_link(a, LinkVeth::new(a.name, b.name)).set_info_data(InfoData::Veth(InfoVeth::Peer(peer))).build();
    add(pair)?.map_err(|refusal| failed(&format!("veth pair {} and {}", a.name, b.name), refusal))
}

fn a_link<T>(end: &End<'_>, mut link: LinkMessageBuilder<T>) -> LinkMessageBuilder<T> {
    link = link.mtu(end.mtu);
    if let Some(mac) = end.mac {
        link = link.address(mac.octets().to_vec());
    }
    match end.netns {
        Some(netns) => link.setns_by_fd(netns.as_fd().as_raw_fd()),
        None => link,
    }
}

/// Makes a bridge, and sets it up.
pub fn create_bridge(name: &str) -> Result<()> {
    add(LinkBridge::new(name).build())?.map_err(|refusal| failed(&format!("bridge {name}"), refusal))
}

/// Makes a VXLAN device of the kernel that learns, and answers ARP from the neighbours it is given. It is down.
pub fn create_vxlan(name: &str, vni: Vni, dstport: u16, local: IpAddr) -> Result<()> {
    let device = LinkVxlan::new(name, vni.get()).port(dstport).learning(true).proxy(true);
    let device = match local {
        IpAddr::V4(local) => device.local(local),
        IpAddr::V6(local) => device.local6(local),
    };
    add(device.build())?.map_err(|refusal| failed(&format!("VXLAN device {name}"), refusal))
}

fn add(message: LinkMessage) -> Result<std::result::Result<(), Refusal>> {
    request(async |handle| handle.link().add(message).execute().await.map_err(Refusal::from))
}

fn failed(what: &str, refusal: Refusal) -> Error {
    refusal.doing(format!("create {what}"))
}
