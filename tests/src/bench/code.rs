//! How long our programs are: what the verifier left of them, in instructions. Long is not slow, but who works on the
//! data path wants to see what a change adds.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use aya::programs::ProgramInfo;

use super::{
    bed::{Bed, Node},
    contender::Contender,
    measure::Settings,
    model::Program,
};

/// The programs that the binary under test has.
pub fn look(settings: &Settings) -> Result<Vec<Program>> {
    of(&Bed::create(Contender::VxbpfXdp, settings)?.nodes[0])
}

/// The programs of a node that the binary under test forwards for, by name.
pub fn of(node: &Node) -> Result<Vec<Program>> {
    let pins = Path::new("/run/vxbpf/bpf").join(node.netns.name());
    let mut programs = Vec::new();
    for entry in fs::read_dir(&pins).with_context(|| format!("read {}", pins.display()))? {
        let entry = entry?;
        let Some(name) =
            entry.file_name().to_str().and_then(|name| name.strip_prefix("prog-")).map(str::to_owned)
        else {
            continue;
        };
        let info = ProgramInfo::from_pin(entry.path())?;
        let bytes = info.size_translated().context("the kernel does not say")?;
        let verified = info.verified_instruction_count();
        programs.push(Program { name, instructions: bytes / INSTRUCTION, verified });
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}

/// Bytes of an instruction (`struct bpf_insn`).
const INSTRUCTION: u32 = 8;
