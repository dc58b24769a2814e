//! Who is compared: ways to carry frames between two pods on two nodes.

use serde::{Deserialize, Serialize};

/// A way to carry frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Contender {
    /// A VXLAN device of the kernel, and a bridge.
    Kernel,
    /// A bridge alone: no encapsulation.
    Bridge,
    /// Ours at TC.
    VxbpfTc,
    /// Ours at XDP.
    VxbpfXdp,
    /// The same hops at TC, redirected without encapsulation: what could be reached at best.
    LimitTc,
    /// The same at XDP.
    LimitXdp,
}

impl Contender {
    /// All, in the order of tables.
    pub const ALL: [Self; 6] =
        [Self::Kernel, Self::Bridge, Self::VxbpfTc, Self::VxbpfXdp, Self::LimitTc, Self::LimitXdp];

    /// Its name in tables, JSON and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Bridge => "bridge",
            Self::VxbpfTc => "vxbpf-tc",
            Self::VxbpfXdp => "vxbpf-xdp",
            Self::LimitTc => "limit-tc",
            Self::LimitXdp => "limit-xdp",
        }
    }

    /// What it is, in a sentence for the report.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Kernel => {
                "on each node a VXLAN device of the kernel and a bridge, which has the pod's port and that device"
            }
            Self::Bridge => {
                "on each node a bridge that has the pod's port and the underlay interface: no encapsulation"
            }
            Self::VxbpfTc => "vxbpf in mode `tc`, on the pod's port and on the underlay",
            Self::VxbpfXdp => "vxbpf in mode `xdp`, on the pod's port and on the underlay",
            Self::LimitTc => {
                "the same hops at TC: two programs that redirect each frame, from the port to the underlay and from \
                 there into the pod, and do nothing else: no encapsulation, no look-up"
            }
            Self::LimitXdp => "the same at XDP",
        }
    }

    /// The limit that it can be held against: the same hops at the same hook.
    pub const fn limit(self) -> Option<Self> {
        match self {
            Self::VxbpfTc => Some(Self::LimitTc),
            Self::VxbpfXdp => Some(Self::LimitXdp),
            Self::Kernel | Self::Bridge | Self::LimitTc | Self::LimitXdp => None,
        }
    }

    /// Whether it is what this project makes.
    pub const fn is_ours(self) -> bool {
        self.limit().is_some()
    }
}
