//! ARP questions of a pod for another one's address that its node answers in that one's place.
//!
//! The kernel can do it in two places, and each is a measurement of its own against ours: in its VXLAN device (`proxy`),
//! after the bridge has flooded the question to it, and in the bridge (`neigh_suppress`), before.

use anyhow::{Context as _, Result};
use vxbpf_common::Mac;

use super::{
    bed::{BRIDGE, Bed, DEVICE, VNI},
    contender::Contender,
    counter::Counter,
    generator::{BATCH, Generator},
    measure::{Measure, Rounds, Sample, Settings},
    offer::Offer,
};
use crate::{packet::Frame, pod::Pod, stage::BROADCAST};

/// All of this topic.
pub fn all() -> Vec<Box<dyn Measure>> {
    [Place::Device, Place::Bridge].map(|kernel| Box::new(Arp { kernel }) as Box<dyn Measure>).into()
}

/// Where the kernel answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In its VXLAN device.
    Device,
    /// In its bridge.
    Bridge,
}

/// Questions and answers.
#[derive(Clone, Copy, Debug)]
pub struct Arp {
    /// Where the kernel answers.
    pub kernel: Place,
}

impl Measure for Arp {
    fn id(&self) -> String {
        match self.kernel {
            Place::Device => "arp",
            Place::Bridge => "arp-suppress",
        }
        .to_owned()
    }

    fn title(&self) -> String {
        let how = match self.kernel {
            Place::Device => "proxy",
            Place::Bridge => "neigh_suppress",
        };
        format!("ARP questions answered by the node (kernel: {how})")
    }

    fn unit(&self) -> &'static str {
        "replies/s"
    }

    fn cpu_per(&self) -> Option<&'static str> {
        Some("reply")
    }

    fn contenders(&self) -> Vec<Contender> {
        vec![Contender::Kernel, Contender::VxbpfTc, Contender::VxbpfXdp]
    }

    fn prepare(&self, contender: Contender, settings: &Settings) -> Result<Box<dyn Rounds>> {
        let bed = Bed::create(contender, settings)?;
        match (contender, self.kernel) {
            (Contender::Kernel, Place::Device) => proxy(&bed)?,
            (Contender::Kernel, Place::Bridge) => suppress(&bed)?,
            _ => {
                let Pod { addr, mac, .. } = &bed.pods[1];
                bed.nodes[0].ok(&format!("neigh add {addr} lladdr {mac} vni {VNI}"))?;
            }
        }
        let [asker, asked] = &bed.pods;
        let arp = question_and_answer(asker, asked)?;
        let mut offer = Offer {
            counter: Counter::of_answers(&bed, 0, &arp)?,
            generator: Generator::asking(&bed.nodes[0], asker, &arp, settings.client_cpu)?,
            batch: BATCH,
            copies: 1,
        };
        let frames = offer.size(asker, settings)?;
        Ok(Box::new(Ready { offer, frames, bed }))
    }
}

/// Has the node's VXLAN device answer. It can be told so only when it is made.
fn proxy(bed: &Bed) -> Result<()> {
    let [here, there] = &bed.nodes;
    let Pod { addr, mac, .. } = &bed.pods[1];
    let device = format!("{DEVICE} type vxlan id {VNI} dstport 4789 local {} noudpcsum proxy", here.vtep);
    here.batch(
        "ip",
        &[
            format!("link del {DEVICE}"),
            format!("link add {device}"),
            format!("link set {DEVICE} master {BRIDGE} up"),
            format!("neigh add {addr} lladdr {mac} dev {DEVICE} nud permanent"),
        ],
    )?;
    here.batch(
        "bridge",
        &[
            format!("fdb append {} dev {DEVICE} dst {} self permanent", Mac::ZERO, there.vtep),
            format!("fdb replace {mac} dev {DEVICE} dst {} self static", there.vtep),
            format!("fdb replace {mac} dev {DEVICE} master static"),
        ],
    )
}

/// Has the node's bridge answer: for neighbours of its own that are behind a port that suppresses questions.
fn suppress(bed: &Bed) -> Result<()> {
    let Pod { addr, mac, .. } = &bed.pods[1];
    let here = &bed.nodes[0];
    here.must(&format!("bridge link set dev {DEVICE} neigh_suppress on"))?;
    here.must(&format!("ip neigh add {addr} lladdr {mac} dev {BRIDGE} nud permanent")).map(drop)
}

/// What a pod asks about another one, and what it is told.
pub fn question_and_answer(asker: &Pod, asked: &Pod) -> Result<[vxbpf_limit::Arp; 2]> {
    let question = Frame::new(asker.mac, BROADCAST).arp_request(asker.addr, asked.addr);
    let answer = Frame::new(asked.mac, asker.mac).arp_reply(asked.addr, asker.addr);
    let arp = |frame: &Frame| frame.bytes().first_chunk().copied().map(vxbpf_limit::Arp::new);
    let both = arp(&question).zip(arp(&answer)).context("frames of ARP")?;
    Ok(both.into())
}

struct Ready {
    offer: Offer,
    frames: u32,
    bed: Bed,
}

impl Rounds for Ready {
    fn play(&mut self) -> Result<Sample> {
        let taken = self.offer.play(&self.bed.pods[0], self.frames)?;
        Ok(Sample { value: taken.rate(), cpu: Some(taken.cpu), also: Vec::new() })
    }
}
