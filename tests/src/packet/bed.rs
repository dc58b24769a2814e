//! The host that rows run on: an instance in a namespace of its own, and a second namespace that is everything
//! beyond it, pods and underlay alike, where whatever is sent can be seen.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::{Context as _, Result};
use vxbpf::{
    dataplane::{Limits, Locals, Mode, Origin, PortOptions, Settings, VniOptions},
    netdev,
    netns::NetNs,
};
use vxbpf_common::{Mac, Vni};

use super::{
    frame::group_mac,
    version::{other_version, twin},
    wire::Wire,
};
use crate::scratch::{Instance, Netns, setting};

/// The VNI of most rows, with the ports `p1`, `p2` (mode xdp) and `t1` (mode tc).
pub const V: u32 = 42;
/// The VNI of the isolated ports `i1` and `i2`, and of `n1`, which is not.
pub const ISOLATED: u32 = 43;
/// The VNI of `k1`, which only [`A`] may use. It has no other ports.
pub const LOCKED: u32 = 44;
/// The VNI of `d1`, and of `d2`, whose interface is down.
pub const DOWN: u32 = 45;
/// A VNI without ports.
pub const EMPTY: u32 = 46;
/// The VNI of ports whose names say their MTU, [`port_mtu`].
pub const SIZES: u32 = 47;
/// A VNI that is not ours.
pub const FOREIGN: u32 = 4242;

/// The underlay interface.
pub const UNDERLAY: &str = "up0";
/// UDP port of VXLAN.
pub const DSTPORT: u16 = 4789;
/// Our VTEP address. The other one is its [`twin`], and so it is with those of the remotes.
pub const LOCAL: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// Remotes whose MAC addresses the kernel knows: [`remote_mac`].
pub const R1: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2));
/// See [`R1`].
pub const R2: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 3));
/// A remote on the underlay that the kernel has no neighbour entry for, and that never answers.
pub const SILENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 99));
/// A remote that there is no route to.
pub const UNREACHABLE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
/// MAC address of the underlay interface.
pub const UNDERLAY_MAC: Mac = Mac::new([2, 0xee, 0, 0, 0, 1]);
/// MTU of the underlay.
pub const UNDERLAY_MTU: u16 = 1500;

/// A station that is behind the port under test, where a row does not say otherwise.
pub const A: Mac = Mac::new([2, 0, 0, 0, 0, 0x0a]);
/// Another station.
pub const B: Mac = Mac::new([2, 0, 0, 0, 0, 0x0b]);
/// Another station.
pub const C: Mac = Mac::new([2, 0, 0, 0, 0, 0x0c]);
/// Address of [`A`].
pub const IP_A: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 0x0a);
/// Address of [`B`].
pub const IP_B: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 0x0b);

/// IPv6 address of [`A`].
pub const IP6_A: Ipv6Addr = Ipv6Addr::new(0xfd10, 1, 0, 0, 0, 0, 0x12, 0x340a);
/// IPv6 address of [`B`].
pub const IP6_B: Ipv6Addr = Ipv6Addr::new(0xfd10, 1, 0, 0, 0, 0, 0x12, 0x340b);

/// All ports: name, VNI, options.
fn ports() -> Vec<(&'static str, u32, PortOptions)> {
    let plain = || PortOptions { mode: Mode::Xdp, ..PortOptions::default() };
    let isolated = || PortOptions { isolated: true, ..plain() };
    vec![
        ("p1", V, plain()),
        ("p2", V, plain()),
        ("t1", V, PortOptions { mode: Mode::Tc, ..plain() }),
        ("i1", ISOLATED, isolated()),
        ("i2", ISOLATED, isolated()),
        ("n1", ISOLATED, plain()),
        ("k1", LOCKED, PortOptions { mac_lock: vec![A], ..plain() }),
        ("d1", DOWN, plain()),
        ("d2", DOWN, PortOptions { mode: Mode::Tc, ..plain() }),
        ("m3000", SIZES, plain()),
        ("m2000", SIZES, plain()),
        ("m1000", SIZES, plain()),
        ("m570", SIZES, plain()),
    ]
}

/// All VNIs.
pub(super) const VNIS: [u32; 6] = [V, ISOLATED, LOCKED, DOWN, EMPTY, SIZES];

/// MAC address of a remote or a group, zero of one that the kernel does not know.
pub fn remote_mac(remote: IpAddr) -> Mac {
    let ([a, b], v4) = match remote {
        // RFC 1112 section 6.4.
        IpAddr::V4(addr) if addr.is_multicast() => {
            let [_, a, b, c] = addr.octets();
            return Mac::new([1, 0, 0x5e, a & 0x7f, b, c]);
        }
        IpAddr::V6(addr) if addr.is_multicast() => return group_mac(addr),
        IpAddr::V4(addr) => ([addr.octets()[2], addr.octets()[3]], remote),
        IpAddr::V6(addr) => ([addr.octets()[14], addr.octets()[15]], other_version(remote)),
    };
    if [R1, R2].contains(&v4) { Mac::new([2, 0xee, 0, 0, a, b]) } else { Mac::ZERO }
}

