//! How long our programs are. Long is not slow, but who works on the data path wants to see what a change adds.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use aya::programs::ProgramInfo;
use vxbpf::{
    dataplane::{Limits, Locals, Mode, Settings},
    netdev::{self, End},
};

use super::model::Program;
use crate::scratch::{Instance, Netns};

/// Where instances have their pins.
const PINS: &str = "/run/vxbpf/bpf";

/// Loads the data path as an instance would, and asks the kernel what it runs.
pub fn look() -> Result<Vec<Program>> {
    let netns = Netns::create()?;
    let instance = netns.run(|| {
        let end = |name| End { name, netns: None, mac: None, mtu: 1500 };
        netdev::create_veth(&end("eth1"), &end("peer"))?;
        let index = netdev::link("eth1")?.index;
        netdev::add_address(index, [192, 0, 2, 1].into(), 24)?;
        netdev::set_up(index)?;
        Instance::start(Settings {
            instance: "bench".parse().map_err(anyhow::Error::msg)?,
            iface: "eth1".to_owned(),
            local: Locals::default(),
            dstport: 4789,
            mode: Mode::Xdp,
            limits: Limits::default(),
        })
    })?;
    let pins = Path::new(PINS).join(instance.name().as_str());
    let mut programs = Vec::new();
    for file in fs::read_dir(&pins).with_context(|| format!("read {}", pins.display()))? {
        let file = file?;
        let Some(name) =
            file.file_name().to_str().and_then(|name| name.strip_prefix("prog-").map(str::to_owned))
        else {
            continue;
        };
        let info = ProgramInfo::from_pin(file.path()).with_context(|| format!("ask about program {name}"))?;
        programs.push(Program {
            name,
            // The kernel gives bytes, of eight an instruction.
            instructions: info.size_translated().unwrap_or_default() / 8,
            verified: info.verified_instruction_count(),
        });
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}
