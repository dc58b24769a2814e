//! Parsers of values that have no type of their own. Their errors quote the value and say what it should be.

use std::{net::IpAddr, time::Duration};

/// A switch.
pub(super) fn on_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{text:?} is neither on nor off")),
    }
}

/// An IP address.
pub(super) fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not an IP address"))
}

/// A multicast group, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group(pub(super) Option<IpAddr>);

/// The group of a VNI.
pub(super) fn group(text: &str) -> Result<Group, String> {
    if text == "none" {
        return Ok(Group(None));
    }
    let addr = text.parse::<IpAddr>().ok().filter(IpAddr::is_multicast);
    addr.map(|addr| Group(Some(addr)))
        .ok_or_else(|| format!("{text:?} is not a multicast address, as in 239.1.1.1 or ff05::100, or none"))
}

/// A UDP port.
pub(super) fn udp_port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| format!("{text:?} is not a UDP port: a number from 1 to 65535"))
}

/// A number of seconds or of entries.
pub(super) fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number from 0 to {}", u32::MAX))
}

/// Time between two looks.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let interval = text.parse().ok().and_then(|s: f64| Duration::try_from_secs_f64(s).ok());
    let fine = |d: &Duration| (Duration::from_millis(100)..=Duration::from_hours(24)).contains(d);
    interval.filter(fine).ok_or_else(|| format!("{text:?} is not an interval: seconds, from 0.1 to 86400"))
}

/// `nud STATE` of a neighbour. Ours are always permanent, which iproute2 can say in two words.
pub(super) fn nud(text: &str) -> Result<(), String> {
    match text {
        "permanent" | "noarp" => Ok(()),
        _ => Err(format!("{text:?} cannot be asked for: neighbours of a VNI are permanent")),
    }
}

/// `via DEV` of an FDB entry, which is never right.
pub(super) fn via(_: &str) -> Result<(), String> {
    Err("not supported, the underlay's routes decide which way a remote is reached".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_quoted_with_what_would_be_right() {
        assert_eq!(udp_port("0").unwrap_err(), "\"0\" is not a UDP port: a number from 1 to 65535");
        assert!(group("192.0.2.1").unwrap_err().starts_with("\"192.0.2.1\" is not a multicast address"));
        assert_eq!(ip("192.0.2").unwrap_err(), "\"192.0.2\" is not an IP address");
        assert_eq!(on_off("yes").unwrap_err(), "\"yes\" is neither on nor off");
        assert_eq!(number("-1").unwrap_err(), "\"-1\" is not a number from 0 to 4294967295");
        assert!(nud("stale").unwrap_err().starts_with("\"stale\" cannot be asked for"));
        for interval_text in ["0", "nan", "-1", "1e99", "x"] {
            assert!(interval(interval_text).is_err(), "{interval_text}");
        }
    }

    #[test]
    fn a_right_value_is_taken() {
        assert_eq!(udp_port("65535"), Ok(65535));
        assert_eq!(ip("2001:db8::1"), Ok("2001:db8::1".parse().unwrap()));
        assert_eq!(group("none"), Ok(Group(None)));
        assert_eq!(group("ff05::100"), Ok(Group(Some("ff05::100".parse().unwrap()))));
        assert_eq!(on_off("off"), Ok(false));
        assert_eq!(interval("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(nud("noarp"), Ok(()));
    }
}
