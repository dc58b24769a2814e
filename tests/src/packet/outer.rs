//! The outer headers of a VXLAN packet, written independently of the data path's own builder.

use std::net::IpAddr;

use etherparse::{
    EtherType, Ethernet2Header, IpDscp, IpEcn, IpFragOffset, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header,
    UdpHeader,
};
use vxbpf::netdev::IpVersion;
use vxbpf_common::Mac;

use super::{
    bed::{DSTPORT, LOCAL, UNDERLAY_MAC, remote_mac},
    version::{here, outer_len_of},
};

/// The IP header, and what is between it and the UDP header.
#[derive(Clone)]
enum Ip {
    V4(Ipv4Header),
    V6(Ipv6Header, Vec<u8>),
}

/// Outer headers in the making: begin with the VTEPs, end with [`Outer::around`].
#[derive(Clone)]
pub struct Outer {
    eth: Ethernet2Header,
    ip: Ip,
    udp: UdpHeader,
    vxlan: [u8; 8],
    ip_len_off: i16,
    udp_len_off: i16,
}

/// Headers of IPv6 that follow the first (RFC 8200 sections 4.5 and 4.6).
const FRAGMENT: IpNumber = IpNumber::IPV6_FRAGMENTATION_HEADER;
const OPTIONS: IpNumber = IpNumber::IPV6_DESTINATION_OPTIONS;

impl Outer {
    /// From a remote to us, in VNI `vni`.
    pub fn from(remote: impl Into<IpAddr>, vni: u32) -> Self {
        let remote = here(remote);
        Self::between((remote, remote_mac(remote)), (local_for(remote), UNDERLAY_MAC), vni)
    }

    /// From us to a remote, in VNI `vni`.
    pub fn to(remote: impl Into<IpAddr>, vni: u32) -> Self {
        let remote = here(remote);
        Self::between((local_for(remote), UNDERLAY_MAC), (remote, remote_mac(remote)), vni)
    }