/// MTU of a port.
pub fn port_mtu(name: &str) -> u16 {
    name.strip_prefix('m').and_then(|mtu| mtu.parse().ok()).unwrap_or(1450)
}

/// The checked form of a VNI.
pub fn vni(vni: u32) -> Vni {
    Vni::new(vni).expect("24 bits")
}

/// The host. Removed on drop, the instance first.
pub struct Bed {
    pub(super) instance: Instance,
    /// Indexes of our interfaces.
    pub(super) devs: BTreeMap<String, u32>,
    /// Name of the helper device.
    pub(super) helper: String,
    pub(super) wire: Wire,
    near: Netns,
    _far: Netns,
}

impl Bed {
    /// Builds it, and does something on it, in its namespace. A panic goes through to the caller.
    pub fn with<T: Send>(work: impl FnOnce(&mut Self) -> T + Send) -> Result<T> {
        let mut bed = Self::build().context("build the test bed")?;
        let ns = NetNs::named(bed.near.name())?;
        Ok(ns.run(|| work(&mut bed))?)
    }

    fn build() -> Result<Self> {
        let far = Netns::create()?;
        let near = Netns::create()?;
        let mut names = BTreeMap::new();
        let instance = near.run(|| {
            link(&far, UNDERLAY, &mut names)?;
            underlay()?;
            let instance = start()?;
            Ok(instance)
        })?;
        // Whatever fails from here on, the instance is removed.
        let mut bed = Self {
            helper: instance.dataplane.status()?.helper.remove(0),
            wire: Wire::in_namespace(&far)?,
            instance,
            devs: BTreeMap::new(),
            near,
            _far: far,
        };
        let (instance, far) = (&mut bed.instance, &bed._far);
        bed.near.run(|| {
            for number in VNIS {
                instance.dataplane.vni_add(vni(number), &VniOptions::default(), Origin::Command)?;
            }
            for (name, number, options) in ports() {
                link(far, name, &mut names)?;
                instance.dataplane.port_add(name, vni(number), &options, Origin::Command)?;
            }
            Ok(())
        })?;
        bed.wire.ends = names;
        bed.devs = bed
            .near
            .run(|| Ok(netdev::links()?.into_iter().map(|link| (link.name, link.index)).collect()))?;
        Ok(bed)
    }
}

/// A veth pair with both ends of the same name, up but for `d2`. Notes the index of the far end.
fn link(far: &Netns, name: &str, ends: &mut BTreeMap<usize, String>) -> Result<()> {
    let mtu = if name == UNDERLAY { UNDERLAY_MTU } else { port_mtu(name) }.into();
    let mac = (name == UNDERLAY).then_some(UNDERLAY_MAC);
    let end = netdev::End { name, netns: None, mac, mtu };
    netdev::create_veth(&end, &netdev::End { netns: Some(far.ns()), mac: None, ..end })?;
    if name != "d2" {
        netdev::set_up(netdev::link(name)?.index)?;
    }
    let index = far.run(|| {
        let index = netdev::link(name)?.index;
        netdev::set_up(index)?;
        Ok(index)
    })?;
    ends.insert(usize::try_from(index)?, name.to_owned());
    Ok(())
}

fn underlay() -> Result<()> {
    let index = netdev::link(UNDERLAY)?.index;
    netdev::add_address(index, LOCAL.into(), 24)?;
    let ipv6 = |name: &str, value: &str| setting(&format!("net/ipv6/conf/{UNDERLAY}/{name}"), value);
    // No address but ours, which is good at once, and no questions for routers.
    ipv6("addr_gen_mode", "1")?;
    ipv6("accept_dad", "0")?;
    ipv6("router_solicitations", "0")?;
    ipv6("disable_ipv6", "0")?;
    netdev::add_address(index, twin(LOCAL).into(), 64)?;
    for remote in [R1, R2].into_iter().flat_map(|remote| [remote, other_version(remote)]) {
        netdev::add_neighbour(index, remote, remote_mac(remote))?;
    }
    // One request for a neighbour, so that no row sees another's repeated.
    for family in ["ipv4", "ipv6"] {
        setting(&format!("net/{family}/neigh/{UNDERLAY}/mcast_solicit"), "1")?;
    }
    Ok(())
}

fn start() -> Result<Instance> {
    Instance::start(Settings {
        instance: Default::default(),
        iface: UNDERLAY.to_owned(),
        local: Locals::default(),
        dstport: DSTPORT,
        mode: Mode::Xdp,
        limits: Limits { fdb: 1024, neigh: 1024, vteps: 1024, counters: 1024, ..Limits::default() },
    })
}

impl Bed {
    /// The index of one of our interfaces, 0 of one that there is not.
    pub(super) fn index(&self, dev: &str) -> u32 {
        self.devs.get(dev).copied().unwrap_or(0)
    }
}

/// Ethernet's broadcast address.
pub const BROADCAST: Mac = Mac::BROADCAST;
/// A group address of IPv4 multicast.
pub const GROUP: Mac = Mac::new([1, 0, 0x5e, 0, 0, 1]);
