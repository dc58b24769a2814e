//! Which VNI is meant: `vni`, `src_vni` and `dev`, as iproute2 reads them.

use clap::Args;
use vxbpf_common::Vni;

use crate::{Error, Result, dataplane::Dataplane};

/// The VNI of an FDB entry, and the one written on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[group(required = true, multiple = true)]
pub(super) struct EntryVni {
    /// The VNI on the wire, and the local one when neither src_vni nor dev is given
    #[arg(long, value_name = "VNI")]
    vni: Option<Vni>,
    /// The local VNI
    #[arg(long, value_name = "VNI", alias = "src_vni")]
    src_vni: Option<Vni>,
    /// The local VNI, by its name
    #[arg(long, value_name = "NAME")]
    dev: Option<String>,
}

impl EntryVni {
    /// The local VNI: `src_vni`, else that of `dev`, else `vni`.
    pub(super) fn local(&self, dataplane: &Dataplane) -> Result<Vni> {
        self.local_by(|name| dataplane.vni_named(name))
    }

    fn local_by(&self, lookup: impl Fn(&str) -> Result<Option<Vni>>) -> Result<Vni> {
        match (self.src_vni, &self.dev, self.vni) {
            (Some(vni), _, _) => Ok(vni),
            (None, Some(name), _) => named(name, lookup),
            (None, None, Some(vni)) => Ok(vni),
            (None, None, None) => Err(Error::invalid("VNI", "not given")),
        }
    }

    /// Takes in a word of a usual line with its value; false if it is none of ours, `None` if the line is not usual.
    pub(super) fn usual<'a>(
        &mut self,
        word: &str,
        words: &mut impl Iterator<Item = &'a str>,
    ) -> Option<bool> {
        match word {
            "vni" => once(&mut self.vni, words.next()?.parse().ok()?)?,
            "src_vni" | "src-vni" => once(&mut self.src_vni, words.next()?.parse().ok()?)?,
            "dev" => once(&mut self.dev, name(words.next()?)?)?,
            _ => return Some(false),
        }
        Some(true)
    }

    /// Itself, if any of it is given.
    pub(super) fn given(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }

    /// The VNI on the wire, where it was given beside the local one.
    pub(super) fn wire(&self) -> Option<Vni> {
        self.vni.filter(|_| self.src_vni.is_some() || self.dev.is_some())
    }

    /// The local VNI of what never is on the wire: `vni` must not be another one.
    pub(super) fn only(&self, dataplane: &Dataplane) -> Result<Vni> {
        let local = self.local(dataplane)?;
        agree(local, self.vni, self.dev.as_deref())
    }
}

/// The VNI that something is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[group(required = true, multiple = true)]
pub(super) struct HomeVni {
    /// The VNI
    #[arg(long, value_name = "VNI")]
    vni: Option<Vni>,
    /// The VNI, by its name
    #[arg(long, value_name = "NAME")]
    dev: Option<String>,
}

impl HomeVni {
    /// Takes in a word of a usual line with its value; false if it is none of ours, `None` if the line is not usual.
    pub(super) fn usual<'a>(
        &mut self,
        word: &str,
        words: &mut impl Iterator<Item = &'a str>,
    ) -> Option<bool> {
        match word {
            "vni" => once(&mut self.vni, words.next()?.parse().ok()?)?,
            "dev" => once(&mut self.dev, name(words.next()?)?)?,
            _ => return Some(false),
        }
        Some(true)
    }

    /// Itself, if any of it is given.
    pub(super) fn given(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }

    /// The VNI.
    pub(super) fn resolve(&self, dataplane: &Dataplane) -> Result<Vni> {
        resolve(self.vni, self.dev.as_deref(), |name| dataplane.vni_named(name))?
            .ok_or_else(|| Error::invalid("VNI", "not given"))
    }
}

