//! What can be asked for: the options of an instance, a VNI and a port, as commands and config name them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use vxbpf_common::{Mac, Vni};

/// An enum whose values are words of the command line.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident ($what:literal) { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $word),+ })
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(s: &str) -> Result<Self, String> {
                match s {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("{s:?} is not {}: {}", $what, [$($word),+].join(" or "))),
                }
            }
        }
    };
}

words! {
    /// Which hook forwards on an interface.
    Mode ("a mode") {
        /// XDP on hardware whose driver does it natively, TC on everything else.
        Auto = "auto",
        /// TC.
        Tc = "tc",
        /// XDP for what it can do, TC for the rest.
        Xdp = "xdp",
    }
}

words! {
    /// What becomes of an ARP request or neighbour solicitation for an address that the neighbour table does not have.
    ArpMiss ("an ARP miss policy") {
        /// It is flooded, like any broadcast.
        Flood = "flood",
        /// It is dropped.
        Drop = "drop",
    }
}

words! {
    /// The outer don't-fragment bit.
    Df ("a DF policy") {
        /// Always set.
        Set = "set",
        /// Never set.
        Unset = "unset",
        /// That of an inner IPv4 packet; set for IPv6.
        Inherit = "inherit",
    }
}

words! {
    /// Who may send to a VNI.
    VtepFilter ("a VTEP filter") {
        /// VTEPs that the FDB or the flood list names, or that are allowed.
        Known = "known",
        /// Anybody, as with the kernel's driver.
        Any = "any",
    }
}

words! {
    /// How long an FDB entry or neighbour stays.
    FdbState ("a state") {
        /// Never ages, never moves.
        Permanent = "permanent",
        /// Never ages, never moves.
        Static = "static",
        /// Ages, and moves when the station is heard elsewhere.
        Dynamic = "dynamic",
    }
}

/// A number, or the inner packet's.
macro_rules! fixed_or_inherit {
    ($(#[$doc:meta])* $name:ident, $what:literal, $default:literal, $min:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "NumberOrWord", into = "NumberOrWord")]
        pub enum $name {
            /// This.
            Fixed(u8),
            /// The inner packet's.
            Inherit,
        }

        impl Default for $name {
            fn default() -> Self {
                Self::Fixed($default)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Fixed(n) => f.pad(&n.to_string()),
                    Self::Inherit => f.pad("inherit"),
                }
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(s: &str) -> Result<Self, String> {
                let number = || s.parse().ok().filter(|n| ($min..=u8::MAX).contains(n)).map(Self::Fixed);
                if s == "inherit" { Some(Self::Inherit) } else { number() }
                    .ok_or_else(|| format!("{s:?} is not {}: a number from {} to 255, or inherit", $what, $min))
            }
        }

        impl TryFrom<NumberOrWord> for $name {
            type Error = String;

            fn try_from(value: NumberOrWord) -> Result<Self, String> {
                match value {
                    NumberOrWord::Number(n) => n.to_string().parse(),
                    NumberOrWord::Word(s) => s.parse(),
                }
            }
        }

        impl From<$name> for NumberOrWord {
            fn from(value: $name) -> Self {
                match value {
                    $name::Fixed(n) => Self::Number(n.into()),
                    $name::Inherit => Self::Word("inherit".to_owned()),
                }
            }
        }
    };
}

/// How a config file writes a [`Ttl`] or [`Tos`].
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum NumberOrWord {
    Number(u64),
    Word(String),
}

fixed_or_inherit! {
    /// The outer time to live.
    Ttl, "a TTL", 64, 1
}
fixed_or_inherit! {
    /// The outer DSCP byte; its ECN bits follow RFC 6040 whatever is chosen.
    Tos, "a TOS", 0, 0
}

/// Name of an instance: 1 to 15 letters, digits, `_` and `-`. (It names a directory of a bpffs, which allows no dot.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceName(String);

impl InstanceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for InstanceName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl FromStr for InstanceName {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let fine = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if (1..=15).contains(&s.len()) && s.chars().all(fine) {
            Ok(Self(s.to_owned()))
        } else {
            Err(format!("{s:?} is not an instance name: 1 to 15 letters, digits, '_' or '-'"))
        }
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What an instance is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name.
    pub instance: InstanceName,
    /// The underlay interface.
    pub iface: String,
    /// Our VTEP addresses; the interface's first global address of each family if none is given.
    pub local: Locals,
    /// UDP port of VXLAN.
    pub dstport: u16,
    /// The hook on the underlay interface.
    pub mode: Mode,
    /// Sizes of the tables.
    pub limits: Limits,
}

/// Our VTEP addresses: one of each family at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Locals {
    /// The IPv4 one.
    pub v4: Option<Ipv4Addr>,
    /// The IPv6 one.
    pub v6: Option<Ipv6Addr>,
}

impl Locals {
    /// The first of each family.
    pub fn first_of(addrs: impl IntoIterator<Item = IpAddr>) -> Self {
        let mut locals = Self::default();
        for addr in addrs {
            match addr.to_canonical() {
                IpAddr::V4(addr) => locals.v4 = locals.v4.or(Some(addr)),
                IpAddr::V6(addr) => locals.v6 = locals.v6.or(Some(addr)),
            }
        }
        locals
    }

    /// Those there are.
    pub fn iter(self) -> impl Iterator<Item = IpAddr> {
        self.v4.map(IpAddr::V4).into_iter().chain(self.v6.map(IpAddr::V6))
    }
}

impl fmt::Display for Locals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(|addr| addr.to_string()).collect();
        f.pad(&words.join(" and "))
    }
}

