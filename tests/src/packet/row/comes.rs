//! The first half of a row: what is there, and what comes.

use std::net::IpAddr;

use vxbpf::{
    dataplane::{Destination, FdbState, Remote},
    netdev::IpVersion,
};
use vxbpf_common::Mac;

use super::{Action, HELPER, Leaves, Row, Xdp};
use crate::packet::{
    Counts, Frame, Given, Outer, Program,
    bed::{UNDERLAY, V, vni},
    run::Input,
    version::{here, outer_len_of, version},
};

/// What is there.
impl Row {
    /// A row: one sentence.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: match version() {
                IpVersion::V4 => name.into(),
                IpVersion::V6 => format!("{} (over IPv6)", name.into()),
            },
            vni: V,
            given: Vec::new(),
            input: Input::new(Program::FromPort, "", Vec::new()),
            sender: None,
            xdp: Xdp::Same,
            action: Action::Pass,
            leaves: Leaves::Untouched,
            mark: 0,
            counts: Counts::default(),
            reasons: Vec::new(),
            copies: Vec::new(),
            events: None,
            stations: Vec::new(),
            once: false,
        }
    }

    /// In another VNI than [`V`].
    pub fn in_vni(mut self, vni: u32) -> Self {
        self.vni = vni;
        self
    }

    /// Anything.
    pub fn given(mut self, given: Given) -> Self {
        self.given.push(given.here());
        self
    }

    /// A permanent FDB entry that names a remote.
    pub fn station_at(self, mac: Mac, remote: impl Into<IpAddr>) -> Self {
        self.given(Given::Fdb(mac, remote_at(remote.into(), None, None), FdbState::Permanent))
    }

    /// The same with a VNI and a UDP port of its own.
    pub fn station_in(self, mac: Mac, remote: impl Into<IpAddr>, dst_vni: u32, port: u16) -> Self {
        self.given(Given::Fdb(mac, remote_at(remote.into(), Some(dst_vni), Some(port)), FdbState::Permanent))
    }

    /// A permanent FDB entry of a station behind a port.
    pub fn station_on(self, mac: Mac, port: &str) -> Self {
        self.given(Given::Fdb(mac, Destination::Port(port.to_owned()), FdbState::Permanent))
    }

    /// A remote of the flood list.
    pub fn flood_to(self, remote: impl Into<IpAddr>) -> Self {
        self.given(Given::Flood(to(remote.into(), None, None)))
    }

    /// The same with a VNI and a UDP port of its own.
    pub fn flood_in(self, remote: impl Into<IpAddr>, dst_vni: u32, port: u16) -> Self {
        self.given(Given::Flood(to(remote.into(), Some(dst_vni), Some(port))))
    }

    /// A remote of a group's own list.
    pub fn group_to(self, group: Mac, remote: impl Into<IpAddr>) -> Self {
        self.given(Given::Group(group, to(remote.into(), None, None)))
    }

    /// The same with a VNI and a UDP port of its own.
    pub fn group_in(self, group: Mac, remote: impl Into<IpAddr>, dst_vni: u32, port: u16) -> Self {
        self.given(Given::Group(group, to(remote.into(), Some(dst_vni), Some(port))))
    }

    /// A frame that a port sent before.
    pub fn heard_on(self, port: &str, frame: &Frame) -> Self {
        self.given(Given::Heard(Program::FromPort, port.to_owned(), frame.bytes()))
    }

    /// A frame that a remote sent before.
    pub fn heard_from(self, remote: impl Into<IpAddr>, frame: &Frame) -> Self {
        let packet = Outer::from(remote, self.vni).around(&frame.bytes());
        self.given(Given::Heard(Program::FromUnderlay, UNDERLAY.to_owned(), packet))
    }
}

fn to(addr: IpAddr, dst_vni: Option<u32>, port: Option<u16>) -> Remote {
    Remote { addr, dst_vni: dst_vni.map(vni), port }
}

fn remote_at(addr: IpAddr, dst_vni: Option<u32>, port: Option<u16>) -> Destination {
    Destination::Remote(to(addr, dst_vni, port))
}

/// What comes.
impl Row {
    /// A port sends a frame.
    pub fn from_port(self, port: &str, frame: &Frame) -> Self {
        self.from_port_bytes(port, frame.bytes())
    }

    /// A port sends bytes.
    pub fn from_port_bytes(mut self, port: &str, bytes: Vec<u8>) -> Self {
        self.input = Input::new(Program::FromPort, port, bytes);
        self
    }

    /// A remote sends a frame in the row's VNI.
    pub fn from_remote(self, remote: impl Into<IpAddr>, frame: &Frame) -> Self {
        let remote = remote.into();
        let outer = Outer::from(remote, self.vni);
        self.from_underlay(remote, outer.around(&frame.bytes()))
    }

    /// A remote sends a packet.
    pub fn from_underlay(mut self, remote: impl Into<IpAddr>, packet: Vec<u8>) -> Self {
        self.input = Input::new(Program::FromUnderlay, UNDERLAY, packet);
        self.sender = Some(here(remote));
        self
    }

    /// A packet comes in on the helper device, with a mark.
    pub fn from_helper(mut self, packet: Vec<u8>, mark: u32) -> Self {
        self.input = Input { mark, ..Input::new(Program::FromHelper, HELPER, packet) };
        self.xdp = Xdp::None;
        self
    }

    /// As a GSO frame of no type that the kernel can encapsulate. XDP knows none.
    pub fn gso(mut self, size: u32) -> Self {
        self.input.gso_size = size;
        self.xdp = Xdp::None;
        self
    }

    /// The part of the input that is counted.
    pub(super) fn len(&self) -> usize {
        match self.input.program {
            Program::FromUnderlay => {
                let v6 = self.sender.is_some_and(|sender| sender.is_ipv6());
                let version = if v6 { IpVersion::V6 } else { IpVersion::V4 };
                self.input.frame.len().saturating_sub(outer_len_of(version))
            }
            Program::FromPort | Program::FromHelper => self.input.frame.len(),
        }
    }
}
