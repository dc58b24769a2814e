//! Outer headers over IPv4.

use network_types::{eth::EthHdr, ip::Ipv4Hdr, udp::UdpHdr, vxlan::VxlanHdr};

use super::{ETH_IPV4, FlowMarks, IPPROTO_UDP, Outer, Tunnel, be16, bytes};
use crate::{Addr, Mac, checksum};

/// Don't fragment, in the first byte of `Ipv4Hdr::frags`.
pub const IPV4_DF: u8 = 0x40;

/// 50 bytes, no IP options.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Outer4 {
    /// Underlay Ethernet header.
    pub eth: EthHdr,
    /// Outer IPv4 header.
    pub ip: Ipv4Hdr,
    /// Outer UDP header.
    pub udp: UdpHdr,
    /// VXLAN header.
    pub vxlan: VxlanHdr,
}

const _: () = assert!(size_of::<Outer4>() == 50);

const ETH_LEN: u32 = bytes::<EthHdr>();
const IPV4_LEN: u32 = bytes::<Ipv4Hdr>();
const UDP_VXLAN_LEN: u32 = bytes::<UdpHdr>() + bytes::<VxlanHdr>();

impl Outer for Outer4 {
    const LEN: usize = size_of::<Self>();
    const IP_OVERHEAD: u32 = bytes::<Self>() - ETH_LEN;
    const IS_IPV6: bool = false;

    /// The UDP checksum is zero (RFC 7348 section 5).
    #[inline(always)]
    fn template(tunnel: &Tunnel, src_mac: Mac, dst_mac: Mac) -> Option<Self> {
        Some(Self {
            eth: EthHdr { dst_addr: dst_mac.octets(), src_addr: src_mac.octets(), ether_type: ETH_IPV4 },
            ip: Ipv4Hdr {
                vihl: 0x45,
                tos: 0,
                tot_len: [0; 2],
                id: [0; 2],
                frags: [0; 2],
                ttl: 0,
                proto: IPPROTO_UDP,
                check: [0; 2],
                src_addr: tunnel.local.as_v4()?,
                dst_addr: tunnel.remote.as_v4()?,
            },
            udp: UdpHdr { src: [0; 2], dst: tunnel.dstport, len: [0; 2], check: [0; 2] },
            vxlan: super::vxlan(tunnel.vni),
        })
    }

    #[inline(always)]
    fn address_sum(&self) -> u32 {
        checksum::addresses4(&self.ip)
    }

    /// The IP checksum is right.
    #[inline(always)]
    fn complete(&mut self, address_sum: u32, flow: &FlowMarks, inner_len: u32) {
        let udp_len = inner_len + UDP_VXLAN_LEN;
        let ip = &mut self.ip;
        ip.tos = flow.tos;
        ip.tot_len = be16(udp_len + IPV4_LEN);
        ip.id = flow.id;
        ip.frags = [if flow.df { IPV4_DF } else { 0 }, 0];
        ip.ttl = flow.ttl;
        ip.check = checksum::ipv4_with(ip, address_sum);
        self.udp.src = flow.srcport;
        self.udp.len = be16(udp_len);
    }

    #[inline(always)]
    fn is_udp_to(&self, dstport: [u8; 2]) -> bool {
        self.eth.ether_type == ETH_IPV4
            && self.ip.vihl == 0x45
            && self.ip.proto == IPPROTO_UDP
            && self.udp.dst == dstport
            && self.ip.frags[0] & !(IPV4_DF | 0x80) == 0
            && self.ip.frags[1] == 0
            && checksum::is_right(&self.ip)
    }

    #[inline(always)]
    fn lengths_agree(&self, len: u32) -> bool {
        let ip_len = u32::from(u16::from_be_bytes(self.ip.tot_len));
        let udp_len = u32::from(u16::from_be_bytes(self.udp.len));
        udp_len + IPV4_LEN == ip_len && ip_len + ETH_LEN <= len && udp_len >= UDP_VXLAN_LEN
    }

    #[inline(always)]
    fn frame_len(&self) -> u32 {
        u32::from(u16::from_be_bytes(self.ip.tot_len)) + ETH_LEN
    }

    #[inline(always)]
    fn src(&self) -> Addr {
        Addr::v4(self.ip.src_addr)
    }

    #[inline(always)]
    fn dst(&self) -> Addr {
        Addr::v4(self.ip.dst_addr)
    }

    #[inline(always)]
    fn tos(&self) -> u8 {
        self.ip.tos
    }

    #[inline(always)]
    fn vxlan(&self) -> &VxlanHdr {
        &self.vxlan
    }
}
