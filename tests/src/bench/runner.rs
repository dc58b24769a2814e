//! Plays a measurement: everyone is made ready, then each round has all in turn, so that what changes on the machine
//! meanwhile meets all alike. Who fails leaves, with the reason; the others go on.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use anyhow::{Result, anyhow};

use super::{
    contender::Contender,
    interrupt::Interrupt,
    measure::{Measure, Rounds, Sample, Settings},
    model::{Entrant, Measured},
    progress::Progress,
};

/// A contender while its measurement is played.
struct Player {
    entrant: Entrant,
    /// What it plays with, until it fails.
    rounds: Option<Box<dyn Rounds>>,
}

impl Player {
    fn prepare(measure: &dyn Measure, contender: Contender, settings: &Settings) -> Self {
        let mut this =
            Self { entrant: Entrant { contender, failed: None, rounds: Vec::new() }, rounds: None };
        match guarded(|| measure.prepare(contender, settings)) {
            Ok(rounds) => this.rounds = Some(rounds),
            Err(why) => this.fail("prepare", &why),
        }
        this
    }

    fn play(&mut self, round: u32) {
        let Some(rounds) = &mut self.rounds else { return };
        match guarded(|| rounds.play()).and_then(judged) {
            Ok(sample) => self.entrant.rounds.push(sample.into()),
            Err(why) => self.fail(&format!("round {}", round + 1), &why),
        }
    }

    fn fail(&mut self, when: &str, why: &anyhow::Error) {
        self.entrant.failed = Some(format!("{when}: {why:#}"));
        // What it has would only be in the way of the others.
        self.rounds = None;
    }
}

/// Plays a measurement with those contenders of it that are wanted; none if it was interrupted.
pub fn play(
    measure: &dyn Measure,
    wanted: &[Contender],
    settings: &Settings,
    progress: &mut Progress,
    interrupt: &Interrupt,
) -> Option<Measured> {
    let begun = Instant::now();
    let contenders: Vec<_> = measure.contenders().into_iter().filter(|who| wanted.contains(who)).collect();
    let rounds = usize::try_from(settings.rounds).unwrap_or(usize::MAX);
    progress.begin(&measure.id(), contenders.len().saturating_mul(rounds.saturating_add(1)));

    let mut players = Vec::with_capacity(contenders.len());
    for contender in contenders {
        progress.doing(format!("{}: preparing", contender.name()));
        players.push(Player::prepare(measure, contender, settings));
        report_failure(players.last(), progress);
        progress.step();
        if interrupt.came() {
            return None;
        }
    }
    for round in 0..settings.rounds {
        for index in turns(players.len(), round) {
            let Some(player) = players.get_mut(index) else { continue };
            if player.rounds.is_some() {
                progress.doing(format!("{}: round {}", player.entrant.contender.name(), round + 1));
                player.play(round);
                if interrupt.came() {
                    return None;
                }
                report_failure(Some(player), progress);
            }
            progress.step();
        }
    }

    let entrants = players.into_iter().map(|player| player.entrant).collect();
    let seconds = begun.elapsed().as_secs_f64();
    progress.end(seconds);
    Some(Measured {
        id: measure.id(),
        title: measure.title(),
        unit: measure.unit().to_owned(),
        better: measure.better(),
        cpu_per: measure.cpu_per().map(str::to_owned),
        seconds,
        entrants,
    })
}

/// Who plays when in a round: each round another one begins.
fn turns(players: usize, round: u32) -> impl Iterator<Item = usize> {
    let first = usize::try_from(round).unwrap_or_default();
    (0..players).map(move |turn| (first + turn) % players)
}

fn report_failure(player: Option<&Player>, progress: &Progress) {
    if let Some(Entrant { contender, failed: Some(why), .. }) = player.map(|player| &player.entrant) {
        progress.say(&format!("        {} failed: {why}", contender.name()));
    }
}

/// A figure that is none is a failure of who gave it.
fn judged(sample: Sample) -> Result<Sample> {
    let figures = [Some(sample.value), sample.cpu].into_iter().flatten();
    for figure in figures.chain(sample.also.iter().map(|(_, _, value)| *value)) {
        if !figure.is_finite() {
            return Err(anyhow!("{figure} is no figure"));
        }
    }
    Ok(sample)
}

/// What the bed is made of reports with panics, as in tests; here that is the failure of one contender.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(anyhow!(said_in(panic.as_ref()))))
}

fn said_in(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}

#[cfg(test)]
mod tests;
