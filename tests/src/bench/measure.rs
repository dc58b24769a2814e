//! What is measured, in the form that the runner plays: prepared once for each contender, then in rounds that
//! alternate between them.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::contender::Contender;

/// Whether the underlay carries frames of its MTU only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// Segmentation offload is off on the underlay: what it carries fits the MTU.
    Mtu,
    /// Segmentation offload is on: the veth that stands for the wire carries merged frames.
    Gso,
}

/// How a run is made.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Rounds of each measurement.
    pub rounds: u32,
    /// A look instead of a measurement: less of everything.
    pub quick: bool,
    /// What the underlay carries.
    pub wire: Wire,
    /// CPU of generators and clients.
    pub client_cpu: usize,
    /// CPU of servers and receivers.
    pub server_cpu: usize,
}

/// Which values are good ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Large ones: a rate.
    More,
    /// Small ones: a time, a loss.
    Less,
}

/// What one round of one contender gave.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The figure, in the unit of its measurement.
    pub value: f64,
    /// CPU time of the whole machine beside it, in nanoseconds per `cpu_per` of the measurement.
    pub cpu: Option<f64>,
    /// Further figures with their names and units, for example `("p99", "us", 81.0)`.
    pub also: Vec<(&'static str, &'static str, f64)>,
}

/// A measurement.
pub trait Measure {
    /// Its name on the command line and in JSON: words of lower case and digits, joined by dashes.
    fn id(&self) -> String;

    /// What it is, for people.
    fn title(&self) -> String;

    /// The unit of its values: `frames/s`, `Gb/s`, `us`.
    fn unit(&self) -> &'static str;

    /// Which values are good ones. Most measurements give rates.
    fn better(&self) -> Better {
        Better::More
    }

    /// What CPU time is given for: `frame`, `GB`, `transaction`; none if it is not.
    fn cpu_per(&self) -> Option<&'static str>;

    /// Who can take part.
    fn contenders(&self) -> Vec<Contender>;

    /// Makes all that the rounds of a contender need. It is removed when dropped.
    fn prepare(&self, contender: Contender, settings: &Settings) -> Result<Box<dyn Rounds>>;
}

/// A contender that is ready.
pub trait Rounds {
    /// Plays one round. An error says how the contender failed: frames lost or wrong, for example.
    fn play(&mut self) -> Result<Sample>;
}
