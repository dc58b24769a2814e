//! Packets in the TC hook: an skb, with all the kernel can do to it.

use core::mem::offset_of;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{
        __sk_buff, BPF_F_ADJ_ROOM_DECAP_L3_IPV4, BPF_F_ADJ_ROOM_DECAP_L3_IPV6, BPF_F_ADJ_ROOM_ENCAP_L2_ETH,
        BPF_F_ADJ_ROOM_ENCAP_L3_IPV4, BPF_F_ADJ_ROOM_ENCAP_L3_IPV6, BPF_F_ADJ_ROOM_ENCAP_L4_UDP,
        BPF_F_ADJ_ROOM_FIXED_GSO, BPF_F_ADJ_ROOM_NO_CSUM_RESET, BPF_F_INGRESS, BPF_F_RECOMPUTE_CSUM,
        TC_ACT_SHOT, TC_ACT_UNSPEC, bpf_adj_room_mode::BPF_ADJ_ROOM_MAC,
    },
    helpers::{
        bpf_redirect, bpf_redirect_neigh, bpf_redirect_peer, bpf_skb_change_head, bpf_skb_change_tail,
        bpf_skb_vlan_pop, bpf_skb_vlan_push,
    },
    programs::TcContext,
};
use network_types::{eth::EthHdr, vlan::VlanHdr};
use vxbpf_common::{
    Addr, DropReason, Mac,
    flood::FloodRemote,
    instance::Errand,
    nexthop::NextHop,
    outer::{ETH_IPV4, ETH_IPV6, Outer, Outer4, Outer6, bytes},
};

use crate::{
    flood::{self, Replica},
    flow::{ETH_8021AD, ETH_8021Q, MAX_TAGS},
    nexthop,
    packet::{self, Header, Packet, Reach},
    quote,
    too_big::{self, Begin},
};

/// On to the next program or the stack.
pub const PASS: i32 = TC_ACT_UNSPEC;
/// The end of this skb.
pub const DROP: i32 = TC_ACT_SHOT;

/// Headers that the path may read of an inner frame: Ethernet with tags, IPv6; and of TCP, as far as its length.
const FRAME: u32 = 14 + 4 * MAX_TAGS as u32 + 40;
const TCP: u32 = 13;
/// The most that it may read.
const HEADERS: u32 = bytes::<Outer6>() + FRAME + TCP;

const PACKET_HOST: u32 = 0;
/// Shortest inner frame that `bpf_skb_adjust_room` leaves behind: it wants an IP header there, of the outer version
/// unless told otherwise.
const fn shrinkable<O: Outer>() -> u32 {
    if O::IS_IPV6 { 14 + 40 } else { 14 + 20 }
}

/// An skb at TC ingress.
pub struct Skb {
    ctx: TcContext,
    len: u32,
}

impl Skb {
    /// Wraps the context, and has the headers made linear if they are not, so that the path can read them in place.
    #[inline(always)]
    pub fn new(ctx: TcContext) -> Self {
        Self::with(ctx, |_| HEADERS)
    }

    /// The same for a frame from a port.
    #[inline(always)]
    pub fn from_port(ctx: TcContext) -> Self {
        Self::with(ctx, |skb| match skb.load::<EthHdr>(0).map(|eth| eth.ether_type) {
            Some(ETH_IPV4) if skb.load::<u8>(14) == Some(0x45) => 14 + 20 + TCP,
            // Not ICMPv6, of which neighbour discovery reads more, or extension headers.
            Some(ETH_IPV6) if matches!(skb.load::<u8>(20), Some(6 | 17 | 132)) => 14 + 40 + TCP,
            _ => HEADERS,
        })
    }

    /// The same for a packet from the underlay.
    #[inline(always)]
    pub fn from_underlay(ctx: TcContext) -> Self {
        Self::with(ctx, |skb| match skb.load::<EthHdr>(0).map(|eth| eth.ether_type) {
            Some(ETH_IPV4) => bytes::<Outer4>() + FRAME,
            Some(ETH_IPV6) => bytes::<Outer6>() + FRAME,
            _ => HEADERS,
        })
    }

