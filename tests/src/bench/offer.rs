//! Frames offered and counted: the rounds of all that the generator feeds.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::{
    counter::{Counter, Counts},
    cpu,
    generator::Generator,
    measure::Settings,
};
use crate::pod::Pod;

/// What is sent before anything is measured, to find out how fast it goes.
const FIRST: u32 = 1024;
/// How long a trial takes that the length of rounds is chosen by.
const TRIAL: Duration = Duration::from_millis(50);
/// How long after the last frame was sent another one may arrive. They are in the queues of a CPU that has nothing
/// else to do.
const LAST: Duration = Duration::from_millis(500);

/// A generator and its counter.
#[derive(Debug)]
pub struct Offer {
    /// Where frames come from.
    pub generator: Generator,
    /// Where they end.
    pub counter: Counter,
    /// How many are given out at once.
    pub batch: u32,
    /// How many arrive of one.
    pub copies: u32,
}

/// How an offer was taken: all of it.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Frames that arrived.
    pub frames: u64,
    /// From the moment when the first one was made to the last one's arrival, on the kernel's clock: beginning and ending
    /// a test run takes tens of milliseconds (`bpf_dispatcher_change_prog` waits for readers).
    pub elapsed: Duration,
    /// CPU time of the whole machine for each that arrived, in nanoseconds.
    pub cpu: f64,
    /// Where they arrived.
    pub counts: Counts,
}

impl Taken {
    /// Frames a second.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub fn rate(&self) -> f64 {
        self.frames as f64 / self.elapsed.as_secs_f64()
    }
}

impl Offer {
    /// How many frames to offer for a round to take as long as it should. Tries it, which also warms everything up.
    pub fn size(&mut self, pod: &Pod, settings: &Settings) -> Result<u32> {
        let round = Duration::from_millis(if settings.quick { 200 } else { 1000 });
        let taken = self.play(pod, self.whole(FIRST))?;
        let trial = self.scaled(self.whole(FIRST), &taken, TRIAL);
        let taken = self.play(pod, trial)?;
        Ok(self.scaled(trial, &taken, round))
    }

    /// Offers frames, and waits until all have arrived.
    pub fn play(&mut self, pod: &Pod, frames: u32) -> Result<Taken> {
        let before = self.counter.counts()?;
        let expected = u64::from(frames) * u64::from(self.copies);
        let busy = cpu::busy()?;
        let begin = self.generator.send(pod, frames, self.batch)?;
        let sent = Instant::now();
        let counts = loop {
            let counts = self.counter.counts()?.since(&before);
            if counts.right() >= expected || sent.elapsed() > LAST {
                break counts;
            }
            thread::yield_now();
        };
        let arrived = counts.right();
        ensure!(counts.wrong == 0, "{} frames arrived that nobody sent", counts.wrong);
        ensure!(arrived == expected, "{arrived} of {expected} frames arrived");
        let last = self.counter.last()?;
        ensure!(last > begin, "the last frame arrived before the first one was sent");
        let elapsed = Duration::from_nanos(last - begin);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let cpu = cpu::busy_each(busy, arrived as f64)?;
        Ok(Taken { frames: arrived, elapsed, cpu, counts })
    }

    /// A number of frames that makes whole batches.
    fn whole(&self, frames: u32) -> u32 {
        frames.div_ceil(self.batch).max(1) * self.batch
    }

    /// How many frames take that long, when so many took what was measured.
    fn scaled(&self, frames: u32, taken: &Taken, goal: Duration) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive float saturates"
        )]
        let frames = (f64::from(frames) * goal.as_secs_f64() / taken.elapsed.as_secs_f64()) as u32;
        self.whole(frames.min(u32::MAX / 2))
    }
}
