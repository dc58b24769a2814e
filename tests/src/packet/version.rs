//! The version of IP that the underlay of rows has. Rows name VTEPs by their IPv4 addresses; made over IPv6, the same
//! rows speak of the same hosts' IPv6 addresses and are in outer headers of IPv6.

use std::{
    cell::Cell,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use vxbpf::netdev::IpVersion;

use super::bed::UNDERLAY_MTU;

thread_local! {
    static VERSION: Cell<IpVersion> = const { Cell::new(IpVersion::V4) };
}

/// Makes something, such as rows, over a version of IP.
pub fn over<T>(version: IpVersion, make: impl FnOnce() -> T) -> T {
    /// Puts the old one back, in a panic too.
    struct Back(IpVersion);
    impl Drop for Back {
        fn drop(&mut self) {
            VERSION.set(self.0);
        }
    }
    let _back = Back(VERSION.replace(version));
    make()
}

/// What things are being made over.
pub fn version() -> IpVersion {
    VERSION.get()
}

/// Bytes of the outer headers.
pub fn outer_len() -> usize {
    outer_len_of(version())
}

pub(super) fn outer_len_of(version: IpVersion) -> usize {
    match version {
        IpVersion::V4 => 50,
        IpVersion::V6 => 70,
    }
}

/// The longest inner frame that fits the underlay: its MTU does not count the outer Ethernet header.
pub fn longest_frame() -> usize {
    usize::from(UNDERLAY_MTU) + 14 - outer_len()
}

/// The IPv6 address of the host that has this IPv4 address. What stands for many or nobody has an address of IPv6 that
/// does so too.
pub fn twin(addr: Ipv4Addr) -> Ipv6Addr {
    let [a, b, c, d] = addr.octets();
    let (ab, cd) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    match addr {
        Ipv4Addr::UNSPECIFIED => Ipv6Addr::UNSPECIFIED,
        Ipv4Addr::LOCALHOST => Ipv6Addr::LOCALHOST,
        Ipv4Addr::BROADCAST => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
        _ if addr.is_multicast() => Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, ab, cd),
        _ if [a, b] == [10, 9] => Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, cd),
        // RFC 3849: nobody has a route to documents.
        _ => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, ab, cd),
    }
}

/// An address as things speak of it that are being made.
pub(super) fn here(addr: impl Into<IpAddr>) -> IpAddr {
    match (addr.into(), version()) {
        (IpAddr::V4(addr), IpVersion::V6) => twin(addr).into(),
        (addr, _) => addr,
    }
}

/// The other address of a VTEP. Of IPv4 only those have one that have the same 16 bits at the end.
pub fn other_version(addr: IpAddr) -> IpAddr {
    match addr {
        IpAddr::V4(addr) => twin(addr).into(),
        IpAddr::V6(addr) => {
            let [.., c, d] = addr.octets();
            Ipv4Addr::new(10, 9, c, d).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_version_that_things_are_made_over() {
        let one = Ipv4Addr::new(10, 9, 0, 2);
        let made = over(IpVersion::V6, || (here(one), outer_len(), longest_frame()));
        assert_eq!(made, (twin(one).into(), 70, 1444));
        assert_eq!((here(one), outer_len(), longest_frame()), (one.into(), 50, 1464));
        assert_eq!(here(twin(one)), IpAddr::from(twin(one)), "who asks for IPv6 gets it");
        assert_eq!(other_version(twin(one).into()), IpAddr::from(one));
    }
}