    /// From one address and MAC address to another, in VNI `vni`.
    ///
    /// # Panics
    /// When the addresses are of different versions of IP.
    pub fn between(src: (IpAddr, Mac), dst: (IpAddr, Mac), vni: u32) -> Self {
        let [_, a, b, c] = vni.to_be_bytes();
        let (ip, ether_type) = match (src.0, dst.0) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let ip = Ipv4Header {
                    time_to_live: 64,
                    dont_fragment: true,
                    protocol: IpNumber::UDP,
                    source: src.octets(),
                    destination: dst.octets(),
                    ..Ipv4Header::default()
                };
                (Ip::V4(ip), EtherType::IPV4)
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let ip = Ipv6Header {
                    traffic_class: 0,
                    flow_label: Ipv6FlowLabel::default(),
                    payload_length: 0,
                    next_header: IpNumber::UDP,
                    hop_limit: 64,
                    source: src.octets(),
                    destination: dst.octets(),
                };
                (Ip::V6(ip, Vec::new()), EtherType::IPV6)
            }
            _ => panic!("{} and {} do not meet", src.0, dst.0),
        };
        Self {
            eth: Ethernet2Header { source: src.1.octets(), destination: dst.1.octets(), ether_type },
            ip,
            udp: UdpHeader { source_port: 50000, destination_port: DSTPORT, length: 0, checksum: 0 },
            vxlan: [0x08, 0, 0, 0, a, b, c, 0],
            ip_len_off: 0,
            udp_len_off: 0,
        }
    }

    /// Without MAC addresses: those of a packet whose next hop is not known yet.
    pub fn without_macs(mut self) -> Self {
        self.eth.source = [0; 6];
        self.eth.destination = [0; 6];
        self
    }

    /// DSCP and ECN.
    pub fn tos(mut self, tos: u8) -> Self {
        match &mut self.ip {
            Ip::V4(ip) => {
                ip.dscp = IpDscp::try_new(tos >> 2).expect("six bits");
                ip.ecn = IpEcn::try_new(tos & 3).expect("two bits");
            }
            Ip::V6(ip, _) => ip.traffic_class = tos,
        }
        self
    }

    /// Time to live, or hop limit.
    pub fn ttl(mut self, ttl: u8) -> Self {
        match &mut self.ip {
            Ip::V4(ip) => ip.time_to_live = ttl,
            Ip::V6(ip, _) => ip.hop_limit = ttl,
        }
        self
    }

    /// Don't fragment. IPv6 never is on its way, and does not say so.
    pub fn df(mut self, df: bool) -> Self {
        if let Ip::V4(ip) = &mut self.ip {
            ip.dont_fragment = df;
        }
        self
    }

    /// Identification, of IPv4.
    pub fn id(mut self, id: u16) -> Self {
        if let Ip::V4(ip) = &mut self.ip {
            ip.identification = id;
        }
        self
    }

    /// UDP source port.
    pub fn srcport(mut self, port: u16) -> Self {
        self.udp.source_port = port;
        self
    }

    /// UDP destination port.
    pub fn dstport(mut self, port: u16) -> Self {
        self.udp.destination_port = port;
        self
    }

    /// A UDP checksum: this one, right or not.
    pub fn udp_checksum(mut self, checksum: u16) -> Self {
        self.udp.checksum = checksum;
        self
    }

    /// To another address than ours.
    pub fn to_address(mut self, addr: impl Into<IpAddr>) -> Self {
        match (&mut self.ip, here(addr)) {
            (Ip::V4(ip), IpAddr::V4(addr)) => ip.destination = addr.octets(),
            (Ip::V6(ip, _), IpAddr::V6(addr)) => ip.destination = addr.octets(),
            (_, addr) => panic!("{addr} is of the other version"),
        }
        self
    }

    /// Another protocol than UDP.
    pub fn protocol(mut self, protocol: u8) -> Self {
        match &mut self.ip {
            Ip::V4(ip) => ip.protocol = IpNumber(protocol),
            Ip::V6(ip, _) => ip.next_header = IpNumber(protocol),
        }
        self
    }

    /// With IP options that mean nothing.
    pub fn options(mut self) -> Self {
        match &mut self.ip {
            Ip::V4(ip) => ip.options = [1, 1, 1, 0].into(),
            // UDP is next, the header has 8 bytes, four of padding and their option's head.
            Ip::V6(..) => self.extend(OPTIONS, [17, 0, 1, 4, 0, 0, 0, 0]),
        }
        self
    }

    fn extend(&mut self, kind: IpNumber, bytes: [u8; 8]) {
        if let Ip::V6(ip, extension) = &mut self.ip {
            ip.next_header = kind;
            *extension = bytes.to_vec();
        }
    }

    /// The first fragment of its packet.
    pub fn first_fragment(self) -> Self {
        self.fragment(0, true, 7)
    }

    /// The last fragment of its packet.
    pub fn last_fragment(self) -> Self {
        self.fragment(185, false, 7)
    }

    /// A fragment that begins at so many times eight bytes. An identification is given to it over IPv6.
    fn fragment(mut self, at: u16, more: bool, id: u8) -> Self {
        match &mut self.ip {
            Ip::V4(ip) => {
                (ip.dont_fragment, ip.more_fragments) = (false, more);
                ip.fragment_offset = IpFragOffset::try_new(at).expect("thirteen bits");
            }
            Ip::V6(..) => {
                let [high, low] = (at << 3 | u16::from(more)).to_be_bytes();
                self.extend(FRAGMENT, [17, 0, high, low, 0, 0, 0, id]);
            }
        }
        self
    }

    /// The VXLAN header with one of its 64 bits the other way round.
    pub fn flip(mut self, bit: usize) -> Self {
        self.vxlan[bit / 8] ^= 0x80 >> (bit % 8);
        self
    }

    /// An IP length that is wrong by so much.
    pub fn ip_len_off(mut self, by: i16) -> Self {
        self.ip_len_off = by;
        self
    }

    /// A UDP length that is wrong by so much.
    pub fn udp_len_off(mut self, by: i16) -> Self {
        self.udp_len_off = by;
        self
    }

    /// The packet that carries an inner frame.
    pub fn around(&self, inner: &[u8]) -> Vec<u8> {
        self.packet(&self.datagram(inner))
    }

    /// The same packet in two fragments, of which the first has 64 bytes of it, with an identification.
    pub fn in_two_around(&self, inner: &[u8], id: u8) -> [Vec<u8>; 2] {
        let datagram = self.datagram(inner);
        let (first, last) = datagram.split_at(64);
        [(0, true, first), (8, false, last)]
            .map(|(at, more, part)| self.clone().id(id.into()).fragment(at, more, id).packet(part))
    }

    fn datagram(&self, inner: &[u8]) -> Vec<u8> {
        let mut udp = self.udp.clone();
        let len = u16::try_from(16 + inner.len()).expect("short");
        udp.length = len.wrapping_add_signed(self.udp_len_off);
        [&udp.to_bytes(), &self.vxlan[..], inner].concat()
    }

    fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let ip = match self.ip.clone() {
            Ip::V4(mut ip) => {
                ip.set_payload_len(payload.len()).expect("short");
                ip.total_len = ip.total_len.wrapping_add_signed(self.ip_len_off);
                ip.header_checksum = ip.calc_header_checksum();
                ip.to_bytes().to_vec()
            }
            Ip::V6(mut ip, extension) => {
                let len = extension.len() + payload.len();
                ip.payload_length = u16::try_from(len).expect("short").wrapping_add_signed(self.ip_len_off);
                [&ip.to_bytes()[..], &extension].concat()
            }
        };
        [&self.eth.to_bytes()[..], &ip, payload].concat()
    }

    /// The same packet with those fields of `seen` that are free: the source port within its range and, when the
    /// packet may be fragmented, the identification.
    pub(super) fn like(&self, seen: &[u8]) -> Self {
        let field = |at: usize| seen.get(at..at + 2).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]));
        let mut this = self.clone();
        let (version, fragile) = match &this.ip {
            Ip::V4(ip) => (IpVersion::V4, !ip.dont_fragment),
            Ip::V6(..) => (IpVersion::V6, false),
        };
        // UDP and VXLAN have 16 bytes.
        this.udp.source_port = field(outer_len_of(version) - 16).max(49152);
        if fragile { this.id(field(18)) } else { this }
    }
}

