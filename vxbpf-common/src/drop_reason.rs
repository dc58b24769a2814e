//! Drop reasons: every way for a frame of ours to end other than being forwarded.

/// Declares the reasons once: number, name, what it means, and whether the frame itself was at fault.
macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $kind:ident;)+) => {
        /// Why a frame was dropped. The number is its index in `DROPS` and never changes its meaning;
        /// the name is what `stats drops` and the metrics call it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum DropReason {
            $($(#[$doc])* $variant = $number,)+
        }

        impl DropReason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name for users.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Whether the frame was malformed (an error) rather than unwanted or undeliverable.
            #[inline]
            pub const fn is_error(self) -> bool {
                match self { $(Self::$variant => drop_reasons!(@$kind),)+ }
            }
        }
    };
    (@error) => { true };
    (@drop) => { false };
}

drop_reasons! {
    /// The inner frame is shorter than its Ethernet header, or than that and its IP header.
    InnerTooShort = 0, "inner_too_short", error;
    /// The inner source MAC is a group address or zero.
    InvalidSourceMac = 1, "invalid_source_mac", error;
    /// The VXLAN I flag is missing or a reserved bit is set (RFC 7348 section 5).
    InvalidVxlanHeader = 2, "invalid_vxlan_header", error;
    /// The outer UDP length disagrees with the outer IP length or with the frame.
    InvalidOuterLength = 3, "invalid_outer_length", error;
    /// Outer congestion on an inner packet that is not ECN-capable (RFC 6040 section 4.2).
    EcnNotCapable = 4, "ecn_not_capable", error;
    /// The sender is not a VTEP that may send to this VNI.
    VtepNotAllowed = 5, "vtep_not_allowed", drop;
    /// The source MAC is permanent or static elsewhere.
    StationPinned = 6, "station_pinned", drop;
    /// The port is locked to other source MACs.
    MacLocked = 7, "mac_locked", drop;
    /// From one isolated port to another.
    PortIsolated = 8, "port_isolated", drop;
    /// The destination is behind the port the frame came from.
    SamePort = 9, "same_port", drop;
    /// From the underlay to a station on the underlay.
    SplitHorizon = 10, "split_horizon", drop;
    /// Nobody to flood to.
    NoDestination = 11, "no_destination", drop;
    /// An ARP request or neighbour solicitation for an unknown address in a VNI with `arp-miss drop`.
    ArpMiss = 12, "arp_miss", drop;
    /// The underlay has no route to the remote.
    NoRoute = 13, "no_route", drop;
    /// The encapsulated packet does not fit the path and may not be fragmented.
    TooBig = 14, "too_big", drop;
    /// The kernel could not add the outer header (out of memory, or a GSO frame that is already a tunnel's).
    EncapFailed = 15, "encap_failed", drop;
    /// The kernel could not remove the outer header.
    DecapFailed = 16, "decap_failed", drop;
    /// A flooded copy could not be handed to the destination's interface.
    CloneFailed = 17, "clone_failed", drop;
    /// A frame on the helper device that we did not send there.
    NotFromUs = 18, "not_from_us", drop;
}

/// Rows of `DROPS`: room for reasons to come.
pub const MAX_REASONS: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_order_and_names_are_unique() {
        for (i, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, i);
            assert!(i < MAX_REASONS as usize);
            assert!(DropReason::ALL[..i].iter().all(|other| other.name() != reason.name()));
        }
    }
}
