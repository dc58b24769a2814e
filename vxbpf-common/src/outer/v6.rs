//! Outer headers over IPv6.

use network_types::{eth::EthHdr, ip::Ipv6Hdr, udp::UdpHdr, vxlan::VxlanHdr};

use super::{ETH_IPV6, FlowMarks, IPPROTO_UDP, Outer, Tunnel, be16, bytes};
use crate::{Addr, Mac};

/// 70 bytes, no extension headers.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Outer6 {
    /// Underlay Ethernet header.
    pub eth: EthHdr,
    /// Outer IPv6 header.
    pub ip: Ipv6Hdr,
    /// Outer UDP header.
    pub udp: UdpHdr,
    /// VXLAN header.
    pub vxlan: VxlanHdr,
}

const _: () = assert!(size_of::<Outer6>() == 70);

const IP_END: u32 = bytes::<EthHdr>() + bytes::<Ipv6Hdr>();
const UDP_VXLAN_LEN: u32 = bytes::<UdpHdr>() + bytes::<VxlanHdr>();

impl Outer for Outer6 {
    const LEN: usize = size_of::<Self>();
    const IP_OVERHEAD: u32 = bytes::<Self>() - bytes::<EthHdr>();
    const IS_IPV6: bool = true;

    /// The UDP checksum is zero, which tunnels may do over IPv6 (RFC 6935, RFC 6936 section 4, RFC 7348 section 5),
    /// if the other end takes it: the kernel's driver with `udp6zerocsumrx`. The flow label is zero, as the
    /// driver's is.
    #[inline(always)]
    fn template(tunnel: &Tunnel, src_mac: Mac, dst_mac: Mac) -> Option<Self> {
        if tunnel.local.is_none() || tunnel.remote.as_v4().is_some() {
            return None;
        }
        Some(Self {
            eth: EthHdr { dst_addr: dst_mac.octets(), src_addr: src_mac.octets(), ether_type: ETH_IPV6 },
            ip: Ipv6Hdr {
                vcf: [0x60, 0, 0, 0],
                payload_len: [0; 2],
                next_hdr: IPPROTO_UDP,
                hop_limit: 0,
                src_addr: tunnel.local.octets(),
                dst_addr: tunnel.remote.octets(),
            },
            udp: UdpHdr { src: [0; 2], dst: tunnel.dstport, len: [0; 2], check: [0; 2] },
            vxlan: super::vxlan(tunnel.vni),
        })
    }

    /// There is no IP checksum.
    #[inline(always)]
    fn address_sum(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn complete(&mut self, _address_sum: u32, flow: &FlowMarks, inner_len: u32) {
        let udp_len = be16(inner_len + UDP_VXLAN_LEN);
        self.ip.vcf = [0x60 | flow.tos >> 4, flow.tos << 4, 0, 0];
        self.ip.payload_len = udp_len;
        self.ip.hop_limit = flow.ttl;
        self.udp.src = flow.srcport;
        self.udp.len = udp_len;
    }

    #[inline(always)]
    fn is_udp_to(&self, dstport: [u8; 2]) -> bool {
        self.eth.ether_type == ETH_IPV6
            && self.ip.vcf[0] >> 4 == 6
            && self.ip.next_hdr == IPPROTO_UDP
            && self.udp.dst == dstport
            // No host has a mapped address (`ipv6_rcv`); with us it would be the IPv4 one. Nor has one none, which
            // stands for ours where we have no IPv6.
            && self.src().as_v4().is_none()
            && self.dst().as_v4().is_none()
            && !self.dst().is_none()
    }

    #[inline(always)]
    fn lengths_agree(&self, len: u32) -> bool {
        let udp_len = u32::from(u16::from_be_bytes(self.udp.len));
        self.udp.len == self.ip.payload_len && udp_len + IP_END <= len && udp_len >= UDP_VXLAN_LEN
    }

    #[inline(always)]
    fn frame_len(&self) -> u32 {
        u32::from(u16::from_be_bytes(self.ip.payload_len)) + IP_END
    }

    #[inline(always)]
    fn src(&self) -> Addr {
        Addr::v6(self.ip.src_addr)
    }

    #[inline(always)]
    fn dst(&self) -> Addr {
        Addr::v6(self.ip.dst_addr)
    }

    #[inline(always)]
    fn tos(&self) -> u8 {
        self.ip.vcf[0] << 4 | self.ip.vcf[1] >> 4
    }

    #[inline(always)]
    fn vxlan(&self) -> &VxlanHdr {
        &self.vxlan
    }
}
