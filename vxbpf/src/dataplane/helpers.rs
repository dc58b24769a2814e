//! The helper devices of an instance: one for each family of its addresses, and the IPv4 one always, because it serves
//! for more than GRO.

use vxbpf_common::instance::Instance;

use super::{names, options::Locals, start::Started};
use crate::{
    Result,
    netdev::{self, Helper, IpVersion, Link},
};

/// The helper devices of an instance, by name and index.
pub(super) fn of(instance: &Instance) -> impl Iterator<Item = (String, u32)> {
    let v6 = netdev::helper_name(u16::from_be_bytes(instance.dstport), IpVersion::V6);
    let both = [(names::from_bytes(&instance.helper_name), instance.helper), (v6, instance.helper6)];
    both.into_iter().filter(|(_, ifindex)| *ifindex != 0)
}

/// The helper devices of a start.
pub(super) struct Helpers {
    pub(super) v4: Link,
    /// Where we have an IPv6 address.
    pub(super) v6: Option<Link>,
    /// Those that were not there before.
    made: Vec<String>,
}

impl Helpers {
    pub(super) fn create(dstport: u16, local: Locals, started: &mut Started) -> Result<Self> {
        let mut made = Vec::new();
        let mut create = |version| {
            let name = netdev::helper_name(dstport, version);
            let was_there = netdev::link(&name).is_ok();
            let Helper { link, serves_gro } = netdev::create_helper(dstport, version)?;
            if !was_there {
                made.push(name);
            }
            // The first one serves for more than GRO.
            let receives = if version == IpVersion::V4 { local.v4.is_some() } else { local.v6.is_some() };
            if receives && !serves_gro {
                started.warnings.push(format!(
                    "UDP port {dstport} belongs to a socket that is not VXLAN's: the underlay's GRO will not merge \
                     what we receive, and TCP through the overlay will be slower"
                ));
            }
            Ok(link)
        };
        let v4 = create(IpVersion::V4)?;
        let v6 = local.v6.map(|_| create(IpVersion::V6)).transpose();
        let mut this = Self { v4, v6: None, made };
        this.v6 = v6.inspect_err(|_| this.undo())?;
        Ok(this)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Link> {
        std::iter::once(&self.v4).chain(&self.v6)
    }

    /// Removes what was not there before.
    pub(super) fn undo(&self) {
        for name in &self.made {
            let _ = netdev::delete(name);
        }
    }
}