    /// The stack and GRO leave the headers of a TCP packet linear, and nothing else: to have more made linear copies them
    /// (`__pskb_pull_tail`, `pskb_expand_head`). So it is asked first what is needed of this packet.
    #[inline(always)]
    fn with(ctx: TcContext, needed: impl FnOnce(&Self) -> u32) -> Self {
        let len = ctx.len();
        let skb = Self { ctx, len };
        let (start, end) = skb.bounds();
        let most = if len < HEADERS { len } else { HEADERS };
        if start + most as usize > end {
            let needed = needed(&skb);
            if start + (if len < needed { len } else { needed }) as usize > end {
                // If memory is short, loads will find the packet too short, which it then is for us.
                let _ = skb.ctx.pull_data(most);
            }
        }
        skb
    }

    /// The same skb in another function of the program.
    #[inline(always)]
    fn resume(skb: *mut __sk_buff) -> Self {
        let ctx = TcContext::new(skb);
        let len = ctx.len();
        Self { ctx, len }
    }

    #[inline(always)]
    fn raw(&self) -> *mut __sk_buff {
        self.ctx.skb.skb
    }

    /// The EtherType the kernel files the skb under, network order. With the tag in metadata it is that
    /// of the payload.
    #[inline(always)]
    fn protocol(&self) -> u16 {
        // A __be16 in a u32.
        (self.ctx.skb.protocol() & 0xffff) as u16
    }

    /// The VLAN tag in metadata.
    #[inline(always)]
    fn tag(&self) -> Option<VlanTag> {
        let skb = self.raw();
        // SAFETY: the context outlives the program's run; the verifier maps the field.
        if unsafe { (*skb).vlan_present } == 0 {
            return None;
        }
        // SAFETY: as above.
        let tci = unsafe { (*skb).vlan_tci };
        // SAFETY: as above.
        let tpid = unsafe { (*skb).vlan_proto };
        Some(VlanTag { tpid: (tpid & 0xffff) as u16, tci: (tci & 0xffff) as u16 })
    }

    #[inline(always)]
    fn set_mark(&self, mark: u32) {
        self.ctx.set_mark(mark);
    }

    /// Clears the mark of a packet that waited at the helper device; the host's rules are not to see it.
    #[inline(always)]
    pub fn unmark(&self) {
        self.set_mark(0);
    }

    /// Out of an interface.
    #[inline(always)]
    pub fn redirect(&self, ifindex: u32) -> i32 {
        // SAFETY: takes no pointers.
        unsafe { bpf_redirect(ifindex, 0) as i32 }
    }

    /// Into the pod behind a veth, past the backlog of its device.
    #[inline(always)]
    pub fn redirect_peer(&self, ifindex: u32) -> i32 {
        let skb = self.raw();
        // A frame between two ports was marked "for another host" when the first device received it,
        // and the pod's IP stack would drop it (ip_rcv_core). It is for the pod.
        // SAFETY: the context outlives the program's run; the verifier maps the field.
        if unsafe { (*skb).pkt_type } != PACKET_HOST {
            let _ = self.ctx.change_type(PACKET_HOST);
        }
        // SAFETY: takes no pointers.
        unsafe { bpf_redirect_peer(ifindex, 0) as i32 }
    }

    /// To the helper device, marked as ours. The mark survives: `____dev_forward_skb` clears it only
    /// between network namespaces (`skb_scrub_packet`).
    #[inline(always)]
    pub fn redirect_to_helper(&self, helper: u32) -> i32 {
        self.set_mark(Errand::Resolve.mark());
        // SAFETY: takes no pointers.
        unsafe { bpf_redirect(helper, BPF_F_INGRESS as u64) as i32 }
    }

    /// Out of an interface, as soon as the kernel has the next hop's MAC. Without parameters it looks up the
    /// next hop itself (`__bpf_redirect_neigh_v4`).
    #[inline(always)]
    pub fn redirect_neigh(&self, ifindex: u32) -> i32 {
        // SAFETY: a null pointer of length 0 stands for no parameters.
        unsafe { bpf_redirect_neigh(ifindex, core::ptr::null_mut(), 0, 0) as i32 }
    }