/// Sizes of the tables. They are fixed when the instance is first started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// FDB entries.
    pub fdb: u32,
    /// Neighbours.
    pub neigh: u32,
    /// Multicast MACs with remotes of their own.
    pub groups: u32,
    /// VNIs.
    pub vnis: u32,
    /// Ports.
    pub ports: u32,
    /// VTEPs, per VNI they are known in.
    pub vteps: u32,
    /// Rows of counters: one per VNI, port and VTEP.
    pub counters: u32,
}

impl Default for Limits {
    fn default() -> Self {
        // Rows of counters for that many VNIs, each with a port and three remotes.
        Self {
            fdb: 65536,
            neigh: 65536,
            groups: 4096,
            vnis: 4096,
            ports: 4096,
            vteps: 16384,
            counters: 20480,
        }
    }
}

/// Who entered something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A command.
    Command,
    /// The config file.
    Config,
    /// The data path.
    Learned,
    /// A copy of the kernel's tables.
    Mirrored,
}

/// The options of a VNI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VniOptions {
    /// Name, for `dev NAME`.
    pub name: Option<String>,
    /// Learn source addresses.
    pub learning: bool,
    /// Seconds that a dynamic entry lives without being heard; 0 is for ever.
    pub ageing: u32,
    /// Most dynamic entries; 0 is no limit.
    pub limit: u32,
    /// What becomes of ARP requests and neighbour solicitations that the neighbour table cannot answer.
    pub arp_miss: ArpMiss,
    /// Outer TTL.
    pub ttl: Ttl,
    /// Outer TOS.
    pub tos: Tos,
    /// Outer DF.
    pub df: Df,
    /// Who may send.
    pub vtep_filter: VtepFilter,
    /// Multicast group of the underlay that the VNI's VTEPs flood to and listen to.
    pub group: Option<IpAddr>,
}

impl Default for VniOptions {
    fn default() -> Self {
        Self {
            name: None,
            learning: true,
            ageing: 300,
            limit: 0,
            arp_miss: ArpMiss::Flood,
            ttl: Ttl::default(),
            tos: Tos::default(),
            df: Df::Set,
            vtep_filter: VtepFilter::Known,
            group: None,
        }
    }
}

/// A change of a VNI's options: what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VniChange {
    /// See [`VniOptions`]; an empty one takes the name away.
    pub name: Option<String>,
    /// See [`VniOptions`].
    pub learning: Option<bool>,
    /// See [`VniOptions`].
    pub ageing: Option<u32>,
    /// See [`VniOptions`].
    pub limit: Option<u32>,
    /// See [`VniOptions`].
    pub arp_miss: Option<ArpMiss>,
    /// See [`VniOptions`].
    pub ttl: Option<Ttl>,
    /// See [`VniOptions`].
    pub tos: Option<Tos>,
    /// See [`VniOptions`].
    pub df: Option<Df>,
    /// See [`VniOptions`].
    pub vtep_filter: Option<VtepFilter>,
    /// See [`VniOptions`]; `Some(None)` takes it away.
    pub group: Option<Option<IpAddr>>,
}

impl VniChange {
    /// The options after the change.
    pub fn apply(&self, options: &VniOptions) -> VniOptions {
        // Whoever joins a group is to be found by it, so nobody can name them beforehand.
        let filter = match (options.group, self.group) {
            (None, Some(Some(_))) => VtepFilter::Any,
            (Some(_), Some(None)) => VtepFilter::Known,
            _ => options.vtep_filter,
        };
        VniOptions {
            name: self.name.clone().or_else(|| options.name.clone()).filter(|name| !name.is_empty()),
            learning: self.learning.unwrap_or(options.learning),
            ageing: self.ageing.unwrap_or(options.ageing),
            limit: self.limit.unwrap_or(options.limit),
            arp_miss: self.arp_miss.unwrap_or(options.arp_miss),
            ttl: self.ttl.unwrap_or(options.ttl),
            tos: self.tos.unwrap_or(options.tos),
            df: self.df.unwrap_or(options.df),
            vtep_filter: self.vtep_filter.unwrap_or(filter),
            group: self.group.unwrap_or(options.group),
        }
    }
}

/// The options of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOptions {
    /// The hook.
    pub mode: Mode,
    /// Source addresses that may send; empty: any.
    pub mac_lock: Vec<Mac>,
    /// No traffic with other isolated ports.
    pub isolated: bool,
}

impl Default for PortOptions {
    fn default() -> Self {
        Self { mode: Mode::Auto, mac_lock: Vec::new(), isolated: false }
    }
}

/// A remote VTEP as a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its address.
    pub addr: IpAddr,
    /// VNI written on the wire; the local one if not given.
    pub dst_vni: Option<Vni>,
    /// Its UDP port; the instance's if not given.
    pub port: Option<u16>,
}

/// Where a station is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Behind a remote VTEP.
    Remote(Remote),
    /// Behind a local port.
    Port(String),
}

/// An FDB entry to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FdbSpec {
    /// The local VNI.
    pub vni: Vni,
    /// The station, zero for the flood list, or a group.
    pub mac: Mac,
    /// Where it is.
    pub to: Destination,
    /// How long it stays.
    pub state: FdbState,
}

/// Which FDB entries are meant. The default means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FdbFilter {
    /// Of this VNI.
    pub vni: Option<Vni>,
    /// Of this station.
    pub mac: Option<Mac>,
    /// Behind this VTEP.
    pub dst: Option<IpAddr>,
    /// In this state.
    pub state: Option<FdbState>,
}
