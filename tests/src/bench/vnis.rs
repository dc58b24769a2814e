//! Many VNIs: frames between pods of the last of 4,096 that both nodes have. Each is looked up on either side.

use anyhow::Result;
use vxbpf_limit::Traffic;

use super::{
    bed::{Bed, VNI},
    contender::Contender,
    frames::Ready,
    measure::{Measure, Rounds, Settings},
};

/// All of this topic.
pub fn all() -> Vec<Box<dyn Measure>> {
    vec![Box::new(Vnis { vnis: 4096 })]
}

/// Frames of 64 bytes in one of many VNIs. With one it is what [`super::frames`] measures.
#[derive(Clone, Copy, Debug)]
pub struct Vnis {
    /// How many there are.
    pub vnis: u32,
}

impl Measure for Vnis {
    fn id(&self) -> String {
        format!("vnis-{}", self.vnis)
    }

    fn title(&self) -> String {
        format!("Frames of 64 bytes in the last of {} VNIs", self.vnis)
    }

    fn unit(&self) -> &'static str {
        "frames/s"
    }

    fn cpu_per(&self) -> Option<&'static str> {
        Some("frame")
    }

    fn contenders(&self) -> Vec<Contender> {
        vec![Contender::Kernel, Contender::VxbpfTc, Contender::VxbpfXdp]
    }

    fn prepare(&self, contender: Contender, settings: &Settings) -> Result<Box<dyn Rounds>> {
        let mut bed = Bed::lay(contender, settings)?;
        for node in [0, 1] {
            let other = bed.nodes[1 - node].vtep;
            let others = VNI + 1..VNI + self.vnis;
            if contender == Contender::Kernel {
                // Up, for only then a device is among those that a packet is looked up in (`vxlan_open`). No bridges.
                let local = bed.nodes[node].vtep;
                let device = |vni| {
                    [
                        format!(
                            "link add vx{vni} type vxlan id {vni} dstport 4789 local {local} remote {other} noudpcsum"
                        ),
                        format!("link set vx{vni} up"),
                    ]
                };
                bed.nodes[node].batch("ip", &others.flat_map(device).collect::<Vec<_>>())?;
                bed.start(node, "")?;
            } else {
                let table = |vni| format!("[[vni]]\nvni = {vni}\nflood = [\"{other}\"]\n");
                bed.start_with(node, &others.map(table).collect::<String>())?;
            }
        }
        let traffic = Traffic { len: 64, flows: 1, ..bed.traffic() };
        Ok(Box::new(Ready::through(bed, &traffic, settings)?))
    }
}
