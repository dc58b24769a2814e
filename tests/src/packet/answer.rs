//! The answers to a packet that does not fit, written independently of the data path's own.

use etherparse::{
    EtherType, Ethernet2Header, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header,
    icmpv4::DestUnreachableHeader,
    {Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type},
};

/// ICMP "fragmentation needed" to a frame.
///
/// # Panics
/// When the frame is no IPv4 packet.
pub fn fragmentation_needed(to: &[u8], mtu: u16) -> Vec<u8> {
    let (eth, packet) = Ethernet2Header::from_slice(to).expect("an Ethernet header");
    let (ip, _) = Ipv4Header::from_slice(packet).expect("an IPv4 header");
    let quote = packet.get(..576 - 20 - 8).expect("more than 548 bytes");
    let kind = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: mtu };
    let icmp = Icmpv4Header::with_checksum(Icmpv4Type::DestinationUnreachable(kind), quote);
    let mut answer = Ipv4Header {
        total_len: 576,
        dont_fragment: true,
        time_to_live: 64,
        protocol: IpNumber::ICMP,
        source: ip.destination,
        destination: ip.source,
        ..Ipv4Header::default()
    };
    answer.header_checksum = answer.calc_header_checksum();
    [&back(&eth, EtherType::IPV4)[..], &answer.to_bytes(), &icmp.to_bytes(), quote].concat()
}

/// ICMPv6 "packet too big" to a frame.
///
/// # Panics
/// When the frame is no IPv6 packet.
pub fn packet_too_big(to: &[u8], mtu: u32) -> Vec<u8> {
    let (eth, packet) = Ethernet2Header::from_slice(to).expect("an Ethernet header");
    let (ip, _) = Ipv6Header::from_slice(packet).expect("an IPv6 header");
    let quote = packet.get(..1280 - 40 - 8).expect("more than 1232 bytes");
    let kind = Icmpv6Type::PacketTooBig { mtu };
    let icmp = Icmpv6Header::with_checksum(kind, ip.destination, ip.source, quote).expect("short");
    let answer = Ipv6Header {
        traffic_class: 0,
        flow_label: Ipv6FlowLabel::default(),
        payload_length: 1240,
        next_header: IpNumber::IPV6_ICMP,
        hop_limit: 64,
        source: ip.destination,
        destination: ip.source,
    };
    [&back(&eth, EtherType::IPV6)[..], &answer.to_bytes(), &icmp.to_bytes(), quote].concat()
}

fn back(eth: &Ethernet2Header, ether_type: EtherType) -> [u8; 14] {
    Ethernet2Header { source: eth.destination, destination: eth.source, ether_type }.to_bytes()
}
