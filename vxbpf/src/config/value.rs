//! Values of the config file that are words of the command line: read by their `FromStr`, so that both have the
//! same spelling and the same errors.

use std::{
    fmt,
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU16,
    str::FromStr,
};

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use vxbpf_common::{Mac, Vni};

use crate::dataplane::{ArpMiss, Df, FdbState, Mode, Tos, Ttl, VtepFilter};

/// A value by its text, or by its number where it is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<T>(pub(super) T);

/// What can be a [`Word`].
pub(super) trait Value: Sized {
    /// What is expected, for whoever wrote something else.
    const EXPECTED: &'static str;
    /// Whether a TOML integer will do.
    const NUMBER: bool = false;
    /// Whether a TOML string will do.
    const TEXT: bool = true;

    /// The value of that text.
    fn read(text: &str) -> Result<Self, String>;
}

macro_rules! values {
    ($($type:ty: $expected:literal $(, number = $number:literal)? $(, text = $text:literal)?;)+) => {
        $(impl Value for $type {
            const EXPECTED: &'static str = $expected;
            $(const NUMBER: bool = $number;)?
            $(const TEXT: bool = $text;)?

            fn read(text: &str) -> Result<Self, String> {
                Self::from_str(text).map_err(|e| e.to_string())
            }
        })+
    };
}

values! {
    Vni: "a number from 0 to 16777215", number = true, text = false;
    Mac: "a MAC address as in \"02:42:c0:a8:00:02\"";
    Mode: "\"auto\", \"tc\" or \"xdp\"";
    ArpMiss: "\"flood\" or \"drop\"";
    Df: "\"set\", \"unset\" or \"inherit\"";
    VtepFilter: "\"known\" or \"any\"";
    FdbState: "\"permanent\", \"static\" or \"dynamic\"";
    Ttl: "a number from 1 to 255, or \"inherit\"", number = true;
    Tos: "a number from 0 to 255, or \"inherit\"", number = true;
}

/// The address of a VTEP or a station: what a unicast packet can be sent to.
impl Value for IpAddr {
    const EXPECTED: &'static str = "an IPv4 or IPv6 address as in \"192.168.104.3\"";

    fn read(text: &str) -> Result<Self, String> {
        let addr = Self::from_str(text)
            .map_err(|_| format!("{text:?} is not an IP address: IPv4 or IPv6, without a prefix length"))?
            .to_canonical();
        if addr.is_unspecified() || addr.is_multicast() || addr == Self::V4(Ipv4Addr::BROADCAST) {
            return Err(format!("{addr} is not a unicast address"));
        }
        Ok(addr)
    }
}

/// A multicast group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group(pub(super) IpAddr);

impl Value for Group {
    const EXPECTED: &'static str = "a multicast address as in \"239.1.1.1\" or \"ff05::100\"";

    fn read(text: &str) -> Result<Self, String> {
        let addr = IpAddr::from_str(text).ok().filter(IpAddr::is_multicast);
        addr.map(Self).ok_or_else(|| format!("{text:?} is not {}", Self::EXPECTED))
    }
}

impl Value for NonZeroU16 {
    const EXPECTED: &'static str = "a UDP port from 1 to 65535";
    const NUMBER: bool = true;
    const TEXT: bool = false;

    fn read(text: &str) -> Result<Self, String> {
        Self::from_str(text).map_err(|_| format!("{text} is not a UDP port: a number from 1 to 65535"))
    }
}

impl<'de, T: Value> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor(PhantomData)).map(Self)
    }
}

struct WordVisitor<T>(PhantomData<T>);

impl<T: Value> Visitor<'_> for WordVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        if !T::TEXT {
            return Err(E::invalid_type(Unexpected::Str(text), &self));
        }
        T::read(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        if !T::NUMBER {
            return Err(E::invalid_type(Unexpected::Signed(number), &self));
        }
        T::read(&number.to_string()).map_err(E::custom)
    }
}
