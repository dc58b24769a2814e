//! Addresses that a node answers for, in place of the stations that have them.

use std::net::IpAddr;

use vxbpf_common::Mac;

use super::node::{Node, bridge, device};

impl Node {
    /// Has it answer for an address in a VNI, whose station is behind a remote. With the kernel that is its bridge,
    /// which answers for neighbours of its own whose MAC address is behind a port with `neigh_suppress`: the VXLAN
    /// device's `proxy` would swallow what it cannot answer.
    #[track_caller]
    pub fn answer_for(&self, vni: u32, addr: IpAddr, mac: Mac) {
        self.answer(vni, addr, mac, "");
    }

    /// The same, saying that the station is a router.
    #[track_caller]
    pub fn answer_for_router(&self, vni: u32, addr: IpAddr, mac: Mac) {
        self.answer(vni, addr, mac, "router");
    }

    #[track_caller]
    fn answer(&self, vni: u32, addr: IpAddr, mac: Mac, router: &str) {
        if self.is_ours() {
            self.ok(&format!("neigh add {addr} lladdr {mac} {router} dev {}", device(vni)));
            return;
        }
        self.suppress(vni);
        self.must(&format!("bridge fdb replace {mac} dev {} master static", device(vni)));
        self.must(&format!("ip neigh add {addr} lladdr {mac} {router} dev {} nud permanent", bridge(vni)));
    }

    /// The same for a station that is behind a port of this node, as an FDB entry says.
    #[track_caller]
    pub fn answer_for_local(&self, vni: u32, addr: IpAddr, mac: Mac) {
        if self.is_ours() {
            self.answer_for(vni, addr, mac);
        } else {
            self.suppress(vni);
            self.must(&format!("ip neigh add {addr} lladdr {mac} dev {} nud permanent", bridge(vni)));
        }
    }

    /// Has it look for addresses that it answers for, of which there may be none. Ours always does.
    #[track_caller]
    pub fn suppress(&self, vni: u32) {
        if self.is_ours() {
            return;
        }
        let bridge = bridge(vni);
        // It has neighbours of IPv6 only if it speaks it; it is to have no address and to say nothing.
        self.script(&[
            format!("bridge link set dev {} neigh_suppress on", device(vni)),
            format!(
                "sysctl -qw net.ipv6.conf.{bridge}.addr_gen_mode=1 net.ipv6.conf.{bridge}.disable_ipv6=0"
            ),
        ]);
    }

    /// Has it answer for the address no more.
    #[track_caller]
    pub fn answer_no_more(&self, vni: u32, addr: IpAddr) {
        if self.is_ours() {
            self.ok(&format!("neigh del {addr} dev {}", device(vni)));
        } else {
            self.must(&format!("ip neigh del {addr} dev {}", bridge(vni)));
        }
    }
}