    /// Back out of the port it came from.
    #[inline(always)]
    pub fn reply(&self) -> i32 {
        self.redirect(self.ifindex())
    }

    /// Makes room for outer headers and `TAGS` 4-byte tags behind it. GSO and checksum state follow when the
    /// kernel knows the inner protocol; it refuses any but IP (`bpf_skb_adjust_room`, -ENOTSUPP), and
    /// frames that are a tunnel's already (-EALREADY): those get plain room, which cannot carry GSO.
    #[inline(always)]
    fn grow<O: Outer, const TAGS: usize>(&self) -> Result<(), DropReason> {
        let room = O::LEN + 4 * TAGS;
        let version = if O::IS_IPV6 { BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 } else { BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 };
        let inner_l2 = (14 + 4 * TAGS) as u64;
        let flags = BPF_F_ADJ_ROOM_FIXED_GSO
            | version
            | BPF_F_ADJ_ROOM_ENCAP_L4_UDP
            | BPF_F_ADJ_ROOM_ENCAP_L2_ETH
            | BPF_F_ADJ_ROOM_NO_CSUM_RESET;
        if self.is_ip()
            && self.ctx.adjust_room(room as i32, BPF_ADJ_ROOM_MAC, flags as u64 | (inner_l2 << 56)).is_ok()
        {
            return Ok(());
        }
        if self.gso_size() != 0 {
            return Err(DropReason::EncapFailed);
        }
        // SAFETY: the context is valid for the program's run.
        match unsafe { bpf_skb_change_head(self.raw(), room as u32, 0) } {
            0 => Ok(()),
            _ => Err(DropReason::EncapFailed),
        }
    }

    /// Removes the outer headers of a packet that is long enough; see [`Packet::pop_outer`].
    #[inline(always)]
    fn shrink<O: Outer>(&mut self, inner: EthHdr) -> Result<bool, DropReason> {
        let shrink = -(O::LEN as i32);
        let fixed = BPF_F_ADJ_ROOM_FIXED_GSO as u64;
        // The kernel files the skb under the outer protocol. Since Linux 6.3 it can be told otherwise; where it
        // cannot, a pass through the port's device finds out (eth_type_trans).
        let (flags, canonical) = match (inner.ether_type, O::IS_IPV6) {
            (ETH_IPV4, false) | (ETH_IPV6, true) => (fixed, true),
            (ETH_IPV4, true) => (fixed | BPF_F_ADJ_ROOM_DECAP_L3_IPV4 as u64, true),
            (ETH_IPV6, false) => (fixed | BPF_F_ADJ_ROOM_DECAP_L3_IPV6 as u64, true),
            _ => (fixed, false),
        };
        let mut done = self.ctx.adjust_room(shrink, BPF_ADJ_ROOM_MAC, flags).map(|()| canonical);
        if done.is_err() && flags != fixed {
            done = self.ctx.adjust_room(shrink, BPF_ADJ_ROOM_MAC, fixed).map(|()| false);
        }
        let canonical = done.map_err(|_| DropReason::DecapFailed)?;
        self.store(0, inner).ok_or(DropReason::DecapFailed)?;
        Ok(canonical)
    }

    /// Cuts the packet, or lengthens it with zeros.
    #[inline(always)]
    fn change_tail(&self, len: u32) -> Result<(), DropReason> {
        // SAFETY: the context is valid for the program's run.
        match unsafe { bpf_skb_change_tail(self.raw(), len, 0) } {
            0 => Ok(()),
            _ => Err(DropReason::DecapFailed),
        }
    }

    /// Takes the tag out of metadata: it is to become part of the data, as it must on the wire.
    #[inline(always)]
    fn pop_tag(&self) -> Result<(), DropReason> {
        // SAFETY: the context is valid for the program's run.
        match unsafe { bpf_skb_vlan_pop(self.raw()) } {
            0 => Ok(()),
            _ => Err(DropReason::EncapFailed),
        }
    }
}

