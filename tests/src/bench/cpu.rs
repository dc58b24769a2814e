//! CPUs: staying on one, having it, and the time that all of them were busy.

use std::fs;

use anyhow::{Context as _, Result};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::{Pid, SysconfVar, sysconf},
};

/// Keeps the calling thread, and what it starts from now on, on a CPU.
pub fn stay_on(cpu: usize) -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &cpus).with_context(|| format!("stay on CPU {cpu}"))
}

/// Lets the calling thread, and what it starts from now on, go before all others of the machine.
pub fn go_first() -> Result<()> {
    // Of Linux, a thread (setpriority(2), "C library/kernel differences").
    rustix::process::setpriority_process(None, -20).context("raise a thread's priority")
}

/// How long all CPUs together were busy since the machine started, in nanoseconds. It is counted in ticks, mostly of
/// 10 ms, so it is good for differences over a round.
pub fn busy() -> Result<u64> {
    let stat = fs::read_to_string("/proc/stat").context("read /proc/stat")?;
    let ticks = busy_ticks(&stat).context("/proc/stat has no line of all CPUs")?;
    let per_second =
        sysconf(SysconfVar::CLK_TCK)?.and_then(|hz| u64::try_from(hz).ok()).context("no clock tick")?;
    Ok(ticks * (1_000_000_000 / per_second))
}

/// The ticks of user, nice, system, irq and softirq; not of idle, iowait and steal, and those of guests are part of
/// user's (proc(5)).
fn busy_ticks(stat: &str) -> Option<u64> {
    let all = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let columns: Vec<u64> = all.split_whitespace().map_while(|column| column.parse().ok()).collect();
    [0, 1, 2, 5, 6].iter().map(|column| columns.get(*column).copied()).sum()
}

/// What was busy since a moment that [`busy`] gave, per thing done, in nanoseconds.
pub fn busy_each(since: u64, things: f64) -> Result<f64> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 ns, which is 104 days")]
    let spent = busy()?.saturating_sub(since) as f64;
    Ok(spent / things)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_not_work() {
        let stat = "cpu  1 20 300 4000 50000 600000 7000000 80000000 900000000 0\ncpu0 9 9 9 9 9 9 9 9 9 9\n";
        assert_eq!(busy_ticks(stat), Some(7_600_321));
        assert_eq!(busy_ticks("intr 1 2 3"), None);
        assert_eq!(busy_ticks("cpu 1 2 3"), None, "a line that is cut off");
    }

    #[test]
    fn this_machine_was_busy() {
        assert!(busy().unwrap() > 0);
    }
}