/// The VNI to look at, if not all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(super) struct Scope {
    /// Of this VNI only
    #[arg(long, value_name = "VNI")]
    vni: Option<Vni>,
    /// Of the VNI of that name only
    #[arg(long, value_name = "NAME")]
    dev: Option<String>,
}

impl Scope {
    /// The VNI, or all.
    pub(super) fn resolve(&self, dataplane: &Dataplane) -> Result<Option<Vni>> {
        resolve(self.vni, self.dev.as_deref(), |name| dataplane.vni_named(name))
    }
}

/// Sets what a usual line says once.
pub(super) fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

/// A name in a usual line.
pub(super) fn name(word: &str) -> Option<String> {
    (!word.starts_with('-')).then(|| word.to_owned())
}

fn resolve(
    vni: Option<Vni>,
    dev: Option<&str>,
    lookup: impl Fn(&str) -> Result<Option<Vni>>,
) -> Result<Option<Vni>> {
    match dev {
        Some(name) => agree(named(name, lookup)?, vni, dev).map(Some),
        None => Ok(vni),
    }
}

/// The local VNI, unless another one was given beside it.
fn agree(local: Vni, given: Option<Vni>, dev: Option<&str>) -> Result<Vni> {
    match given {
        Some(vni) if vni != local => {
            let what = dev.map_or_else(|| format!("src_vni {local}"), |name| format!("dev {name}"));
            Err(Error::invalid(what, format!("it is VNI {local}, not VNI {vni}")))
        }
        _ => Ok(local),
    }
}

fn named(name: &str, lookup: impl Fn(&str) -> Result<Option<Vni>>) -> Result<Vni> {
    lookup(name)?.ok_or_else(|| Error::Refused {
        what: format!("dev {name}"),
        why: "no VNI has that name".to_owned(),
        hint: "`vxbpf vni show` lists them, `vxbpf vni set VNI name NAME` names one".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vni(n: u32) -> Vni {
        Vni::new(n).unwrap()
    }

    fn lookup(name: &str) -> Result<Option<Vni>> {
        Ok((name == "vxlan1").then(|| vni(7)))
    }

    #[test]
    fn the_local_vni_is_src_vni_else_that_of_dev_else_vni() {
        // (vni, src_vni, dev) -> (local, wire)
        let rows = [
            ((Some(42), None, None), (42, None)),
            ((None, Some(9), None), (9, None)),
            ((None, None, Some("vxlan1")), (7, None)),
            ((Some(42), Some(9), None), (9, Some(42))),
            ((Some(42), None, Some("vxlan1")), (7, Some(42))),
            ((Some(7), None, Some("vxlan1")), (7, Some(7))),
            ((None, Some(9), Some("vxlan1")), (9, None)),
            ((Some(42), Some(9), Some("vxlan1")), (9, Some(42))),
        ];
        for (given, (local, wire)) in rows {
            let which = EntryVni {
                vni: given.0.map(vni),
                src_vni: given.1.map(vni),
                dev: given.2.map(str::to_owned),
            };
            let got = which.local_by(lookup).unwrap();
            assert_eq!((got, which.wire()), (vni(local), wire.map(vni)), "{given:?}");
        }
    }

    #[test]
    fn an_unknown_name_is_named() {
        let error = resolve(None, Some("vxlan9"), lookup).unwrap_err();
        assert_eq!(error.to_string(), "dev vxlan9: no VNI has that name");
        assert!(error.hint().is_some_and(|hint| hint.contains("vxbpf vni show")));
    }

    #[test]
    fn where_nothing_goes_on_the_wire_vni_and_dev_must_agree() {
        assert_eq!(resolve(Some(vni(7)), Some("vxlan1"), lookup).unwrap(), Some(vni(7)));
        assert_eq!(resolve(None, None, lookup).unwrap(), None);
        let error = resolve(Some(vni(42)), Some("vxlan1"), lookup).unwrap_err();
        assert_eq!(error.to_string(), "dev vxlan1: it is VNI 7, not VNI 42");
    }
}