/// Makes room for outer headers before a frame with its VLAN tag in metadata, and puts the tag into the data,
/// where the other end will look for it. Of several tags (802.1ad) the kernel keeps the outermost in metadata,
/// and popping it moves the next one there (`skb_vlan_pop`); only when none is left is the skb filed under what
/// they tag. A fourth tag would leave on the outer packet. A function of its own, for its stack; 0 is success.
#[inline(never)]
fn grow_tagged<O: Outer>(skb: *mut __sk_buff) -> u32 {
    let mut skb = Skb::resume(skb);
    let (Some(eth), Some(tag)) = (skb.load::<EthHdr>(0), skb.tag()) else { return 1 };
    let (dst, src) = (Mac::new(eth.dst_addr), Mac::new(eth.src_addr));
    let inner = || EthHdr { dst_addr: dst.octets(), src_addr: src.octets(), ether_type: tag.tpid };
    let done = (|| {
        skb.pop_tag()?;
        let Some(second) = skb.tag() else {
            skb.grow::<O, 1>()?;
            skb.store(O::LEN, inner()).ok_or(DropReason::EncapFailed)?;
            return skb.store(O::LEN + 14, tag.before(eth.ether_type)).ok_or(DropReason::EncapFailed);
        };
        skb.pop_tag()?;
        // Read now: growing files the skb under the outer protocol.
        let Some(third) = skb.tag() else {
            let tagged = skb.protocol();
            skb.grow::<O, 2>()?;
            skb.store(O::LEN, inner()).ok_or(DropReason::EncapFailed)?;
            skb.store(O::LEN + 14, tag.before(second.tpid)).ok_or(DropReason::EncapFailed)?;
            return skb.store(O::LEN + 18, second.before(tagged)).ok_or(DropReason::EncapFailed);
        };
        skb.pop_tag()?;
        if skb.tag().is_some() {
            return Err(DropReason::EncapFailed);
        }
        let tagged = skb.protocol();
        skb.grow::<O, 3>()?;
        skb.store(O::LEN, inner()).ok_or(DropReason::EncapFailed)?;
        skb.store(O::LEN + 14, tag.before(second.tpid)).ok_or(DropReason::EncapFailed)?;
        skb.store(O::LEN + 18, second.before(third.tpid)).ok_or(DropReason::EncapFailed)?;
        skb.store(O::LEN + 22, third.before(tagged)).ok_or(DropReason::EncapFailed)
    })();
    u32::from(done.is_err())
}

/// Removes the outer headers of a GSO frame, and puts its VLAN tags where the kernel keeps those of a frame that it
/// received: the outermost in metadata. Left in the data, on the way out of a port they would be in the place of the IP
/// header that the kernel checks GSO frames by (`SKB_GSO_DODGY`), because the skb is still filed under IP, and the frame
/// would be lost. A function of its own, for its stack; 0 is success.
#[inline(never)]
fn shrink_tagged<O: Outer>(skb: *mut __sk_buff) -> u32 {
    let mut skb = Skb::resume(skb);
    let Some(inner) = skb.load::<EthHdr>(O::LEN) else { return 1 };
    let (dst, src) = (Mac::new(inner.dst_addr), Mac::new(inner.src_addr));
    let mut tags = [VlanTag { tpid: 0, tci: 0 }; MAX_TAGS];
    let (mut ether_type, mut shrink) = (inner.ether_type, O::LEN);
    for tag in &mut tags {
        if !matches!(ether_type, ETH_8021Q | ETH_8021AD) {
            break;
        }
        let Some(next) = skb.load::<VlanHdr>(shrink + size_of::<EthHdr>()) else { return 1 };
        *tag = VlanTag { tpid: ether_type, tci: u16::from_be_bytes(next.tci) };
        ether_type = next.ether_type;
        shrink += size_of::<VlanHdr>();
    }
    let decap = match ether_type {
        ETH_IPV4 => BPF_F_ADJ_ROOM_DECAP_L3_IPV4,
        ETH_IPV6 => BPF_F_ADJ_ROOM_DECAP_L3_IPV6,
        _ => return 1,
    };
    let same = (ether_type == ETH_IPV6) == O::IS_IPV6;
    let flags = BPF_F_ADJ_ROOM_FIXED_GSO | if same { 0 } else { decap };
    if skb.ctx.adjust_room(-(shrink as i32), BPF_ADJ_ROOM_MAC, flags as u64).is_err() {
        return 1;
    }
    let eth = EthHdr { dst_addr: dst.octets(), src_addr: src.octets(), ether_type };
    if skb.store(0, eth).is_none() {
        return 1;
    }
    for tag in tags.iter().rev().filter(|tag| tag.tpid != 0) {
        // SAFETY: the context is valid for the program's run.
        if unsafe { bpf_skb_vlan_push(skb.raw(), tag.tpid, tag.tci) } != 0 {
            return 1;
        }
    }
    0
}

