//! What each verb needs: the pinned versions, the rustup components, the programs and the packages
//! they come in. All of it is said here and nowhere else.

use crate::version::Version;

/// The toolchain of the eBPF crate; `vxbpf/build.rs` names the same one.
pub(crate) const NIGHTLY: &str = "nightly-2026-05-20";

/// The linker that goes with it: its LLVM must be the nightly's.
pub(crate) const BPF_LINKER: Version = Version(0, 10, 3);

/// What the machine is set up for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// Build, and bring the lab up.
    Run,
    /// Build, and measure.
    Bench,
    /// Build far enough for clippy.
    Lint,
    /// Everything.
    Test,
}

impl Purpose {
    /// Whether BPF programs get loaded.
    pub(crate) fn loads_programs(self) -> bool {
        match self {
            Self::Run | Self::Bench | Self::Test => true,
            Self::Lint => false,
        }
    }

    /// The components of the active, stable toolchain.
    pub(crate) fn stable_components(self) -> &'static [Component] {
        match self {
            Self::Run | Self::Bench => &[],
            Self::Lint | Self::Test => &[Component::Rustfmt, Component::Clippy],
        }
    }

    /// The components of the pinned nightly.
    pub(crate) fn nightly_components(self) -> &'static [Component] {
        match self {
            Self::Run | Self::Bench => &[Component::RustSrc],
            Self::Lint | Self::Test => &[Component::RustSrc, Component::Clippy],
        }
    }
}

/// A program that comes in a distribution package.
#[derive(Debug)]
pub(crate) struct Program {
    /// What is looked for on the PATH.
    pub(crate) name: &'static str,
    /// Its packages as Debian and Ubuntu call them.
    pub(crate) packages: &'static [&'static str],
    purposes: &'static [Purpose],
}

static PROGRAMS: [Program; 7] = [
    // cargo links through it.
    Program {
        name: "cc",
        packages: &["gcc", "libc6-dev"],
        purposes: &[Purpose::Run, Purpose::Bench, Purpose::Lint, Purpose::Test],
    },
    Program { name: "ip", packages: &["iproute2"], purposes: &[Purpose::Run, Purpose::Bench, Purpose::Test] },
    Program { name: "ping", packages: &["iputils-ping"], purposes: &[Purpose::Run, Purpose::Test] },
    Program { name: "iperf3", packages: &["iperf3"], purposes: &[Purpose::Bench, Purpose::Test] },
    Program { name: "taskset", packages: &["util-linux"], purposes: &[Purpose::Bench, Purpose::Test] },
    Program { name: "tcpdump", packages: &["tcpdump"], purposes: &[Purpose::Test] },
    Program { name: "ethtool", packages: &["ethtool"], purposes: &[Purpose::Bench, Purpose::Test] },
];

/// The programs of a purpose.
pub(crate) fn programs(purpose: Purpose) -> impl Iterator<Item = &'static Program> {
    PROGRAMS.iter().filter(move |program| program.purposes.contains(&purpose))
}

/// The rustup components that are not in the minimal profile.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Component {
    /// The sources of `core`, for `-Z build-std`.
    RustSrc,
    /// `cargo clippy`.
    Clippy,
    /// `cargo fmt`.
    Rustfmt,
}

impl Component {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::RustSrc, Self::Clippy, Self::Rustfmt];

    /// What rustup calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RustSrc => "rust-src",
            Self::Clippy => "clippy",
            Self::Rustfmt => "rustfmt",
        }
    }

    /// What it brings, below the toolchain's sysroot.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::RustSrc => "lib/rustlib/src/rust/library/core/src/lib.rs",
            Self::Clippy => "bin/cargo-clippy",
            Self::Rustfmt => "bin/cargo-fmt",
        }
    }
}
