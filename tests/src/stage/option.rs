//! Options of a VNI that both backends have, in the words of each.

use super::Underlay;

/// An option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opt {
    /// Whether source addresses are learned, from remotes and from ports.
    Learning(bool),
    /// Seconds that a learned station lives unheard.
    Ageing(u32),
    /// Most learned stations; of the kernel's VXLAN device: behind remotes.
    Limit(u32),
    /// Outer TTL: a number or `inherit`.
    Ttl(&'static str),
    /// Outer TOS: a number or `inherit`.
    Tos(&'static str),
    /// Outer DF bit: `set`, `unset` or `inherit`.
    Df(&'static str),
    /// ARP requests and neighbour solicitations are answered. Ours does so wherever it has neighbours.
    Proxy,
    /// Anybody may send, as with the kernel always.
    AnyVtep,
    /// ARP requests that cannot be answered are dropped, as with the kernel's `proxy` always.
    MissDrop,
    /// A group of the underlay, by its number ([`Underlay::group`]), to flood to and to listen to.
    Group(u8),
    /// A real outer UDP checksum. Ours sends none.
    Checksum,
}

impl Opt {
    /// Words for `vxbpf vni add` and `set`.
    pub(super) fn of_vxbpf(self, over: Underlay) -> String {
        match self {
            Self::Learning(on) => format!("learning {}", on_off(on)),
            Self::Ageing(secs) => format!("ageing {secs}"),
            Self::Limit(most) => format!("limit {most}"),
            Self::Ttl(ttl) => format!("ttl {ttl}"),
            Self::Tos(tos) => format!("tos {tos}"),
            Self::Df(df) => format!("df {df}"),
            Self::Proxy | Self::Checksum => String::new(),
            Self::AnyVtep => "vtep-filter any".to_owned(),
            Self::MissDrop => "arp-miss drop".to_owned(),
            Self::Group(number) => format!("group {}", over.group(number)),
        }
    }

    /// Words for `ip link` behind `type vxlan`, which takes a TOS for hexadecimal.
    pub(super) fn of_device(self, over: Underlay) -> String {
        match self {
            Self::Learning(on) => if on { "learning" } else { "nolearning" }.to_owned(),
            Self::Ageing(secs) => format!("ageing {secs}"),
            Self::Limit(most) => format!("maxaddress {most}"),
            Self::Ttl(ttl) => format!("ttl {ttl}"),
            Self::Tos(tos) => {
                tos.parse().map_or_else(|_| format!("tos {tos}"), |tos: u8| format!("tos {tos:#x}"))
            }
            Self::Df(df) => format!("df {df}"),
            Self::Proxy => "proxy".to_owned(),
            Self::AnyVtep | Self::MissDrop | Self::Checksum => String::new(),
            Self::Group(number) => format!("group {} dev eth1", over.group(number)),
        }
    }

    /// Words for `ip link` behind `type bridge`, whose ageing is in hundredths of a second.
    pub(super) fn of_bridge(self) -> Option<String> {
        if let Self::Ageing(secs) = self { Some(format!("ageing_time {}", secs * 100)) } else { None }
    }

    /// Words for `bridge link set dev PORT`.
    pub(super) fn of_bridge_port(self) -> Option<String> {
        if let Self::Learning(on) = self { Some(format!("learning {}", on_off(on))) } else { None }
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
