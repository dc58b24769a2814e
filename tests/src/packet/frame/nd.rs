//! Neighbour discovery (RFC 4861).

use std::net::Ipv6Addr;

use etherparse::{Icmpv6Header, Icmpv6Type};
use vxbpf_common::Mac;

use super::{Frame, Transport};

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Options.
const SOURCE_LINK_ADDR: u8 = 1;
const TARGET_LINK_ADDR: u8 = 2;
/// Flags of an advertisement.
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The group that a station with this address listens to.
pub fn solicited_node(addr: Ipv6Addr) -> Ipv6Addr {
    let [.., x, y, z] = addr.octets();
    Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, x, y, z])
}

/// The MAC address of an IPv6 group (RFC 2464 section 7).
pub fn group_mac(group: Ipv6Addr) -> Mac {
    let [.., w, x, y, z] = group.octets();
    Mac::new([0x33, 0x33, w, x, y, z])
}

impl Frame {
    /// A solicitation from a station to the group of an address, with the asker's link-layer address.
    pub fn solicitation(from: Mac, source: Ipv6Addr, target: Ipv6Addr) -> Self {
        let group = solicited_node(target);
        let to_group = Self::new(from, group_mac(group));
        to_group.nd(source, group, SOLICITATION, 0, target).nd_option(SOURCE_LINK_ADDR, from.octets())
    }

    /// A probe for a duplicate of an address that a station wants (RFC 4862 section 5.4.2).
    pub fn duplicate_probe(from: Mac, target: Ipv6Addr) -> Self {
        let group = solicited_node(target);
        Self::new(from, group_mac(group)).nd(Ipv6Addr::UNSPECIFIED, group, SOLICITATION, 0, target)
    }

    /// A solicitation to one station, to see whether it is still there.
    pub fn unicast_solicitation(self, source: Ipv6Addr, target: Ipv6Addr) -> Self {
        let mac = self.src.octets();
        self.nd(source, target, SOLICITATION, 0, target).nd_option(SOURCE_LINK_ADDR, mac)
    }

    /// The answer to a solicitation.
    pub fn advertisement(self, source: Ipv6Addr, destination: Ipv6Addr) -> Self {
        let mac = self.src.octets();
        self.nd(source, destination, ADVERTISEMENT, SOLICITED | OVERRIDE, source)
            .nd_option(TARGET_LINK_ADDR, mac)
    }

    /// The same from a router.
    pub fn router_advertisement(self, source: Ipv6Addr, destination: Ipv6Addr) -> Self {
        let mac = self.src.octets();
        self.nd(source, destination, ADVERTISEMENT, ROUTER | SOLICITED | OVERRIDE, source)
            .nd_option(TARGET_LINK_ADDR, mac)
    }

    /// The answer to a solicitation that went to the station alone: there is no need to say its link-layer address,
    /// and Linux does not (`ndisc_recv_ns`).
    pub fn unicast_advertisement(self, source: Ipv6Addr, destination: Ipv6Addr) -> Self {
        self.nd(source, destination, ADVERTISEMENT, SOLICITED, source)
    }

    /// An advertisement that nobody asked for, to all.
    pub fn announcement(from: Mac, addr: Ipv6Addr) -> Self {
        Self::new(from, group_mac(ALL_NODES))
            .nd(addr, ALL_NODES, ADVERTISEMENT, OVERRIDE, addr)
            .nd_option(TARGET_LINK_ADDR, from.octets())
    }

    fn nd(self, source: Ipv6Addr, destination: Ipv6Addr, kind: u8, flags: u8, target: Ipv6Addr) -> Self {
        let packet = self.ipv6(source, destination).ttl(255).payload(target.octets());
        Self { transport: Transport::Icmpv6(kind, [flags, 0, 0, 0]), ..packet }
    }

    /// With an option of eight bytes, behind those that it has.
    pub fn nd_option(mut self, kind: u8, value: [u8; 6]) -> Self {
        self.payload.extend([kind, 1]);
        self.payload.extend(value);
        self
    }
}

/// The header of an ICMPv6 message, checksum and all.
pub(super) fn icmpv6(kind: u8, rest: [u8; 4], payload: &[u8], addresses: ([u8; 16], [u8; 16])) -> Vec<u8> {
    let unknown = Icmpv6Type::Unknown { type_u8: kind, code_u8: 0, bytes5to8: rest };
    let header = Icmpv6Header::with_checksum(unknown, addresses.0, addresses.1, payload);
    header.expect("short").to_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solicitation_is_what_the_standards_say() {
        let frame = Frame::solicitation(
            Mac::new([2, 0x42, 0, 0, 1, 1]),
            "fd12::11".parse().expect("an address"),
            "fd12::21".parse().expect("an address"),
        );
        let bytes = frame.bytes();
        assert_eq!(bytes.len(), 86);
        assert_eq!(bytes[..14], [0x33, 0x33, 0xff, 0, 0, 0x21, 2, 0x42, 0, 0, 1, 1, 0x86, 0xdd]);
        assert_eq!(bytes[14..22], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!((bytes[54], bytes[55], &bytes[58..62]), (135, 0, &[0, 0, 0, 0][..]));
        assert_eq!(bytes[78..], [1, 1, 2, 0x42, 0, 0, 1, 1]);
    }
}
