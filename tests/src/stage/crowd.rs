//! Very many VTEPs that only exist for the underlay: one host with an address for each.

use std::net::{IpAddr, Ipv4Addr};

use super::{Stage, Underlay};
use crate::{
    command::batch_in,
    scratch::{Netns, setting},
};

/// The host. Nobody there listens for VXLAN.
#[derive(Debug)]
pub struct Crowd {
    netns: Netns,
    /// Its addresses.
    pub addrs: Vec<IpAddr>,
}

impl Crowd {
    /// Puts it on the underlay of a stage, with so many addresses, 1000 at most.
    #[track_caller]
    pub fn create(stage: &Stage, count: u16) -> Self {
        let netns = Netns::create().expect("create a namespace");
        stage.switch.plug("crowd", &netns, "eth1", Ipv4Addr::new(192, 168, 104, 250));
        let (prefix, nodad) = match stage.underlay {
            Underlay::V4 => (24, ""),
            Underlay::V6 => (64, "nodad"),
        };
        if stage.underlay == Underlay::V6 {
            netns.run(|| setting("net/ipv6/conf/eth1/disable_ipv6", "0")).expect("IPv6");
        }
        // The nodes have addresses below 100 of the first 256.
        let addr = |number: u16| -> IpAddr {
            let [high, low] = number.to_be_bytes();
            match stage.underlay {
                Underlay::V4 => Ipv4Addr::new(192, 168, 105 + high, low).into(),
                Underlay::V6 => std::net::Ipv6Addr::new(0xfd00, 0x105, 0, 0, 0, 0, 0, number + 1).into(),
            }
        };
        let addrs: Vec<_> = (0..count).map(addr).collect();
        let lines: Vec<_> =
            addrs.iter().map(|addr| format!("address add {addr}/{prefix} dev eth1 {nodad}")).collect();
        let said = batch_in(&netns, "ip", &lines);
        assert!(said.is_ok(), "{said:?}");
        for node in &stage.nodes {
            node.must(match stage.underlay {
                Underlay::V4 => "ip route add 192.168.104.0/21 dev eth1",
                Underlay::V6 => "ip route add fd00:105::/64 dev eth1",
            });
        }
        Self { netns, addrs }
    }

    /// Its namespace.
    pub fn netns(&self) -> &Netns {
        &self.netns
    }
}
