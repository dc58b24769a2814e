//! Relinks when bpf-linker changes, and asks it for the code that the data path is built with (see there why): the
//! limit is to be compared with it.

fn main() {
    if let Ok(linker) = which::which("bpf-linker") {
        println!("cargo:rerun-if-changed={}", linker.display());
    }
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("bpf") {
        println!("cargo:rustc-link-arg=--cpu-features=+allows-misaligned-mem-access");
        println!("cargo:rustc-link-arg=--disable-expand-memcpy-in-order");
    }
}
