//! The usual lines of a batch, read without clap, which takes a hundred times as long for each. What is not usual, or
//! wrong, is left to clap.

use super::{
    FdbArgs, Verb,
    args::{Del, Entry, Idle, StateWord, To},
};
use crate::cli::{
    values,
    which::{EntryVni, name, once},
};

impl FdbArgs {
    /// `fdb add|append|replace|del MAC …` in the words of iproute2, as clap would take it.
    pub(in super::super) fn usual<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let (Some("fdb"), Some(verb)) = (words.next(), words.next()) else { return None };
        if !matches!(verb, "add" | "append" | "replace" | "del") {
            return None;
        }
        let (mut mac, mut dst, mut port_dev, mut port) = (None, None, None, None);
        let mut which = EntryVni::default();
        let (mut state, mut own) = (None, None);
        while let Some(word) = words.next() {
            match word {
                "dst" => once(&mut dst, values::ip(words.next()?).ok()?)?,
                "port" => once(&mut port, values::udp_port(words.next()?).ok()?)?,
                "port-dev" | "port_dev" => once(&mut port_dev, name(words.next()?)?)?,
                "self" => once(&mut own, true)?,
                _ if which.usual(word, &mut words)? => {}
                _ => match StateWord::usual(word) {
                    Some(word) => once(&mut state, word)?,
                    None => once(&mut mac, word.parse().ok()?)?,
                },
            }
        }
        // Port and place exclude each other.
        if port_dev.is_some() && (dst.is_some() || port.is_some()) {
            return None;
        }
        let (mac, which) = (mac?, which.given()?);
        let (state, idle) = (state.unwrap_or_default(), Idle::usual(own.is_some()));
        if verb == "del" {
            let del = Del { mac, dst, port_dev, which, port, _state: state, _idle: idle };
            return Some(Self { verb: Verb::Del(del) });
        }
        if dst.is_none() && port_dev.is_none() {
            return None;
        }
        let entry = Entry { mac, to: To { dst, port_dev }, which, port, state, _idle: idle };
        let verb = match verb {
            "add" => Verb::Add(entry),
            "append" => Verb::Append(entry),
            _ => Verb::Replace(entry),
        };
        Some(Self { verb })
    }
}