/// Our address for talking with a remote.
fn local_for(remote: IpAddr) -> IpAddr {
    match remote {
        IpAddr::V4(_) => LOCAL.into(),
        IpAddr::V6(_) => super::version::twin(LOCAL).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{R1, over};

    #[test]
    fn the_headers_have_the_vni_before_their_last_byte() {
        for (version, len, lengths) in [(IpVersion::V4, 50, (16, 41)), (IpVersion::V6, 70, (18, 21))] {
            let packet = over(version, || Outer::from(R1, 0x12_3456).around(b"frame"));
            assert_eq!(packet.len(), len + 5);
            assert_eq!(packet[len - 8..len], [8, 0, 0, 0, 0x12, 0x34, 0x56, 0]);
            let (at, ip_len) = lengths;
            assert_eq!((&packet[at..at + 2], &packet[len - 12..len - 10]), (&[0, ip_len][..], &[0, 21][..]));
        }
    }

    #[test]
    fn headers_of_ipv6_that_follow_lead_to_udp() {
        let packet = over(IpVersion::V6, || Outer::from(R1, 1).first_fragment().around(b"frame"));
        assert_eq!((packet[20], packet[54], &packet[18..20]), (44, 17, &[0, 29][..]));
        assert_eq!(packet[64..66], DSTPORT.to_be_bytes());
    }
}
