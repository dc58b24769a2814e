//! The tutorial's overlay on one machine: a network namespace per node and per pod, the nodes joined by a bridge in
//! a namespace of its own. Carried by vxbpf, or by the kernel to compare with.

mod daemon;
mod down;
mod kernel;
mod ping;
mod place;
mod state;
mod status;
mod topology;
mod underlay;
mod up;
mod vxbpf;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use down::{Down, down};
pub use ping::{Echo, Matrix, ping};
pub use state::State;
pub use status::{Entry, LabStatus, NodeStatus, status};
pub use topology::{MOST_NODES, Node, Pod, Topology, VNI, VNI_NAME};
pub use up::{Options, up};

/// What forwards between the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// An instance of ours on every node.
    Vxbpf,
    /// The kernel's VXLAN device and a bridge on every node.
    Kernel,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Vxbpf => "vxbpf",
            Self::Kernel => "kernel",
        })
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "vxbpf" => Ok(Self::Vxbpf),
            "kernel" => Ok(Self::Kernel),
            _ => Err(format!("{s:?} is not a backend: vxbpf or kernel")),
        }
    }
}
