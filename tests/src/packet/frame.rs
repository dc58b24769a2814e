//! Inner frames, one header after the other.

mod nd;

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{
    ArpEthIpv4Packet, ArpOperation, ArpPacket, EtherType, Ethernet2Header, IpDscp, IpEcn, IpFragOffset,
    IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, SingleVlanHeader, TcpHeader, UdpHeader, VlanId, VlanPcp,
};
use vxbpf_common::Mac;

pub use self::nd::{group_mac, solicited_node};

/// What is behind the Ethernet header.
#[derive(Clone)]
enum Network {
    None(u16),
    Arp(Box<ArpPacket>),
    V4(Box<Ipv4Header>),
    V6(Box<Ipv6Header>),
}

/// What is behind an IP header.
#[derive(Clone)]
enum Transport {
    None,
    Udp(u16, u16),
    Tcp(u16, u16),
    /// Type, and the four bytes behind the checksum.
    Icmpv6(u8, [u8; 4]),
}

/// A frame in the making: begin with the addresses, name the headers, end with [`Frame::bytes`].
#[derive(Clone)]
pub struct Frame {
    src: Mac,
    dst: Mac,
    tags: Vec<(u16, u16)>,
    network: Network,
    transport: Transport,
    payload: Vec<u8>,
}

impl Frame {
    /// A frame of an ethertype that nobody knows.
    pub fn new(src: Mac, dst: Mac) -> Self {
        // RFC 5342 section B.2: local experiments.
        Self {
            src,
            dst,
            tags: Vec::new(),
            network: Network::None(0x88b5),
            transport: Transport::None,
            payload: b"payload".repeat(8),
        }
    }

    /// With an 802.1Q tag, behind those that it has. Above the twelve bits of its number are its priority and DEI.
    pub fn vlan(mut self, tci: u16) -> Self {
        self.tags.push((0x8100, tci));
        self
    }

    /// With an 802.1ad service tag, behind those that it has.
    pub fn service_vlan(mut self, id: u16) -> Self {
        self.tags.push((0x88a8, id));
        self
    }

    /// An IPv4 packet.
    pub fn ipv4(mut self, src: Ipv4Addr, dst: Ipv4Addr) -> Self {
        let ip = Ipv4Header {
            source: src.octets(),
            destination: dst.octets(),
            time_to_live: 17,
            ..Ipv4Header::default()
        };
        self.network = Network::V4(Box::new(Ipv4Header { protocol: IpNumber(253), identification: 7, ..ip }));
        self
    }

    /// An IPv6 packet.
    pub fn ipv6(mut self, src: Ipv6Addr, dst: Ipv6Addr) -> Self {
        self.network = Network::V6(Box::new(Ipv6Header {
            traffic_class: 0,
            flow_label: Ipv6FlowLabel::default(),
            payload_length: 0,
            next_header: IpNumber(253),
            hop_limit: 19,
            source: src.octets(),
            destination: dst.octets(),
        }));
        self
    }

    /// To this address instead of the IPv6 packet's.
    pub fn ipv6_to(mut self, dst: Ipv6Addr) -> Self {
        let Network::V6(ip) = &mut self.network else { panic!("the frame is not IPv6") };
        ip.destination = dst.octets();
        self
    }

    /// An ARP request.
    pub fn arp_request(self, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        self.arp(ArpOperation::REQUEST, sender, Mac::ZERO, target)
    }

    /// An ARP reply.
    pub fn arp_reply(self, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        let target_mac = self.dst;
        self.arp(ArpOperation::REPLY, sender, target_mac, target)
    }

    fn arp(mut self, operation: ArpOperation, sender: Ipv4Addr, target_mac: Mac, target: Ipv4Addr) -> Self {
        let packet = ArpPacket::from(ArpEthIpv4Packet {
            operation,
            sender_mac: self.src.octets(),
            sender_ipv4: sender.octets(),
            target_mac: target_mac.octets(),
            target_ipv4: target.octets(),
        });
        self.network = Network::Arp(Box::new(packet));
        self.payload.clear();
        self
    }

    fn v4(mut self, change: impl FnOnce(&mut Ipv4Header)) -> Self {
        if let Network::V4(ip) = &mut self.network {
            change(ip);
        } else {
            panic!("the frame is not IPv4");
        }
        self
    }

    /// TOS of IPv4, traffic class of IPv6.
    pub fn tos(mut self, tos: u8) -> Self {
        if let Network::V6(ip) = &mut self.network {
            ip.traffic_class = tos;
            return self;
        }
        self.v4(|ip| {
            ip.dscp = IpDscp::try_new(tos >> 2).expect("six bits");
            ip.ecn = IpEcn::try_new(tos & 3).expect("two bits");
        })
    }

    /// TTL of IPv4, hop limit of IPv6.
    pub fn ttl(mut self, ttl: u8) -> Self {
        if let Network::V6(ip) = &mut self.network {
            ip.hop_limit = ttl;
            return self;
        }
        self.v4(|ip| ip.time_to_live = ttl)
    }

    /// Whether the IPv4 packet may be fragmented.
    pub fn df(self, df: bool) -> Self {
        self.v4(|ip| ip.dont_fragment = df)
    }

    /// The first fragment of its IPv4 packet.
    pub fn first_fragment(self) -> Self {
        self.v4(|ip| ip.more_fragments = true)
    }

