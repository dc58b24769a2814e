//! The helper device: a VXLAN device of the kernel that carries no traffic. Its UDP socket makes the underlay's GRO
//! merge tunnelled packets, our route look-ups start from it, and frames wait in it for an underlay neighbour. Over IPv6
//! a second one has the socket, and does nothing else: a device has the sockets of one family.

use std::{fs, io, net::Ipv6Addr};

use nix::errno::Errno;
use rtnetlink::{LinkMessageBuilder, LinkVxlan};
use vxbpf_common::{Vni, instance::HELPER_VNI};

use super::{
    change,
    link::{self, Link, LinkKind},
    request::{Refusal, request},
};
use crate::error::{Error, Result};

/// UDP ports to try when that of the overlay is somebody else's.
pub(super) const OTHER_PORTS: std::ops::Range<u16> = 61000..61016;

/// The helper device of a UDP port.
#[derive(Clone, Debug)]
pub struct Helper {
    /// The device.
    pub link: Link,
    /// Whether it, or a VXLAN device that was there before, makes GRO merge what comes to the port.
    pub serves_gro: bool,
}

/// The version of IP that a helper device's socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpVersion {
    /// IPv4. This is the helper device of which everybody speaks.
    V4,
    /// IPv6.
    V6,
}

/// What the helper device of a UDP port is called.
pub fn helper_name(dstport: u16, version: IpVersion) -> String {
    match version {
        IpVersion::V4 => format!("vxbpf{dstport}"),
        IpVersion::V6 => format!("vxbpf{dstport}v6"),
    }
}

/// Makes the helper device of a UDP port, or takes the one that is there.
///
/// It is not `external`: devices that share a UDP port must agree in that, and users shall be able to add VXLAN
/// devices of their own on this port. For the same reason the IPv6 one has not `udp6zerocsumrx`; GRO does not ask.
pub fn create_helper(dstport: u16, version: IpVersion) -> Result<Helper> {
    let name = helper_name(dstport, version);
    let link = match link::find(&name)? {
        Some(link) if is_helper(&link) => link,
        Some(_) => {
            return Err(Error::Refused {
                what: format!("interface {name}"),
                why: "in the way: our helper device has that name".to_owned(),
                hint: format!("if it is not needed: ip link delete {name}"),
            });
        }
        None => create(&name, dstport, version)?,
    };
    setting("ipv6", &name, "addr_gen_mode", "1")?;
    // bpf_fib_lookup answers only for interfaces that forward. The others stay as they are.
    setting("ipv4", &name, "forwarding", "1")?;
    setting("ipv6", &name, "forwarding", "1")?;
    change::set_up(link.index)?;
    let on_port = |link: &Link| matches!(link.kind, LinkKind::Vxlan { dstport: port, version: of, .. } if port == dstport && of == version);
    let serves_gro = link::links()?.iter().any(|link| link.up && on_port(link));
    Ok(Helper { link: link::link(&name)?, serves_gro })
}

fn is_helper(link: &Link) -> bool {
    matches!(link.kind, LinkKind::Vxlan { vni, .. } if vni.map(Vni::get) == Some(HELPER_VNI))
}

/// Creates the device on the port itself, or on another when a socket of another kind has that.
fn create(name: &str, dstport: u16, version: IpVersion) -> Result<Link> {
    let device = |port| {
        let device = LinkVxlan::new(name, HELPER_VNI).port(port).learning(false);
        match version {
            IpVersion::V4 => device,
            // Any address makes its socket IPv6's; it sends nothing.
            IpVersion::V6 => device.local6(Ipv6Addr::LOCALHOST),
        }
    };
    // Before it is up, so that it never has an address.
    let before_up = || setting("ipv6", name, "addr_gen_mode", "1");
    let ports = std::iter::once(dstport).chain(OTHER_PORTS);
    create_on(name, ports, device, before_up, &format!("create helper device {name}"))
}

/// Creates a VXLAN device on the first of several UDP ports that will do, and sets it up.
pub(super) fn create_on(
    name: &str,
    ports: impl IntoIterator<Item = u16>,
    device: impl Fn(u16) -> LinkMessageBuilder<LinkVxlan>,
    before_up: impl Fn() -> Result<()>,
    doing: &str,
) -> Result<Link> {
    let mut refusal = None;
    for port in ports {
        match try_create(name, device(port), &before_up)? {
            Ok(link) => return Ok(link),
            // Somebody else's port, the VNI on it, or a socket with all memberships that one may have
            // (net.ipv4.igmp_max_memberships).
            Err(e) if [Errno::EADDRINUSE, Errno::EEXIST, Errno::ENOBUFS].iter().any(|errno| e.is(*errno)) => {
                refusal = Some(e);
            }
            Err(e) if e.is(Errno::EOPNOTSUPP) => {
                return Err(Error::Kernel {
                    doing: doing.to_owned(),
                    why: "the kernel has no VXLAN devices".to_owned(),
                    hint: Some("modprobe vxlan, or use a kernel with CONFIG_VXLAN".to_owned()),
                    log: String::new(),
                });
            }
            Err(e) => return Err(e.doing(doing)),
        }
    }
    Err(refusal.map_or_else(|| Error::invalid(doing, "no UDP port is left"), |e| e.doing(doing)))
}

/// The socket is opened when the device goes up, so it is only then known whether the port is free.
fn try_create(
    name: &str,
    device: LinkMessageBuilder<LinkVxlan>,
    before_up: impl Fn() -> Result<()>,
) -> Result<std::result::Result<Link, Refusal>> {
    let created =
        request(async |handle| handle.link().add(device.build()).execute().await.map_err(Refusal::from))?;
    if let Err(refusal) = created {
        return Ok(Err(refusal));
    }
    let up = || {
        let link = link::link(name)?;
        before_up()?;
        Ok(change::set(link.index, LinkMessageBuilder::up)?.map(|()| link))
    };
    let up = up();
    if !matches!(up, Ok(Ok(_))) {
        change::delete(name)?;
    }
    up
}

/// Writes one setting of an interface; a protocol that the kernel does not have needs none.
pub(super) fn setting(protocol: &str, name: &str, key: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/{protocol}/conf/{name}/{key}");
    match fs::write(&path, value) {
        Err(e) if !(e.kind() == io::ErrorKind::NotFound && protocol == "ipv6") => {
            Err(Error::system(format!("write {path}"))(e))
        }
        _ => Ok(()),
    }
}
