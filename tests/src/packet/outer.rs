//! The outer headers of a VXLAN packet, written independently of the data path's own builder.

use std::net::Ipv4Addr;

use etherparse::{EtherType, Ethernet2Header, IpDscp, IpEcn, IpFragOffset, IpNumber, Ipv4Header, UdpHeader};
use vxbpf_common::Mac;

use super::bed::{DSTPORT, LOCAL, UNDERLAY_MAC, remote_mac};

/// Bytes of the outer headers.
pub(super) const LEN: usize = 50;

/// Outer headers in the making: begin with the VTEPs, end with [`Outer::around`].
#[derive(Clone)]
pub struct Outer {
    eth: Ethernet2Header,
    ip: Ipv4Header,
    udp: UdpHeader,
    vxlan: [u8; 8],
    ip_len_off: i16,
    udp_len_off: i16,
}

impl Outer {
    /// From a remote to us, in VNI `vni`.
    pub fn from(remote: Ipv4Addr, vni: u32) -> Self {
        Self::between((remote, remote_mac(remote)), (LOCAL, UNDERLAY_MAC), vni)
    }

    /// From us to a remote, in VNI `vni`.
    pub fn to(remote: Ipv4Addr, vni: u32) -> Self {
        Self::between((LOCAL, UNDERLAY_MAC), (remote, remote_mac(remote)), vni)
    }

    fn between(src: (Ipv4Addr, Mac), dst: (Ipv4Addr, Mac), vni: u32) -> Self {
        let [_, a, b, c] = vni.to_be_bytes();
        Self {
            eth: Ethernet2Header {
                source: src.1.octets(),
                destination: dst.1.octets(),
                ether_type: EtherType::IPV4,
            },
            ip: Ipv4Header {
                time_to_live: 64,
                dont_fragment: true,
                protocol: IpNumber::UDP,
                source: src.0.octets(),
                destination: dst.0.octets(),
                ..Ipv4Header::default()
            },
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
        self.ip.dscp = IpDscp::try_new(tos >> 2).expect("six bits");
        self.ip.ecn = IpEcn::try_new(tos & 3).expect("two bits");
        self
    }

    /// Time to live.
    pub fn ttl(mut self, ttl: u8) -> Self {
        self.ip.time_to_live = ttl;
        self
    }

    /// Don't fragment.
    pub fn df(mut self, df: bool) -> Self {
        self.ip.dont_fragment = df;
        self
    }

    /// Identification.
    pub fn id(mut self, id: u16) -> Self {
        self.ip.identification = id;
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
    pub fn to_address(mut self, addr: Ipv4Addr) -> Self {
        self.ip.destination = addr.octets();
        self
    }

    /// Another protocol than UDP.
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.ip.protocol = IpNumber(protocol);
        self
    }

    /// With four bytes of IP options.
    pub fn options(mut self) -> Self {
        self.ip.options = [1, 1, 1, 0].into();
        self
    }

    /// The first fragment of its packet.
    pub fn first_fragment(mut self) -> Self {
        self.ip.dont_fragment = false;
        self.ip.more_fragments = true;
        self
    }

    /// The last fragment of its packet.
    pub fn last_fragment(mut self) -> Self {
        self.ip.dont_fragment = false;
        self.ip.fragment_offset = IpFragOffset::try_new(185).expect("thirteen bits");
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
        let (mut ip, mut udp) = (self.ip.clone(), self.udp.clone());
        let udp_len = u16::try_from(16 + inner.len()).expect("short");
        udp.length = udp_len.wrapping_add_signed(self.udp_len_off);
        ip.set_payload_len(usize::from(udp_len)).expect("short");
        ip.total_len = ip.total_len.wrapping_add_signed(self.ip_len_off);
        ip.header_checksum = ip.calc_header_checksum();
        [&self.eth.to_bytes()[..], &ip.to_bytes(), &udp.to_bytes(), &self.vxlan, inner].concat()
    }

    /// The same packet with those fields of `seen` that are free: the source port within its range and, when the
    /// packet may be fragmented, the identification.
    pub(super) fn like(&self, seen: &[u8]) -> Self {
        let field = |at: usize| seen.get(at..at + 2).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]));
        let mut this = self.clone();
        this.udp.source_port = field(34).max(49152);
        if !self.ip.dont_fragment {
            this.ip.identification = field(18);
        }
        this
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::R1;

    #[test]
    fn the_headers_are_fifty_bytes_with_the_vni_before_the_last() {
        let packet = Outer::from(R1, 0x12_3456).around(b"frame");
        assert_eq!(packet.len(), LEN + 5);
        assert_eq!(packet[42..50], [8, 0, 0, 0, 0x12, 0x34, 0x56, 0]);
        assert_eq!((&packet[16..18], &packet[38..40]), (&[0, 41][..], &[0, 21][..]));
    }
}
