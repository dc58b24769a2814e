//! Frames per second: what one CPU carries from a pod on one node to a pod on another, all hops included.

use anyhow::Result;
use vxbpf_limit::Traffic;

use super::{
    bed::Bed,
    contender::Contender,
    counter::Counter,
    generator::{BATCH, Generator},
    measure::{Measure, Rounds, Sample, Settings},
    offer::Offer,
};

/// All of this topic.
pub fn all() -> Vec<Box<dyn Measure>> {
    let each = |len| [1, 1000].map(|flows| Box::new(Frames { len, flows }) as Box<dyn Measure>);
    [64, 1400].into_iter().flat_map(each).collect()
}

/// Frames of one length, in one or many flows.
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    /// Bytes of a frame, without its check sequence.
    pub len: u32,
    /// How many flows there are.
    pub flows: u32,
}

impl Measure for Frames {
    fn id(&self) -> String {
        format!("frames-{}-{}", self.len, self.flows)
    }

    fn title(&self) -> String {
        let flows = if self.flows == 1 { "one flow".to_owned() } else { format!("{} flows", self.flows) };
        format!("Frames of {} bytes, {flows}", self.len)
    }

    fn unit(&self) -> &'static str {
        "frames/s"
    }

    fn cpu_per(&self) -> Option<&'static str> {
        Some("frame")
    }

    fn contenders(&self) -> Vec<Contender> {
        Contender::ALL.to_vec()
    }

    fn prepare(&self, contender: Contender, settings: &Settings) -> Result<Box<dyn Rounds>> {
        let bed = Bed::create(contender, settings)?;
        let traffic = Traffic { len: self.len, flows: self.flows, ..bed.traffic() };
        Ok(Box::new(Ready::through(bed, &traffic, settings)?))
    }
}

/// Frames from a generator to a counter, and their bed.
pub(super) struct Ready {
    offer: Offer,
    frames: u32,
    bed: Bed,
}

impl Ready {
    /// From one pod to the other.
    pub(super) fn through(bed: Bed, traffic: &Traffic, settings: &Settings) -> Result<Self> {
        let counter = Counter::in_pod(&bed, 1, traffic)?;
        Self::to(counter, bed, traffic, settings)
    }

    /// From the first pod to a counter somewhere.
    pub(super) fn to(counter: Counter, bed: Bed, traffic: &Traffic, settings: &Settings) -> Result<Self> {
        let generator = Generator::create(&bed.nodes[0], &bed.pods[0], traffic, settings.client_cpu)?;
        let mut offer = Offer { counter, generator, batch: BATCH, copies: 1 };
        let frames = offer.size(&bed.pods[0], settings)?;
        Ok(Self { offer, frames, bed })
    }

    /// Offers at least so many frames that are not measured.
    pub(super) fn warm(&mut self, frames: u32) -> Result<()> {
        for _ in 0..frames.div_ceil(self.frames) {
            self.offer.play(&self.bed.pods[0], self.frames)?;
        }
        Ok(())
    }
}

impl Rounds for Ready {
    fn play(&mut self) -> Result<Sample> {
        let taken = self.offer.play(&self.bed.pods[0], self.frames)?;
        Ok(Sample { value: taken.rate(), cpu: Some(taken.cpu), also: Vec::new() })
    }
}
