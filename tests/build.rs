//! Builds the programs of the benchmark for their own target and leaves the object where `bench` embeds it from.

use aya_build::{Package, Toolchain};

/// The nightly of the data path; `vxbpf/build.rs` says why it is this one.
const TOOLCHAIN: &str = "nightly-2026-05-20";

fn main() -> anyhow::Result<()> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/limit");
    aya_build::build_ebpf(
        [Package { name: "vxbpf-limit", root_dir: root, ..Default::default() }],
        Toolchain::Custom(TOOLCHAIN),
    )
}
