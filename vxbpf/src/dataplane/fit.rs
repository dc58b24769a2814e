//! What fits: the MTU of ports beside that of the underlay.

use vxbpf_common::{
    Vni,
    outer::{Outer4, Outer6, bytes},
};

use super::Dataplane;
use crate::{
    Result,
    netdev::{self, Link, Peer},
};

impl Dataplane {
    /// What encapsulation takes from the underlay's MTU in a VNI, at the most, as far as its flood list tells.
    fn overhead(&self, vni: Vni) -> u32 {
        let six = self.flood_list(vni).is_ok_and(|list| list.remotes6_len != 0);
        if six || self.instance.local4.is_none() { bytes::<Outer6>() } else { bytes::<Outer4>() }
    }

    /// What to know of the MTU of a new port.
    pub(super) fn port_fits(&self, port: &Link, underlay: &Link, vni: Vni) -> Vec<String> {
        let peer = self.in_netns(|| netdev::peer(port)).ok().and_then(|peer| peer.ok().flatten());
        misfits(port, peer.as_ref(), underlay.mtu, self.overhead(vni))
    }

    /// What to know of the MTU of all ports, now that the underlay's is this.
    pub fn ports_fit(&self, underlay: u32) -> Result<Vec<String>> {
        let links = self.in_netns(netdev::links)??;
        let mut said = Vec::new();
        for port in self.ports()? {
            if let Some(link) = links.iter().find(|link| link.index == port.ifindex) {
                said.extend(misfits(link, None, underlay, self.overhead(port.vni)));
            }
        }
        Ok(said)
    }
}

/// Senders of IP packets that are too large are told, at the cost of a packet or two for each; other frames are lost.
fn misfits(port: &Link, peer: Option<&Peer>, underlay: u32, overhead: u32) -> Vec<String> {
    let fits = underlay.saturating_sub(overhead);
    let name = &port.name;
    let set = |mtu: u32| {
        let other = peer.map_or_else(
            || "and the same at its other end, if it has one".to_owned(),
            |peer| format!("and at its other end: ip link set dev {} mtu {mtu}", peer.name),
        );
        format!("ip link set dev {name} mtu {mtu}, {other}")
    };
    let mut said = Vec::new();
    if port.mtu > fits {
        said.push(format!(
            "{name} has MTU {}, but no more than {fits} fits the underlay's {underlay}: larger packets are dropped, and \
             their senders told; set the MTU ({})",
            port.mtu,
            set(fits)
        ));
    } else if let Some(peer) = peer.filter(|peer| peer.mtu > port.mtu) {
        // veth compares with the MTU of the end that receives (`__dev_forward_skb`).
        said.push(format!(
            "{name} has MTU {}, but its other end, {}, has {}: larger packets are lost on the way to {name}; set the MTU \
             ({})",
            port.mtu,
            peer.name,
            peer.mtu,
            set(port.mtu)
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netdev::LinkKind;

    fn port(mtu: u32) -> Link {
        Link {
            index: 7,
            name: "veth1".into(),
            kind: LinkKind::Veth,
            mac: None,
            mtu,
            up: true,
            ethernet: true,
            leads_out: true,
            peer: None,
        }
    }

    fn peer(mtu: u32) -> Peer {
        Peer { name: "eth0".into(), mtu }
    }

    #[test]
    fn what_fits_is_not_mentioned() {
        for (underlay, overhead, mtu) in [(1500, 50, 1450), (1500, 70, 1430), (9000, 50, 1500)] {
            assert!(misfits(&port(mtu), None, underlay, overhead).is_empty());
            assert!(misfits(&port(mtu), Some(&peer(mtu)), underlay, overhead).is_empty());
            assert!(misfits(&port(mtu), Some(&peer(mtu - 1)), underlay, overhead).is_empty());
        }
        assert_eq!(misfits(&port(1451), None, 1500, 50).len(), 1);
        assert_eq!(misfits(&port(1431), None, 1500, 70).len(), 1);
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_commands_for_both_ends() {
        assert_eq!(
            misfits(&port(1500), Some(&peer(1500)), 1500, 50),
            [
                "veth1 has MTU 1500, but no more than 1450 fits the underlay's 1500: larger packets are dropped, and their \
                 senders told; set the MTU (ip link set dev veth1 mtu 1450, and at its other end: ip link set dev eth0 \
                 mtu 1450)"
            ]
        );
        assert_eq!(
            misfits(&port(1450), Some(&peer(1500)), 1500, 50),
            [
                "veth1 has MTU 1450, but its other end, eth0, has 1500: larger packets are lost on the way to veth1; set \
                 the MTU (ip link set dev veth1 mtu 1450, and at its other end: ip link set dev eth0 mtu 1450)"
            ]
        );
    }
}
