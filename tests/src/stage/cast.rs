//! Who plays: what forwards on which node, and over which underlay.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::topology::Backend::{self, Kernel, Vxbpf};

/// Where the binary under test attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// TC everywhere.
    Tc,
    /// XDP everywhere, and TC for what XDP leaves to it.
    Xdp,
}

impl Hook {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Tc => "tc",
            Self::Xdp => "xdp",
        }
    }
}

/// What carries the tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Underlay {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Underlay {
    /// The address here of who has this one in IPv4.
    pub fn addr(self, v4: Ipv4Addr) -> IpAddr {
        let [.., host] = v4.octets();
        match self {
            Self::V4 => v4.into(),
            Self::V6 => Ipv6Addr::new(0xfd00, 0x104, 0, 0, 0, 0, 0, host.into()).into(),
        }
    }

    /// One of its multicast groups.
    pub fn group(self, number: u8) -> IpAddr {
        match self {
            Self::V4 => [239, 1, 1, number].into(),
            Self::V6 => Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 0x100 + u16::from(number)).into(),
        }
    }

    /// What an address is of.
    pub fn of(addr: IpAddr) -> Self {
        if addr.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Bytes of the outer headers.
    pub fn overhead(self) -> usize {
        match self {
            Self::V4 => 50,
            Self::V6 => 70,
        }
    }
}

/// What forwards. Node 1 is the node under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Players {
    /// The kernel everywhere: the oracle.
    Kernel,
    /// The binary under test everywhere, at this hook.
    Ours(Hook),
    /// The binary under test, among nodes of the kernel.
    OursAmongKernels,
    /// The kernel, among nodes of the binary under test.
    KernelAmongOurs,
}

impl Players {
    /// What forwards on a node, and how.
    pub fn on(self, node: usize) -> (Backend, Hook) {
        match (self, node) {
            (Self::Kernel, _) | (Self::OursAmongKernels, 2..) | (Self::KernelAmongOurs, 0..2) => {
                (Kernel, Hook::Tc)
            }
            (Self::Ours(hook), _) => (Vxbpf, hook),
            (Self::OursAmongKernels, _) | (Self::KernelAmongOurs, _) => (Vxbpf, Hook::Tc),
        }
    }
}

impl fmt::Display for Players {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "kernel",
            Self::Ours(Hook::Tc) => "vxbpf tc",
            Self::Ours(Hook::Xdp) => "vxbpf xdp",
            Self::OursAmongKernels => "vxbpf among kernels",
            Self::KernelAmongOurs => "kernel among vxbpf",
        })
    }
}

impl fmt::Display for Underlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}
