//! Builds the data path for its own target and leaves the object where `dataplane` embeds it from.

use aya_build::{Package, Toolchain};

/// The nightly that the eBPF crate is built with: its LLVM and that of bpf-linker must agree.
const TOOLCHAIN: &str = "nightly-2026-05-20";

fn main() -> anyhow::Result<()> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../vxbpf-ebpf");
    println!("cargo:rerun-if-changed={}/../vxbpf-common", env!("CARGO_MANIFEST_DIR"));
    aya_build::build_ebpf(
        [Package { name: "vxbpf-ebpf", root_dir: root, ..Default::default() }],
        Toolchain::Custom(TOOLCHAIN),
    )
}
