//! A station of the overlay: a namespace behind a veth pair.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vxbpf::netdev::{self, End};
use vxbpf_common::Mac;

use crate::{
    command::{line_in, must_in},
    scratch::{Netns, setting},
};

/// What is left of an underlay's 1500 after 50 bytes of outer headers.
pub const MTU: u32 = 1450;

/// A pod. Its interface is `eth0`.
#[derive(Debug)]
pub struct Pod {
    /// Its namespace.
    pub netns: Netns,
    /// The node's end of its veth pair.
    pub port: String,
    /// Its address in the overlay, of a /24.
    pub addr: Ipv4Addr,
    /// Its MAC address.
    pub mac: Mac,
}

impl Pod {
    /// Makes a pod of a node.
    #[track_caller]
    pub fn create(node: &Netns, port: &str, addr: Ipv4Addr, mac: Mac) -> Self {
        let netns = Netns::create().expect("create a namespace");
        let outside = End { name: port, netns: None, mac: None, mtu: MTU };
        let inside = End { name: "eth0", netns: Some(netns.ns()), mac: Some(mac), mtu: MTU };
        node.run(|| {
            netdev::create_veth(&outside, &inside)?;
            Ok(netdev::set_up(netdev::link(port)?.index)?)
        })
        .expect("create a veth pair");
        let pod = Self { netns, port: port.to_owned(), addr, mac };
        pod.netns
            .run(|| {
                netdev::set_up(netdev::link("lo")?.index)?;
                let eth0 = netdev::link("eth0")?.index;
                netdev::add_address(eth0, IpAddr::V4(addr), 24)?;
                Ok(netdev::set_up(eth0)?)
            })
            .expect("set up the pod");
        pod
    }

    /// Its IPv6 address, of a /64, once [`Self::enable_ipv6`] was called.
    pub fn addr6(&self) -> Ipv6Addr {
        let [.., last] = self.addr.octets();
        Ipv6Addr::new(0xfd12, 0, 0, 0, 0, 0, 0, last.into())
    }

    /// Has it speak IPv6, without routers and without looking for duplicates of its address.
    #[track_caller]
    pub fn enable_ipv6(&self) {
        let enabled = self.netns.run(|| {
            setting("net/ipv6/conf/eth0/accept_ra", "0")?;
            setting("net/ipv6/conf/eth0/accept_dad", "0")?;
            ["lo", "eth0"]
                .iter()
                .try_for_each(|dev| setting(&format!("net/ipv6/conf/{dev}/disable_ipv6"), "0"))
        });
        enabled.expect("enable IPv6");
        self.must(&format!("ip address add {}/64 dev eth0 nodad", self.addr6()));
    }

    /// Whether one echo request to an address is answered.
    #[track_caller]
    pub fn reaches(&self, addr: Ipv4Addr) -> bool {
        self.echoes(addr.into())
    }

    /// The same over IPv6.
    #[track_caller]
    pub fn reaches6(&self, addr: Ipv6Addr) -> bool {
        self.echoes(addr.into())
    }

    #[track_caller]
    fn echoes(&self, addr: IpAddr) -> bool {
        line_in(&self.netns, &format!("ping -n -q -c 1 -W 2 {addr}")).is_ok()
    }

    /// Whether a single echo request, without another try, is answered soon.
    #[track_caller]
    pub fn pings(&self, other: &Self) -> bool {
        self.reaches(other.addr)
    }

    /// Frames that came to it so far.
    #[track_caller]
    pub fn received(&self) -> u64 {
        self.netns
            .run(|| Ok(netdev::counters(netdev::link("eth0")?.index)?.rx_packets))
            .expect("counters of eth0")
    }

    /// Runs a line of words in the pod, which must succeed.
    #[track_caller]
    pub fn must(&self, line: &str) -> String {
        must_in(&self.netns, line)
    }

    /// Sends frames as they are, from its interface.
    #[track_caller]
    pub fn send(&self, frames: &[Vec<u8>]) {
        crate::raw::send(&self.netns, "eth0", frames);
    }

    /// Enters another pod into its ARP table.
    #[track_caller]
    pub fn knows(&self, other: &Self) {
        self.must(&format!("ip neigh replace {} lladdr {} dev eth0 nud permanent", other.addr, other.mac));
    }
}
