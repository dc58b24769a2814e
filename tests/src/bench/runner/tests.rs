//! The runner with measurements that note who played when.

use std::{cell::RefCell, rc::Rc};

use anyhow::bail;

use super::{super::measure::Wire, *};

/// Who was prepared (`+`), played, and was removed (`-`), in order.
type Log = Rc<RefCell<Vec<String>>>;

struct Fake {
    log: Log,
    /// What a contender does in a round.
    play: fn(Contender, usize) -> Result<Sample>,
    /// Raised when somebody has played.
    interrupt: Option<Interrupt>,
}

struct FakeRounds {
    log: Log,
    contender: Contender,
    played: usize,
    play: fn(Contender, usize) -> Result<Sample>,
    interrupt: Option<Interrupt>,
}

impl Measure for Fake {
    fn id(&self) -> String {
        "fake".to_owned()
    }

    fn title(&self) -> String {
        "A fake".to_owned()
    }

    fn unit(&self) -> &'static str {
        "frames/s"
    }

    fn cpu_per(&self) -> Option<&'static str> {
        Some("frame")
    }

    fn contenders(&self) -> Vec<Contender> {
        vec![Contender::Kernel, Contender::VxbpfTc, Contender::LimitTc]
    }

    fn prepare(&self, contender: Contender, _: &Settings) -> Result<Box<dyn Rounds>> {
        self.log.borrow_mut().push(format!("+{}", contender.name()));
        let (log, play, interrupt) = (Rc::clone(&self.log), self.play, self.interrupt.clone());
        Ok(Box::new(FakeRounds { log, contender, played: 0, play, interrupt }))
    }
}

impl Rounds for FakeRounds {
    fn play(&mut self) -> Result<Sample> {
        self.played += 1;
        self.log.borrow_mut().push(self.contender.name().to_owned());
        if let Some(interrupt) = &self.interrupt {
            interrupt.raise();
        }
        (self.play)(self.contender, self.played)
    }
}

impl Drop for FakeRounds {
    fn drop(&mut self) {
        self.log.borrow_mut().push(format!("-{}", self.contender.name()));
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as measurements have it")]
fn steady(contender: Contender, played: usize) -> Result<Sample> {
    let base = if contender == Contender::Kernel { 100.0 } else { 200.0 };
    let value = base + if played == 2 { 20.0 } else { 0.0 };
    Ok(Sample { value, cpu: Some(5.0), also: vec![("p99", "us", 3.0)] })
}

/// Plays three rounds.
fn played(
    play: fn(Contender, usize) -> Result<Sample>,
    wanted: &[Contender],
    interrupt: Option<Interrupt>,
) -> (Option<Measured>, String) {
    let log = Log::default();
    let fake = Fake { log: Rc::clone(&log), play, interrupt: interrupt.clone() };
    let settings = Settings { rounds: 3, quick: false, wire: Wire::Mtu, client_cpu: 0, server_cpu: 0 };
    let interrupt = interrupt.unwrap_or_default();
    let measured = super::play(&fake, wanted, &settings, &mut Progress::silent(), &interrupt);
    let log = log.borrow().join(" ");
    (measured, log)
}

#[test]
fn each_round_has_all_in_turn_and_another_one_first() {
    let (measured, log) = played(steady, &Contender::ALL, None);
    assert_eq!(
        log,
        "+kernel +vxbpf-tc +limit-tc kernel vxbpf-tc limit-tc vxbpf-tc limit-tc kernel limit-tc kernel vxbpf-tc \
         -kernel -vxbpf-tc -limit-tc"
    );
    let measured = measured.unwrap();
    let ours = measured.summary(Contender::VxbpfTc).unwrap();
    assert_eq!((ours.median, ours.min, ours.max), (200.0, 200.0, 220.0));
    assert_eq!(measured.ratio(Contender::VxbpfTc, Contender::Kernel), Some(2.0));
    assert_eq!(measured.ratio(Contender::VxbpfXdp, Contender::Kernel), None, "it took no part");
}

#[test]
fn only_who_is_wanted_plays() {
    let (measured, log) = played(steady, &[Contender::LimitTc, Contender::Bridge], None);
    assert_eq!(log, "+limit-tc limit-tc limit-tc limit-tc -limit-tc");
    assert_eq!(measured.unwrap().entrants.len(), 1);
}

#[test]
fn who_fails_leaves_at_once_with_the_reason() {
    let (measured, log) = played(
        |contender, played| {
            if contender == Contender::VxbpfTc && played == 2 {
                bail!("900 of 1000 frames arrived");
            }
            steady(contender, played)
        },
        &Contender::ALL,
        None,
    );
    assert!(log.contains("vxbpf-tc limit-tc vxbpf-tc -vxbpf-tc limit-tc kernel limit-tc kernel"), "{log}");
    let measured = measured.unwrap();
    assert_eq!(measured.summary(Contender::VxbpfTc), None, "failed, not fast");
    let [kernel, ours, limit] = measured.entrants.as_slice() else { panic!("{measured:?}") };
    assert_eq!(ours.failed.as_deref(), Some("round 2: 900 of 1000 frames arrived"));
    assert_eq!((kernel.rounds.len(), ours.rounds.len(), limit.rounds.len()), (3, 1, 3));
}

#[test]
fn a_panic_is_a_failure_and_so_is_what_is_no_number() {
    let (measured, _) = played(
        |contender, played| match contender {
            Contender::Kernel => panic!("{played} is too few"),
            Contender::LimitTc => Ok(Sample { value: f64::NAN, cpu: None, also: Vec::new() }),
            Contender::Bridge | Contender::VxbpfTc | Contender::VxbpfXdp | Contender::LimitXdp => {
                steady(contender, played)
            }
        },
        &Contender::ALL,
        None,
    );
    let reasons: Vec<_> = measured.unwrap().entrants.into_iter().map(|entrant| entrant.failed).collect();
    assert_eq!(reasons[0].as_deref(), Some("round 1: 1 is too few"));
    assert_eq!(reasons[1], None);
    assert_eq!(reasons[2].as_deref(), Some("round 1: NaN is no figure"));
}

#[test]
fn an_interrupt_ends_between_rounds_with_everything_removed() {
    let (measured, log) = played(steady, &Contender::ALL, Some(Interrupt::default()));
    assert!(measured.is_none());
    assert_eq!(log, "+kernel +vxbpf-tc +limit-tc kernel -kernel -vxbpf-tc -limit-tc");
}