/// The body of flooding's loop over ports. Its symbol makes it a global function, which the verifier checks
/// by itself; for that it has the context and plain numbers as arguments.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn flood_to_port(skb: *mut __sk_buff, ifindex: u32, from: u32, isolated: u32, len: u32) -> u32 {
    flood::to_port(&mut Skb::resume(skb), ifindex, from, isolated != 0, len)
}

/// The bodies of flooding's loops over the remotes of a family.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn flood_to_remote4(
    skb: *mut __sk_buff,
    replica: *const Replica,
    remote: *const FloodRemote,
) -> u32 {
    flood_to_remote::<Outer4>(skb, replica, remote)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn flood_to_remote6(
    skb: *mut __sk_buff,
    replica: *const Replica,
    remote: *const FloodRemote,
) -> u32 {
    flood_to_remote::<Outer6>(skb, replica, remote)
}

/// The verifier does not know that the pointers are not null.
#[inline(always)]
fn flood_to_remote<O: Outer + Header>(
    skb: *mut __sk_buff,
    replica: *const Replica,
    remote: *const FloodRemote,
) -> u32 {
    // SAFETY: null or, as only the method below calls this, a reference.
    let replica = unsafe { replica.as_ref() };
    // SAFETY: as above.
    let remote = unsafe { remote.as_ref() };
    let (Some(replica), Some(remote)) = (replica, remote) else { return 0 };
    flood::to_remote::<O, _>(&mut Skb::resume(skb), replica, remote);
    1
}

/// A VLAN tag, both fields as the kernel holds them.
#[derive(Clone, Copy)]
struct VlanTag {
    /// Network order.
    tpid: u16,
    /// Host order.
    tci: u16,
}

impl VlanTag {
    /// The four bytes of the tag are TPID and TCI; as a `VlanHdr` (TCI and the type that follows) they
    /// stand two bytes later, behind the TPID in the Ethernet header's type field.
    #[inline(always)]
    fn before(self, ether_type: u16) -> VlanHdr {
        VlanHdr { tci: self.tci.to_be_bytes(), ether_type }
    }
}

impl Packet for Skb {
    const RESOLVES: bool = true;
    const AT_XDP: bool = false;
    const QUOTES: bool = true;

    #[inline(always)]
    fn is_ip(&self) -> bool {
        matches!(self.protocol(), ETH_IPV4 | ETH_IPV6)
    }

    #[inline(always)]
    fn len(&self) -> u32 {
        self.len
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        packet::field::<{ offset_of!(__sk_buff, ifindex) }>(self.raw().cast()) as u32
    }

    #[inline(always)]
    fn bounds(&self) -> (usize, usize) {
        let skb = self.raw();
        (
            packet::field::<{ offset_of!(__sk_buff, data) }>(skb.cast()),
            packet::field::<{ offset_of!(__sk_buff, data_end) }>(skb.cast()),
        )
    }

    #[inline(always)]
    fn store_summed(&mut self, offset: usize, value: [u8; 2]) {
        let _ = self.ctx.store(offset, &value, u64::from(BPF_F_RECOMPUTE_CSUM));
    }

    #[inline(always)]
    fn gso_size(&self) -> u32 {
        // SAFETY: the context outlives the program's run; the verifier maps the field.
        unsafe { (*self.raw()).gso_size }
    }

    #[inline(always)]
    fn hidden_len(&self) -> u32 {
        if self.tag().is_some() { 4 } else { 0 }
    }

    #[inline(always)]
    fn make_room<O: Outer>(&mut self, inner: EthHdr) -> Result<(), DropReason> {
        if self.tag().is_some() {
            return if grow_tagged::<O>(self.raw()) == 0 { Ok(()) } else { Err(DropReason::EncapFailed) };
        }
        self.grow::<O, 0>()?;
        self.store(O::LEN, inner).ok_or(DropReason::EncapFailed)
    }

    #[inline(always)]
    fn pop_outer<O: Outer>(&mut self, inner: EthHdr) -> Result<bool, DropReason> {
        if self.gso_size() != 0 && matches!(inner.ether_type, ETH_8021Q | ETH_8021AD) {
            return if shrink_tagged::<O>(self.raw()) == 0 { Ok(true) } else { Err(DropReason::DecapFailed) };
        }
        let shortest = bytes::<O>() + shrinkable::<O>();
        if self.len >= shortest {
            return self.shrink::<O>(inner);
        }
        // A frame that short is made longer for the time being.
        self.change_tail(shortest)?;
        let canonical = self.shrink::<O>(inner)?;
        self.change_tail(self.len - bytes::<O>())?;
        Ok(canonical)
    }

    #[inline(always)]
    fn trim(&mut self, len: u32) -> Result<(), DropReason> {
        self.change_tail(len)?;
        self.len = len;
        Ok(())
    }

    #[inline(always)]
    fn route(&self, from: u32, local: Addr, remote: Addr, hop: &mut NextHop) -> Reach {
        nexthop::fib_lookup(self.ctx.as_ptr(), from, local, remote, hop)
    }

    #[inline(always)]
    fn can_send_to(_ifindex: u32) -> bool {
        true
    }

    #[inline(always)]
    fn mtu_of(&self, ifindex: u32) -> Option<u32> {
        too_big::mtu_of(self.ctx.as_ptr(), ifindex)
    }

    #[inline(always)]
    fn quote(&mut self, begin: &mut Begin, quote: u32, headers: u32) -> Option<()> {
        quote::behind(self.raw(), begin, quote, headers)
    }

    #[inline(always)]
    fn sum<const LEN: usize>(&self, offset: usize, seed: u32) -> Option<u32> {
        let (start, end) = self.bounds();
        quote::sum::<LEN>(start + offset, end, seed)
    }

    #[inline(always)]
    fn copy_to(&mut self, ifindex: u32) -> Result<(), DropReason> {
        self.ctx.clone_redirect(ifindex, 0).map_err(|_| DropReason::CloneFailed)
    }

    #[inline(always)]
    fn copy_to_helper(&mut self, helper: u32, errand: Errand) -> Result<(), DropReason> {
        self.set_mark(errand.mark());
        let sent = self.ctx.clone_redirect(helper, BPF_F_INGRESS as u64);
        self.set_mark(0);
        sent.map_err(|_| DropReason::CloneFailed)
    }

    #[inline(always)]
    fn copy_to_port(&mut self, ifindex: u32, from: u32, isolated: bool, len: u32) -> u32 {
        flood_to_port(self.raw(), ifindex, from, u32::from(isolated), len)
    }

    #[inline(always)]
    fn copy_to_remote<O: Outer>(&mut self, replica: &Replica, remote: &FloodRemote) {
        if O::IS_IPV6 {
            flood_to_remote6(self.raw(), replica, remote);
        } else {
            flood_to_remote4(self.raw(), replica, remote);
        }
    }

    #[inline(always)]
    fn errand(&self) -> Option<Errand> {
        // SAFETY: the context outlives the program's run; the verifier maps the field.
        Errand::of_mark(unsafe { (*self.raw()).mark })
    }
}
