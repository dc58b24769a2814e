//! What a run found, as it is kept in JSON: where it ran, how it was made, and every sample. The report is made from
//! this alone, so that it can be made again without measuring.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    contender::Contender,
    measure::{Better, Sample, Settings, Wire},
    stats::Summary,
};

/// The form of the JSON.
pub const FORM: u32 = 1;

/// A run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// [`FORM`] of its writer.
    pub form: u32,
    /// When, where, and of what.
    pub environment: Environment,
    /// How it was made.
    pub settings: Settings,
    /// Our programs, as the kernel runs them.
    pub programs: Vec<Program>,
    /// What was measured, in order.
    pub measurements: Vec<Measured>,
}

/// When, where, and of what a run was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Environment {
    /// When it began, UTC.
    pub date: jiff::Timestamp,
    /// Version of vxbpf.
    pub vxbpf: String,
    /// Its commit, with `+` behind it if there were changes on top; none outside of a checkout.
    pub commit: Option<String>,
    /// The compiler of user space.
    pub rustc: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Model of the CPU.
    pub cpu: String,
    /// CPUs that may be used.
    pub cores: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// How many CPUs were busy with something else before it began, on average of a second.
    pub busy: f64,
    /// Whether a hypervisor is below.
    pub virtualised: bool,
    /// What the kernel does about weaknesses of the CPU, by weakness.
    pub mitigations: BTreeMap<String, String>,
    /// Settings of the kernel that matter here, by name.
    pub sysctls: BTreeMap<String, String>,
    /// Versions of the programs that take part, by program.
    pub tools: BTreeMap<String, String>,
}

/// One of our programs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Instructions after the verifier removed what is never reached and put in what helpers do; with all functions.
    pub instructions: u32,
    /// Instructions that the verifier looked at, on all paths.
    pub verified: Option<u32>,
}

/// A measurement that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Its name.
    pub id: String,
    /// What it is, for people.
    pub title: String,
    /// The unit of its values.
    pub unit: String,
    /// Which values are good ones.
    pub better: Better,
    /// What CPU time is given for.
    pub cpu_per: Option<String>,
    /// How long it took, in seconds, preparation included.
    pub seconds: f64,
    /// Who took part.
    pub entrants: Vec<Entrant>,
}

/// A contender in a measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entrant {
    /// Who.
    pub contender: Contender,
    /// Why it failed. Its rounds then count for nothing.
    pub failed: Option<String>,
    /// Its rounds, in order.
    pub rounds: Vec<Round>,
}

/// What one round gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Round {
    /// The figure.
    pub value: f64,
    /// CPU time of the whole machine, in nanoseconds per `cpu_per`.
    pub cpu: Option<f64>,
    /// Further figures.
    pub also: Vec<Also>,
}

/// A further figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Also {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// The figure.
    pub value: f64,
}

impl From<Sample> for Round {
    fn from(sample: Sample) -> Self {
        let also =
            |(name, unit, value): (&str, &str, f64)| Also { name: name.into(), unit: unit.into(), value };
        Self { value: sample.value, cpu: sample.cpu, also: sample.also.into_iter().map(also).collect() }
    }
}

impl Run {
    /// A measurement by its name.
    pub fn measured(&self, id: &str) -> Option<&Measured> {
        self.measurements.iter().find(|measured| measured.id == id)
    }

    /// Who failed in what, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&Measured, Contender, &str)> {
        self.measurements.iter().flat_map(|measured| {
            measured.entrants.iter().filter_map(move |entrant| {
                entrant.failed.as_deref().map(|why| (measured, entrant.contender, why))
            })
        })
    }
}

impl Measured {
    /// What a contender reached; none if it did not take part, or failed.
    pub fn summary(&self, contender: Contender) -> Option<Summary> {
        self.entrants.iter().find(|entrant| entrant.contender == contender)?.summary()
    }

    /// The median of one contender over that of another.
    pub fn ratio(&self, contender: Contender, to: Contender) -> Option<f64> {
        ratio(self.summary(contender)?.median, self.summary(to)?.median)
    }
}

/// One value over another; none where nothing is divided by.
pub fn ratio(value: f64, to: f64) -> Option<f64> {
    (to != 0.0).then(|| value / to)
}

impl Entrant {
    /// Its values; none if it failed.
    pub fn summary(&self) -> Option<Summary> {
        self.summary_of(|round| Some(round.value))
    }

    /// CPU time per unit, in nanoseconds; none if it failed or it was not measured.
    pub fn cpu(&self) -> Option<Summary> {
        self.summary_of(|round| round.cpu)
    }

    /// A further figure by its name.
    pub fn also(&self, name: &str) -> Option<Summary> {
        let value = |round: &Round| round.also.iter().find(|also| also.name == name).map(|also| also.value);
        self.summary_of(value)
    }

    /// Names and units of the further figures, in order.
    pub fn also_names(&self) -> impl Iterator<Item = (&str, &str)> {
        let also = self.rounds.iter().flat_map(|round| &round.also);
        also.map(|also| (also.name.as_str(), also.unit.as_str()))
    }

    fn summary_of(&self, value: impl Fn(&Round) -> Option<f64>) -> Option<Summary> {
        if self.failed.is_some() {
            return None;
        }
        Summary::of(self.rounds.iter().filter_map(value))
    }
}

impl Wire {
    /// Its name in file names and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mtu => "mtu",
            Self::Gso => "gso",
        }
    }
}
