//! Membership in a multicast group of the underlay: a VXLAN device of the kernel that is there to have joined it, and
//! carries nothing. So it is a socket of the kernel that is the member (IGMP, MLD), whatever becomes of our processes,
//! and it is one still when the underlay was down and is up again (`vxlan_multicast_join`).
//!
//! An address with `autojoin` would do the same for one member, but brings a local route, by which what others on the
//! host send to the group never leaves it (`fib_add_ifaddr`).

use std::net::IpAddr;

use rtnetlink::LinkVxlan;
use vxbpf_common::Vni;

use super::{
    change,
    helper::{OTHER_PORTS, create_on, setting},
    link::{self, Link, LinkKind},
};
use crate::error::{Error, Result};

/// What the device is called that is a VNI's member of its group, for the instance of a UDP port.
pub fn group_name(dstport: u16, vni: Vni) -> String {
    format!("vx{dstport:x}g{:x}", vni.get())
}

/// Joins a group on an interface.
///
/// # Errors
/// When the kernel refuses, or another kind of interface has the name.
pub fn join_group(name: &str, vni: Vni, index: u32, group: IpAddr) -> Result<Link> {
    // Of an instance that ended without a chance to leave.
    leave_group(name)?;
    let device = |port| {
        let device = LinkVxlan::new(name, vni.get()).port(port).dev(index).learning(false);
        match group {
            IpAddr::V4(group) => device.group(group),
            IpAddr::V6(group) => device.group6(group),
        }
    };
    // Else it would tell its own group of groups.
    let before_up = || setting("ipv6", name, "disable_ipv6", "1");
    create_on(name, OTHER_PORTS, device, before_up, &format!("join group {group} (device {name})"))
}

/// Leaves a group. Gives the device that was its member; none: it has left already.
///
/// # Errors
/// When the kernel refuses, or another kind of interface has the name.
pub fn leave_group(name: &str) -> Result<Option<Link>> {
    match link::find(name)? {
        Some(link) if matches!(link.kind, LinkKind::Vxlan { .. }) => {
            change::delete(name)?;
            Ok(Some(link))
        }
        Some(_) => Err(Error::Refused {
            what: format!("interface {name}"),
            why: "in the way: the device that joins a group has that name".to_owned(),
            hint: format!("if it is not needed: ip link delete {name}"),
        }),
        None => Ok(None),
    }
}
