//! VXLAN packets as the wire carries them, taken apart.

use std::net::IpAddr;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

/// The UDP port of VXLAN (RFC 7348 section 5).
pub const DSTPORT: u16 = 4789;

/// A VXLAN packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vxlan {
    /// Outer addresses.
    pub src: IpAddr,
    /// Outer addresses.
    pub dst: IpAddr,
    /// UDP ports.
    pub srcport: u16,
    /// UDP ports.
    pub dstport: u16,
    /// UDP checksum.
    pub checksum: u16,
    /// TTL or hop limit.
    pub ttl: u8,
    /// TOS or traffic class.
    pub tos: u8,
    /// DF of IPv4; none of IPv6.
    pub df: Option<bool>,
    /// The VXLAN header.
    pub header: [u8; 8],
    /// The inner frame.
    pub inner: Vec<u8>,
}

impl Vxlan {
    /// Takes a packet apart, if it is a whole VXLAN packet to one of these UDP ports.
    pub fn parse(packet: &[u8], dstports: &[u16]) -> Option<Self> {
        let sliced = SlicedPacket::from_ethernet(packet).ok()?;
        let (src, dst, ttl, tos, df): (IpAddr, IpAddr, u8, u8, _) = match sliced.net? {
            NetSlice::Ipv4(ip) => {
                let ip = ip.header();
                let tos = ip.dcp().value() << 2 | ip.ecn().value();
                let df = Some(ip.dont_fragment());
                (ip.source_addr().into(), ip.destination_addr().into(), ip.ttl(), tos, df)
            }
            NetSlice::Ipv6(ip) => {
                let ip = ip.header();
                let (src, dst) = (ip.source_addr().into(), ip.destination_addr().into());
                (src, dst, ip.hop_limit(), ip.traffic_class(), None)
            }
            NetSlice::Arp(_) => return None,
        };
        let Some(TransportSlice::Udp(udp)) = sliced.transport else { return None };
        let (header, inner) = udp.payload().split_first_chunk::<8>()?;
        dstports.contains(&udp.destination_port()).then(|| Self {
            src,
            dst,
            srcport: udp.source_port(),
            dstport: udp.destination_port(),
            checksum: udp.checksum(),
            ttl,
            tos,
            df,
            header: *header,
            inner: inner.to_vec(),
        })
    }

    /// The VNI.
    pub fn vni(&self) -> u32 {
        let [.., a, b, c, _] = self.header;
        u32::from_be_bytes([0, a, b, c])
    }
}
