//! The helper device: a VXLAN device of the kernel that carries no traffic. Its UDP socket makes the underlay's GRO
//! merge tunnelled packets, our route look-ups start from it, and frames wait in it for an underlay neighbour.

use std::{fs, io};

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
const OTHER_PORTS: std::ops::Range<u16> = 61000..61016;

/// The helper device of a UDP port.
#[derive(Clone, Debug)]
pub struct Helper {
    /// The device.
    pub link: Link,
    /// Whether it, or a VXLAN device that was there before, makes GRO merge what comes to the port.
    pub serves_gro: bool,
}

/// What the helper device of a UDP port is called.
pub fn helper_name(dstport: u16) -> String {
    format!("vxbpf{dstport}")
}

/// Makes the helper device of a UDP port, or takes the one that is there.
///
/// It is not `external`: devices that share a UDP port must agree in that, and users shall be able to add VXLAN
/// devices of their own on this port.
pub fn create_helper(dstport: u16) -> Result<Helper> {
    let name = helper_name(dstport);
    let link = match link::find(&name)? {
        Some(link) if is_helper(&link) => link,
        Some(_) => {
            return Err(Error::Refused {
                what: format!("interface {name}"),
                why: "in the way: our helper device has that name".to_owned(),
                hint: format!("if it is not needed: ip link delete {name}"),
            });
        }
        None => create(&name, dstport)?,
    };
    setting("ipv6", &name, "addr_gen_mode", "1")?;
    // bpf_fib_lookup answers only for interfaces that forward. The others stay as they are.
    setting("ipv4", &name, "forwarding", "1")?;
    change::set_up(link.index)?;
    let on_port = |link: &Link| matches!(link.kind, LinkKind::Vxlan { dstport: port, .. } if port == dstport);
    let serves_gro = link::links()?.iter().any(|link| link.up && on_port(link));
    Ok(Helper { link: link::link(&name)?, serves_gro })
}

fn is_helper(link: &Link) -> bool {
    matches!(link.kind, LinkKind::Vxlan { vni, .. } if vni.map(Vni::get) == Some(HELPER_VNI))
}

/// Creates the device on the port itself, or on another when a socket of another kind has that.
fn create(name: &str, dstport: u16) -> Result<Link> {
    let doing = || format!("create helper device {name}");
    let mut refusal = None;
    for port in std::iter::once(dstport).chain(OTHER_PORTS) {
        match try_create(name, port)? {
            Ok(link) => return Ok(link),
            Err(e) if e.is(Errno::EADDRINUSE) || e.is(Errno::EEXIST) => refusal = Some(e),
            Err(e) if e.is(Errno::EOPNOTSUPP) => {
                return Err(Error::Kernel {
                    doing: doing(),
                    why: "the kernel has no VXLAN devices".to_owned(),
                    hint: Some("modprobe vxlan, or use a kernel with CONFIG_VXLAN".to_owned()),
                    log: String::new(),
                });
            }
            Err(e) => return Err(e.doing(doing())),
        }
    }
    Err(refusal.map_or_else(|| Error::invalid(doing(), "no UDP port is left"), |e| e.doing(doing())))
}

/// The socket is opened when the device goes up, so it is only then known whether the port is free.
fn try_create(name: &str, port: u16) -> Result<std::result::Result<Link, Refusal>> {
    let device = LinkVxlan::new(name, HELPER_VNI).port(port).learning(false).build();
    let created = request(async |handle| handle.link().add(device).execute().await.map_err(Refusal::from))?;
    if let Err(refusal) = created {
        return Ok(Err(refusal));
    }
    let up = || {
        let link = link::link(name)?;
        // Before it is up, so that it never has an address.
        setting("ipv6", name, "addr_gen_mode", "1")?;
        Ok(change::set(link.index, LinkMessageBuilder::up)?.map(|()| link))
    };
    let up = up();
    if !matches!(up, Ok(Ok(_))) {
        change::delete(name)?;
    }
    up
}

/// Writes one setting of an interface; a protocol that the kernel does not have needs none.
fn setting(protocol: &str, name: &str, key: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/{protocol}/conf/{name}/{key}");
    match fs::write(&path, value) {
        Err(e) if !(e.kind() == io::ErrorKind::NotFound && protocol == "ipv6") => {
            Err(Error::system(format!("write {path}"))(e))
        }
        _ => Ok(()),
    }
}
