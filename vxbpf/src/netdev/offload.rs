//! Offloads of an interface, by the ioctl of old: the netlink crates read features, but none sets them yet.
//!
//! This is one of the two places in user space that are `unsafe`.

use std::{ffi::c_char, io, os::fd::AsRawFd as _};

use nix::{
    libc,
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
};

use crate::error::{Error, Result};

/// An offload that can be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offload {
    /// Generic receive offload: merges what is received.
    Gro,
    /// Generic segmentation offload: segments only when sending.
    Gso,
    /// TCP segmentation offload: leaves segmenting to the device.
    Tso,
}

impl Offload {
    /// `ETHTOOL_G*` and `ETHTOOL_S*` of `linux/ethtool.h`.
    const fn commands(self) -> (u32, u32) {
        match self {
            Self::Gro => (0x2b, 0x2c),
            Self::Gso => (0x23, 0x24),
            Self::Tso => (0x1e, 0x1f),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Gro => "GRO",
            Self::Gso => "GSO",
            Self::Tso => "TSO",
        }
    }
}

/// `struct ethtool_value` of `linux/ethtool.h`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// Whether an offload is on.
pub fn offload(dev: &str, offload: Offload) -> Result<bool> {
    let command = offload.commands().0;
    ask(dev, Value { command, data: 0 })
        .map(|value| value.data != 0)
        .map_err(Error::system(format!("read {} of interface {dev}", offload.name())))
}

/// Switches an offload.
pub fn set_offload(dev: &str, offload: Offload, on: bool) -> Result<()> {
    let command = offload.commands().1;
    ask(dev, Value { command, data: u32::from(on) })
        .map(drop)
        .map_err(Error::system(format!("set {} of interface {dev}", offload.name())))
}

fn ask(dev: &str, mut value: Value) -> io::Result<Value> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let mut name = [0; libc::IFNAMSIZ];
    if dev.len() >= name.len() {
        return Err(io::ErrorKind::NotFound.into());
    }
    for (to, from) in name.iter_mut().zip(dev.bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    let mut request = libc::ifreq {
        ifr_name: name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: (&raw mut value).cast() },
    };
    // SAFETY: SIOCETHTOOL takes an ifreq whose data is the command's structure, for these commands an
    // ethtool_value; both outlive the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}
