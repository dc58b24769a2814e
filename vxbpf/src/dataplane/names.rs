//! Between the fixed fields of map values and the types of the command line.

use std::{net::IpAddr, time::Duration};

use nix::time::{ClockId, clock_gettime};
use vxbpf_common::{
    Addr, SECOND, Vni,
    fdb::{
        ORIGIN_COMMAND, ORIGIN_CONFIG, ORIGIN_LEARNED, ORIGIN_MIRRORED, STATE_DYNAMIC, STATE_PERMANENT,
        STATE_STATIC,
    },
    instance::Instance,
    vni::{
        DF_INHERIT, DF_SET, DF_UNSET, VNI_ARP_MISS_DROP, VNI_LEARNING, VNI_TOS_INHERIT, VNI_TTL_INHERIT,
        VNI_VTEP_ANY, VniConfig,
    },
};

use super::options::{ArpMiss, Df, FdbState, Locals, Origin, Tos, Ttl, VniOptions, VtepFilter};
use crate::{Error, Result};

/// A name as maps hold it, NUL padded. Longer ones are refused before.
pub(super) fn to_bytes(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(name.bytes()).take(15) {
        *to = from;
    }
    bytes
}

/// A name out of a map.
pub(super) fn from_bytes(bytes: &[u8; 16]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// Checks a VNI's name: what an interface may be called.
pub(super) fn check_vni_name(name: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_graphic() && c != '/';
    if (1..=15).contains(&name.len()) && name.chars().all(fine) {
        Ok(())
    } else {
        Err(Error::state(
            format!("VNI name {name:?}"),
            "must be 1 to 15 printable characters without '/' and spaces",
        ))
    }
}

/// CLOCK_MONOTONIC, nanoseconds: the clock of all stored times.
pub(super) fn now() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |t| {
        let nanos = Duration::from(t).as_nanos();
        u64::try_from(nanos).unwrap_or(u64::MAX)
    })
}

/// Whole seconds from a stored time to now.
pub(super) fn seconds_since(then: u64, now: u64) -> u64 {
    now.saturating_sub(then) / SECOND
}

/// A stored address.
pub(super) fn ip(addr: Addr) -> IpAddr {
    addr.into()
}

/// The VTEP addresses of an instance.
pub(super) fn locals(instance: &Instance) -> Locals {
    Locals::first_of([instance.local4, instance.local6].into_iter().filter(|addr| !addr.is_none()).map(ip))
}

/// A stored VNI. Maps hold no others.
pub(super) fn vni(number: u32) -> Vni {
    Vni::new(number & Vni::MAX).unwrap_or_else(|| Vni::from_wire([0; 3]))
}

pub(super) fn state_to_byte(state: FdbState) -> u8 {
    match state {
        FdbState::Permanent => STATE_PERMANENT,
        FdbState::Static => STATE_STATIC,
        FdbState::Dynamic => STATE_DYNAMIC,
    }
}

pub(super) fn state_from_byte(state: u8) -> FdbState {
    match state {
        STATE_PERMANENT => FdbState::Permanent,
        STATE_STATIC => FdbState::Static,
        _ => FdbState::Dynamic,
    }
}

pub(super) fn origin_to_byte(origin: Origin) -> u8 {
    match origin {
        Origin::Command => ORIGIN_COMMAND,
        Origin::Config => ORIGIN_CONFIG,
        Origin::Learned => ORIGIN_LEARNED,
        Origin::Mirrored => ORIGIN_MIRRORED,
    }
}

pub(super) fn origin_from_byte(origin: u8) -> Origin {
    match origin {
        ORIGIN_CONFIG => Origin::Config,
        ORIGIN_LEARNED => Origin::Learned,
        ORIGIN_MIRRORED => Origin::Mirrored,
        _ => Origin::Command,
    }
}

/// The options of a VNI as its map value.
pub(super) fn vni_to_config(options: &VniOptions, slot: u32, origin: Origin) -> VniConfig {
    let flag = |on: bool, bit: u32| if on { bit } else { 0 };
    let (ttl, tos) = (
        match options.ttl {
            Ttl::Fixed(n) => n,
            Ttl::Inherit => 64, // for inner frames that have none
        },
        match options.tos {
            Tos::Fixed(n) => n,
            Tos::Inherit => 0,
        },
    );
    VniConfig {
        ageing: u64::from(options.ageing) * SECOND,
        slot,
        limit: options.limit,
        flags: flag(options.learning, VNI_LEARNING)
            | flag(options.arp_miss == ArpMiss::Drop, VNI_ARP_MISS_DROP)
            | flag(options.vtep_filter == VtepFilter::Any, VNI_VTEP_ANY)
            | flag(options.ttl == Ttl::Inherit, VNI_TTL_INHERIT)
            | flag(options.tos == Tos::Inherit, VNI_TOS_INHERIT),
        ttl,
        tos,
        df: match options.df {
            Df::Set => DF_SET,
            Df::Unset => DF_UNSET,
            Df::Inherit => DF_INHERIT,
        },
        origin: origin_to_byte(origin),
        name: to_bytes(options.name.as_deref().unwrap_or_default()),
        group: options.group.map_or(Addr::NONE, Addr::from),
    }
}

/// And back.
pub(super) fn vni_from_config(config: &VniConfig) -> VniOptions {
    let name = from_bytes(&config.name);
    VniOptions {
        name: (!name.is_empty()).then_some(name),
        learning: config.has(VNI_LEARNING),
        ageing: u32::try_from(config.ageing / SECOND).unwrap_or(u32::MAX),
        limit: config.limit,
        arp_miss: if config.has(VNI_ARP_MISS_DROP) { ArpMiss::Drop } else { ArpMiss::Flood },
        ttl: if config.has(VNI_TTL_INHERIT) { Ttl::Inherit } else { Ttl::Fixed(config.ttl) },
        tos: if config.has(VNI_TOS_INHERIT) { Tos::Inherit } else { Tos::Fixed(config.tos) },
        df: match config.df {
            DF_UNSET => Df::Unset,
            DF_INHERIT => Df::Inherit,
            _ => Df::Set,
        },
        vtep_filter: if config.has(VNI_VTEP_ANY) { VtepFilter::Any } else { VtepFilter::Known },
        group: (!config.group.is_none()).then(|| ip(config.group)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_a_vni_survive_their_map_value() {
        let all = VniOptions {
            name: Some("vxlan1".to_owned()),
            learning: false,
            ageing: 7,
            limit: 9,
            arp_miss: ArpMiss::Drop,
            ttl: Ttl::Inherit,
            tos: Tos::Fixed(0xb8),
            df: Df::Inherit,
            vtep_filter: VtepFilter::Any,
            group: Some(IpAddr::from([239, 1, 1, 1])),
        };
        for options in [
            all,
            VniOptions::default(),
            VniOptions { tos: Tos::Inherit, ttl: Ttl::Fixed(1), ..Default::default() },
        ] {
            assert_eq!(vni_from_config(&vni_to_config(&options, 3, Origin::Config)), options);
        }
    }

    #[test]
    fn a_vni_name_is_what_an_interface_may_be_called() {
        for name in ["vxlan1", "a", "fifteen-letters"] {
            assert!(check_vni_name(name).is_ok(), "{name}");
        }
        for name in ["", "sixteen-letters!", "a b", "a/b", "ü"] {
            assert!(check_vni_name(name).is_err(), "{name}");
        }
    }
}
