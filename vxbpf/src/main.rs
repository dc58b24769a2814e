//! The `vxbpf` binary: see [`vxbpf::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    vxbpf::cli::main()
}
