//! From what was found on the machine to what is to be installed. Pure: the looking and the installing
//! are in `setup`.

use crate::failure::{Failure, Result};
use crate::needs::{Component, Program, Purpose};
use crate::version::Version;

/// What was found on the machine.
#[derive(Debug)]
pub(crate) struct Found {
    /// Whether rustup is on the PATH.
    pub(crate) rustup: bool,
    /// The active toolchain, if it runs.
    pub(crate) stable: Option<Toolchain>,
    /// The pinned nightly, if installed.
    pub(crate) nightly: Option<Toolchain>,
    /// Whether a `bpf-linker` of exactly our version will be used.
    pub(crate) linker: bool,
    /// Programs of the purpose that are not there.
    pub(crate) missing: Vec<&'static Program>,
    /// Whether this is a machine whose packages we know how to install.
    pub(crate) apt: bool,
}

/// What was found of a Rust toolchain.
#[derive(Debug)]
pub(crate) struct Toolchain {
    /// What its rustc says.
    pub(crate) version: Version,
    /// Which of the components we may ask for it has.
    pub(crate) components: Vec<Component>,
}

/// One thing to install.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// Distribution packages.
    Packages(Vec<&'static str>),
    /// Components of the active toolchain.
    StableComponents(Vec<Component>),
    /// The pinned nightly with these components.
    Nightly(Vec<Component>),
    /// Components of the pinned nightly that is there.
    NightlyComponents(Vec<Component>),
    /// `bpf-linker`, below the target directory.
    Linker,
}

/// What is to be installed, in this order; or why that can't be done here.
pub(crate) fn plan(purpose: Purpose, rust_floor: Version, found: &Found) -> Result<Vec<Step>> {
    if !found.rustup {
        return Err(Failure::new(
            "rustup is not installed; it brings the toolchains that vxbpf is built with",
            "see https://rustup.rs",
        ));
    }
    let stable = found.stable.as_ref().ok_or_else(|| {
        Failure::new("rustc does not run: rustup has no active toolchain", "rustup default stable")
    })?;
    if stable.version < rust_floor {
        return Err(Failure::new(
            format!("the active Rust toolchain is {}; vxbpf needs {rust_floor} or newer", stable.version),
            "rustup update stable",
        ));
    }
    let packages: Vec<_> = found.missing.iter().flat_map(|program| program.packages).copied().collect();
    if !packages.is_empty() && !found.apt {
        let programs: Vec<_> = found.missing.iter().map(|program| program.name).collect();
        return Err(Failure::new(
            format!(
                "missing: {}; and without apt-get they can't be installed from here",
                programs.join(", ")
            ),
            format!("install them your system's way; Debian's packages are {}", packages.join(", ")),
        ));
    }

    let mut steps = Vec::new();
    if !packages.is_empty() {
        steps.push(Step::Packages(packages)); // first: the linker is built with `cc`
    }
    let missing = missing_components(stable, purpose.stable_components());
    if !missing.is_empty() {
        steps.push(Step::StableComponents(missing));
    }
    let wanted = purpose.nightly_components();
    match &found.nightly {
        None => steps.push(Step::Nightly(wanted.to_vec())),
        Some(nightly) => {
            let missing = missing_components(nightly, wanted);
            if !missing.is_empty() {
                steps.push(Step::NightlyComponents(missing));
            }
        }
    }
    if !found.linker {
        steps.push(Step::Linker);
    }
    Ok(steps)
}

fn missing_components(toolchain: &Toolchain, wanted: &[Component]) -> Vec<Component> {
    wanted.iter().copied().filter(|component| !toolchain.components.contains(component)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needs;

    const FLOOR: Version = Version(1, 95, 0);

    fn everything() -> Found {
        let toolchain =
            |minor| Toolchain { version: Version(1, minor, 0), components: Component::ALL.to_vec() };
        Found {
            rustup: true,
            stable: Some(toolchain(95)),
            nightly: Some(toolchain(97)),
            linker: true,
            missing: Vec::new(),
            apt: true,
        }
    }

    fn bare(version: Version) -> Option<Toolchain> {
        Some(Toolchain { version, components: Vec::new() })
    }

    fn refusal(found: &Found) -> String {
        plan(Purpose::Test, FLOOR, found).unwrap_err().to_string()
    }

    #[test]
    fn nothing_is_installed_where_all_is_there() {
        for purpose in [Purpose::Run, Purpose::Bench, Purpose::Lint, Purpose::Test] {
            assert_eq!(plan(purpose, FLOOR, &everything()).unwrap(), []);
        }
    }

    #[test]
    fn a_fresh_machine_gets_everything_packages_first() {
        let missing = needs::programs(Purpose::Test).filter(|program| program.name != "ip").collect();
        let found = Found { stable: bare(FLOOR), nightly: None, linker: false, missing, ..everything() };
        assert_eq!(
            plan(Purpose::Test, FLOOR, &found).unwrap(),
            [
                Step::Packages(vec![
                    "gcc",
                    "libc6-dev",
                    "iputils-ping",
                    "iperf3",
                    "util-linux",
                    "tcpdump",
                    "ethtool"
                ]),
                Step::StableComponents(vec![Component::Rustfmt, Component::Clippy]),
                Step::Nightly(vec![Component::RustSrc, Component::Clippy]),
                Step::Linker,
            ]
        );
    }

    #[test]
    fn only_what_lints_needs_the_linters() {
        let found = Found { stable: bare(FLOOR), nightly: bare(Version(1, 97, 0)), ..everything() };
        assert_eq!(
            plan(Purpose::Run, FLOOR, &found).unwrap(),
            [Step::NightlyComponents(vec![Component::RustSrc])]
        );
        assert_eq!(
            plan(Purpose::Lint, FLOOR, &found).unwrap(),
            [
                Step::StableComponents(vec![Component::Rustfmt, Component::Clippy]),
                Step::NightlyComponents(vec![Component::RustSrc, Component::Clippy]),
            ]
        );
    }

    #[test]
    fn what_cannot_be_installed_is_one_error_and_one_hint() {
        let no_rustup = Found { rustup: false, stable: None, nightly: None, ..everything() };
        assert!(refusal(&no_rustup).ends_with("hint: see https://rustup.rs"));
        let no_toolchain = Found { stable: None, ..everything() };
        assert!(refusal(&no_toolchain).ends_with("hint: rustup default stable"));
        let old = Found { stable: bare(Version(1, 94, 1)), ..everything() };
        assert_eq!(
            refusal(&old),
            "error: the active Rust toolchain is 1.94.1; vxbpf needs 1.95.0 or newer\nhint: rustup update stable"
        );
        let missing = needs::programs(Purpose::Test).filter(|program| program.name == "ping").collect();
        let no_apt = Found { missing, apt: false, ..everything() };
        let said = refusal(&no_apt);
        assert!(said.contains("missing: ping;") && said.ends_with("iputils-ping"), "{said}");
    }
}
