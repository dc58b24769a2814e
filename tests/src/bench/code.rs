//! How long our programs are: what the verifier left of them, in instructions.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use aya::programs::ProgramInfo;

use super::bed::Node;

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its name.
    pub program: String,
    /// Its instructions, those of the functions it calls among them.
    pub instructions: u32,
}

/// The programs of a node that the binary under test forwards for, by name.
pub fn of(node: &Node) -> Result<Vec<Code>> {
    let pins = Path::new("/run/vxbpf/bpf").join(node.netns.name());
    let mut programs = Vec::new();
    for entry in fs::read_dir(&pins).with_context(|| format!("read {}", pins.display()))? {
        let entry = entry?;
        let Some(program) =
            entry.file_name().to_str().and_then(|name| name.strip_prefix("prog-")).map(str::to_owned)
        else {
            continue;
        };
        let bytes =
            ProgramInfo::from_pin(entry.path())?.size_translated().context("the kernel does not say")?;
        programs.push(Code { program, instructions: bytes / INSTRUCTION });
    }
    programs.sort_by(|a, b| a.program.cmp(&b.program));
    Ok(programs)
}

/// Bytes of an instruction (`struct bpf_insn`).
const INSTRUCTION: u32 = 8;
