//! VTEPs: who may send to us in a VNI, and where they are counted. Key of `VTEPS`: `neigh::VniAddr`.

use bytemuck::{Pod, Zeroable};

use crate::map_types;

/// Value of `VTEPS`. Written by user space only.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Vtep {
    /// How many permanent and static FDB entries and flood list remotes of the VNI name this VTEP.
    pub refs: u32,
    /// Slot of this VTEP's counters.
    pub slot: u32,
    /// `POLICY_*`.
    pub policy: u8,
    /// `fdb::ORIGIN_*` of the policy.
    pub origin: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// Nobody decided: known if something names it.
pub const POLICY_NONE: u8 = 0;
/// `vtep allow`.
pub const POLICY_ALLOW: u8 = 1;
/// `vtep deny`: stronger than being named.
pub const POLICY_DENY: u8 = 2;

impl Vtep {
    /// Whether it may send, under `vtep-filter any` or `known`.
    #[inline]
    pub const fn may_send(&self, any: bool) -> bool {
        match self.policy {
            POLICY_DENY => false,
            POLICY_ALLOW => true,
            _ => any || self.refs > 0,
        }
    }
}

map_types!(Vtep = 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vtep_may_send_when_named_or_allowed_and_never_when_denied() {
        let vtep = |refs, policy| Vtep { refs, slot: 0, policy, origin: 0, reserved: [0; 6] };
        assert!(vtep(1, POLICY_NONE).may_send(false));
        assert!(!vtep(0, POLICY_NONE).may_send(false));
        assert!(vtep(0, POLICY_NONE).may_send(true));
        assert!(vtep(0, POLICY_ALLOW).may_send(false));
        assert!(!vtep(1, POLICY_DENY).may_send(true));
    }
}
