//! Builds the programs of the benchmark for their own target and leaves the object where `bench` embeds it from; and
//! tells it which compiler made it.

use std::process::Command;

use aya_build::{Package, Toolchain};

/// The nightly of the data path; `vxbpf/build.rs` says why it is this one.
const TOOLCHAIN: &str = "nightly-2026-05-20";

fn main() -> anyhow::Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("--version").output()?;
    println!("cargo:rustc-env=VXBPF_RUSTC={}", String::from_utf8_lossy(&said.stdout).trim());

    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/limit");
    aya_build::build_ebpf(
        [Package { name: "vxbpf-limit", root_dir: root, ..Default::default() }],
        Toolchain::Custom(TOOLCHAIN),
    )
}
