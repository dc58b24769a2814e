//! Version numbers as tools and the kernel print them, reduced to what can be compared.

use std::fmt;

/// `major.minor.patch`; a part that is not there counts as zero.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32, pub(crate) u32);

impl Version {
    /// The first word of the line that starts with a digit: `rustc 1.95.0 (5980 2026-04-14)`,
    /// `bpf-linker 0.10.3`, `6.18.44-amd64`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let word = line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        let mut parts = word.split('.').map(leading_number);
        let major = parts.next()??;
        let mut next = || parts.next().flatten().unwrap_or(0);
        Some(Self(major, next(), next()))
    }
}

/// `44-amd64` is 44.
fn leading_number(part: &str) -> Option<u32> {
    let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
    part[..end].parse().ok()
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_tools_print_them() {
        let rows = [
            ("rustc 1.95.0 (59807616e 2026-04-14)", Some(Version(1, 95, 0))),
            ("rustc 1.97.0-nightly (36ba2c771 2026-05-19)", Some(Version(1, 97, 0))),
            ("bpf-linker 0.10.3\n", Some(Version(0, 10, 3))),
            ("6.18.44-fc-v669", Some(Version(6, 18, 44))),
            ("5.15", Some(Version(5, 15, 0))),
            ("5.15-rc1", Some(Version(5, 15, 0))),
            ("6.1+", Some(Version(6, 1, 0))),
            ("no number", None),
            ("", None),
            ("99999999999.1", None),
        ];
        for (line, version) in rows {
            assert_eq!(Version::parse(line), version, "{line:?}");
        }
    }

    #[test]
    fn ten_is_newer_than_nine() {
        assert!(Version(0, 10, 3) > Version(0, 9, 15));
        assert!(Version(5, 4, 300) < Version(5, 15, 0));
    }
}