    /// The last fragment of its IPv4 packet: without a transport header.
    pub fn last_fragment(mut self) -> Self {
        let protocol = match self.transport {
            Transport::None => None,
            Transport::Udp(..) => Some(IpNumber::UDP),
            Transport::Tcp(..) => Some(IpNumber::TCP),
            Transport::Icmpv6(..) => Some(IpNumber::IPV6_ICMP),
        };
        self.transport = Transport::None;
        self.v4(|ip| {
            ip.protocol = protocol.unwrap_or(ip.protocol);
            ip.fragment_offset = IpFragOffset::try_new(185).expect("thirteen bits");
        })
    }

    /// With four bytes of IPv4 options.
    pub fn options(self) -> Self {
        self.v4(|ip| ip.options = [1, 1, 1, 0].into())
    }

    /// UDP behind IP.
    pub fn udp(mut self, src: u16, dst: u16) -> Self {
        self.transport = Transport::Udp(src, dst);
        self
    }

    /// TCP behind IP.
    pub fn tcp(mut self, src: u16, dst: u16) -> Self {
        self.transport = Transport::Tcp(src, dst);
        self
    }

    /// This payload instead of the usual one.
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = payload.into();
        self
    }

    /// As much payload as makes the frame `len` bytes long.
    pub fn padded_to(mut self, len: usize) -> Self {
        self.payload.clear();
        let missing = len.checked_sub(self.bytes().len()).expect("the headers are longer than that");
        self.payload = vec![0x5a; missing];
        self
    }

    fn segment(&self) -> (Option<IpNumber>, Vec<u8>) {
        let len = u16::try_from(8 + self.payload.len()).expect("short");
        let (protocol, mut bytes) = match self.transport {
            Transport::None => (None, Vec::new()),
            Transport::Udp(source_port, destination_port) => {
                let udp = UdpHeader { source_port, destination_port, length: len, checksum: 0 };
                (Some(IpNumber::UDP), udp.to_bytes().to_vec())
            }
            Transport::Tcp(src, dst) => {
                (Some(IpNumber::TCP), TcpHeader::new(src, dst, 1, 1024).to_bytes().to_vec())
            }
            Transport::Icmpv6(kind, rest) => {
                let Network::V6(ip) = &self.network else { panic!("the frame is not IPv6") };
                let addresses = (ip.source, ip.destination);
                (Some(IpNumber::IPV6_ICMP), nd::icmpv6(kind, rest, &self.payload, addresses))
            }
        };
        bytes.extend_from_slice(&self.payload);
        (protocol, bytes)
    }

    /// The frame.
    pub fn bytes(&self) -> Vec<u8> {
        let (ether_type, packet) = match &self.network {
            Network::None(ether_type) => (*ether_type, self.payload.clone()),
            Network::Arp(arp) => (EtherType::ARP.0, [&arp.to_bytes(), self.payload.as_slice()].concat()),
            Network::V4(ip) => {
                let (protocol, segment) = self.segment();
                let mut ip = ip.as_ref().clone();
                ip.protocol = protocol.unwrap_or(ip.protocol);
                ip.set_payload_len(segment.len()).expect("short");
                ip.header_checksum = ip.calc_header_checksum();
                (EtherType::IPV4.0, [&ip.to_bytes(), segment.as_slice()].concat())
            }
            Network::V6(ip) => {
                let (protocol, segment) = self.segment();
                let mut ip = ip.as_ref().clone();
                ip.next_header = protocol.unwrap_or(ip.next_header);
                ip.payload_length = u16::try_from(segment.len()).expect("short");
                (EtherType::IPV6.0, [&ip.to_bytes()[..], &segment].concat())
            }
        };
        let types = || self.tags.iter().map(|(tpid, _)| *tpid).chain([ether_type]);
        let eth = Ethernet2Header {
            source: self.src.octets(),
            destination: self.dst.octets(),
            ether_type: EtherType(types().next().unwrap_or(ether_type)),
        };
        let mut bytes = eth.to_bytes().to_vec();
        for ((_, tci), next) in self.tags.iter().zip(types().skip(1)) {
            let tag = SingleVlanHeader {
                pcp: VlanPcp::try_new((tci >> 13) as u8).expect("three bits"),
                drop_eligible_indicator: tci & 0x1000 != 0,
                vlan_id: VlanId::try_new(tci & 0xfff).expect("twelve bits"),
                ether_type: EtherType(next),
            };
            bytes.extend_from_slice(&tag.to_bytes());
        }
        bytes.extend_from_slice(&packet);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mac = Mac::new([2, 0, 0, 0, 0, 1]);
    const B: Mac = Mac::new([2, 0, 0, 0, 0, 2]);

    #[test]
    fn a_tagged_datagram_is_what_the_standards_say() {
        let frame = Frame::new(A, B)
            .vlan(5)
            .ipv4([10, 0, 0, 1].into(), [10, 0, 0, 2].into())
            .udp(1, 2)
            .payload(*b"hi");
        let bytes = frame.bytes();
        assert_eq!(bytes[..18], [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 5, 8, 0]);
        assert_eq!((bytes[18], bytes[27], &bytes[20..22]), (0x45, 17, &[0, 30][..]));
        assert_eq!(bytes[38..], [0, 1, 0, 2, 0, 10, 0, 0, b'h', b'i']);
    }

    #[test]
    fn padding_reaches_the_length_asked_for() {
        let frame = Frame::new(A, B).ipv6("::1".parse().unwrap(), "::2".parse().unwrap()).tcp(1, 2);
        assert_eq!(frame.padded_to(500).bytes().len(), 500);
    }
}
