//! How a walk through the data path ends: a verdict, or a drop reason.
//!
//! Verdicts carry nothing: where a packet goes stands in its [`crate::account::Account`]. A payload that only some
//! variants have becomes, where the paths join, a register that the others never wrote, and the verifier
//! refuses such a register.

use vxbpf_common::DropReason;

/// What is to become of a packet that is not dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Verdict {
    /// Not ours, or nothing this hook can do: the next one gets it untouched.
    Pass,
    /// To a local port.
    Port,
    /// To a local port that is a veth, straight into the pod at its other end.
    Peer,
    /// To the underlay.
    Underlay,
    /// To the underlay, through the kernel's neighbour code: it does not know the next hop's MAC yet, or is to see
    /// for once that we still use it.
    Neighbour,
    /// The same for what that code does not take: by the helper device.
    Resolve,
    /// Turned into the answer: back to the port it came from.
    Reply,
    /// A copy to everyone concerned.
    Flood,
}

/// A verdict, or why the packet is dropped.
pub type Result = core::result::Result<Verdict, DropReason>;
