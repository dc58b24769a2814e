//! Flood lists: who gets a VNI's broadcast, unknown unicast and multicast frames; and, for single groups, who gets
//! theirs instead.

use bytemuck::{Pod, Zeroable};

use crate::{Addr, map_types};

/// Most remotes of one list.
pub const MAX_REMOTES: usize = 256;
/// Most local ports of one VNI.
pub const MAX_PORTS: usize = 256;

/// One remote of a flood list: a head-end replication destination.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct FloodRemote {
    /// The remote VTEP.
    pub addr: Addr,
    /// VNI written on the wire.
    pub dst_vni: u32,
    /// Slot of the VTEP's counters.
    pub slot: u32,
    /// UDP destination port, network order.
    pub dstport: [u8; 2],
    /// `fdb::ORIGIN_*`.
    pub origin: u8,
    /// `fdb::STATE_*`.
    pub state: u8,
    /// Zero.
    pub reserved: u32,
}

/// Value of `FLOOD` (key: the VNI as `u32`) and of `GROUPS` (key: `fdb::FdbKey`), where no ports are in it: the ports
/// of the VNI get frames to every group. Written whole by user space; the data path sees either the old list or the
/// new one, never a mixture.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct FloodList {
    /// How many remotes are IPv4, and how many IPv6: room for the outer headers is made once for all of a family.
    pub remotes4_len: u32,
    /// See `remotes4_len`.
    pub remotes6_len: u32,
    /// How many of `ports` count.
    pub ports_len: u32,
    /// Zero.
    pub reserved: u32,
    /// The remotes: IPv4 ones from the front, IPv6 ones from the back, so that the data path finds either at places
    /// that the verifier knows.
    pub remotes: [FloodRemote; MAX_REMOTES],
    /// Interface indices of the VNI's local ports.
    pub ports: [u32; MAX_PORTS],
}

impl FloodList {
    /// A remote of one family, by its number from 0.
    #[inline(always)]
    pub fn remote(&self, is_ipv6: bool, number: usize) -> Option<&FloodRemote> {
        let (len, at) = match is_ipv6 {
            false => (self.remotes4_len, number),
            true => (self.remotes6_len, (MAX_REMOTES - 1).checked_sub(number)?),
        };
        self.remotes.get(at).filter(|_| number < len as usize)
    }

    /// How many remotes there are.
    #[inline(always)]
    pub const fn remotes_len(&self) -> u32 {
        self.remotes4_len + self.remotes6_len
    }

    /// All remotes, IPv4 ones first.
    pub fn remotes(&self) -> impl Iterator<Item = &FloodRemote> {
        let of = |is_ipv6| (0..MAX_REMOTES).map_while(move |number| self.remote(is_ipv6, number));
        of(false).chain(of(true))
    }

    /// Makes these the remotes, as many as fit.
    pub fn set_remotes<'a>(&mut self, remotes: impl IntoIterator<Item = &'a FloodRemote>) {
        (self.remotes4_len, self.remotes6_len) = (0, 0);
        for remote in remotes.into_iter().take(MAX_REMOTES) {
            let at = match remote.addr.as_v4() {
                Some(_) => self.remotes4_len as usize,
                None => MAX_REMOTES - 1 - self.remotes6_len as usize,
            };
            if let Some(place) = self.remotes.get_mut(at) {
                *place = *remote;
            }
            match remote.addr.as_v4() {
                Some(_) => self.remotes4_len += 1,
                None => self.remotes6_len += 1,
            }
        }
    }
}

map_types!(FloodRemote = 32, FloodList = 9232);

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(v6: bool, number: u32) -> FloodRemote {
        let last = number.to_be_bytes();
        let addr = if v6 {
            let mut octets = [0xfd; 16];
            octets[12..].copy_from_slice(&last);
            Addr::v6(octets)
        } else {
            Addr::v4([10, last[1], last[2], last[3]])
        };
        FloodRemote { addr, ..FloodRemote::zeroed() }
    }

    #[test]
    fn remotes_of_two_families_share_the_list_and_keep_their_order() {
        let max = u32::try_from(MAX_REMOTES).expect("a small number");
        for v6 in [0, 1, 100, max] {
            let mixed: Vec<_> = (0..max).map(|n| remote(n % 3 == 0 && n < v6 * 3, n)).collect();
            let mut list = FloodList::zeroed();
            list.set_remotes(&mixed);
            let (four, six) =
                mixed.iter().partition::<Vec<&FloodRemote>, _>(|remote| remote.addr.as_v4().is_some());
            assert!(list.remotes().eq(four.iter().copied().chain(six.iter().copied())));
            assert_eq!(list.remotes_len() as usize, MAX_REMOTES);
            assert_eq!(list.remote(true, six.len()), None);
            list.set_remotes(&mixed[..1]);
            assert!(list.remotes().eq(&mixed[..1]));
        }
    }
}
