//! Relinks when bpf-linker changes, and asks it for the code that packet headers deserve.

fn main() {
    if let Ok(linker) = which::which("bpf-linker") {
        println!("cargo:rerun-if-changed={}", linker.display());
    }
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("bpf") {
        // Without these the backend turns every copy of a header, whose alignment is 1, into byte loads
        // and stores. Packet memory may be misaligned for the verifier on x86-64 and arm64; the stack may
        // not, hence `align(8)` on every type that is built there. (Headers that are packed words never are.)
        // (Not `+alu32`: without the 32-bit jumps of ISA v3, which cannot be asked for here, LLVM 22 compares
        // the 32-bit operands of a select as 64 bits with a sign-extended constant, and that is wrong for
        // constants from 2^31.)
        println!("cargo:rustc-link-arg=--cpu-features=+allows-misaligned-mem-access");
        println!("cargo:rustc-link-arg=--disable-expand-memcpy-in-order");
    }
}
