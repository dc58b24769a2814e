//! Whether every pod reaches every other: one echo for each ordered pair, many pairs at once.

use std::{
    collections::BTreeMap,
    io,
    process::{Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{Pod, State};
use crate::{
    error::{Error, Result},
    netns::NetNs,
};

/// How many pings run at a time.
const AT_ONCE: usize = 24;

/// What came of an echo request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Echo {
    /// Answered, after so many milliseconds.
    Answered(f64),
    /// Not answered in time.
    Lost,
}

/// All pairs.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// The pods, in the order of rows and columns.
    pub pods: Vec<Pod>,
    echoes: BTreeMap<(usize, usize), Echo>,
}

impl Matrix {
    /// What came of the echo from one pod to another, by position; nothing for a pod and itself.
    pub fn echo(&self, from: usize, to: usize) -> Option<Echo> {
        self.echoes.get(&(from, to)).copied()
    }

    /// How many pairs there are.
    pub fn pairs(&self) -> usize {
        self.echoes.len()
    }

    /// How many echoes were lost.
    pub fn lost(&self) -> usize {
        self.echoes.values().filter(|echo| **echo == Echo::Lost).count()
    }
}

/// Pings all ordered pairs of pods of the lab that is up.
pub fn ping() -> Result<Matrix> {
    let pods: Vec<Pod> = State::of_running()?.topology().pods().cloned().collect();
    let namespaces: Vec<NetNs> = pods.iter().map(|pod| NetNs::named(&pod.netns())).collect::<Result<_>>()?;
    let all = 0..pods.len();
    let pairs: Vec<(usize, usize)> = all
        .clone()
        .flat_map(|from| all.clone().map(move |to| (from, to)))
        .filter(|(from, to)| from != to)
        .collect();
    let next = AtomicUsize::new(0);
    let echoes = Mutex::new(BTreeMap::new());
    let work = || -> Result<()> {
        while let Some((from, to)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
            let echo = namespaces[from].run(|| echo(&pods[to]))??;
            echoes.lock().unwrap_or_else(PoisonError::into_inner).insert((from, to), echo);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE.min(pairs.len())).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e)))
    })?;
    Ok(Matrix { pods, echoes: echoes.into_inner().unwrap_or_else(PoisonError::into_inner) })
}

/// Sends one echo request from the namespace of the calling thread, and waits up to two seconds for the answer.
fn echo(to: &Pod) -> Result<Echo> {
    let mut command = Command::new("ping");
    command.args(["-n", "-c", "1", "-W", "2", "-w", "2"]).arg(to.addr.to_string()).env("LC_ALL", "C");
    let output = command.stdin(Stdio::null()).output().map_err(|e| {
        if e.kind() == io::ErrorKind::NotFound {
            Error::Refused {
                what: "ping".to_owned(),
                why: "there is no such program".to_owned(),
                hint: "install it: apt install iputils-ping".to_owned(),
            }
        } else {
            Error::system("start ping")(e)
        }
    })?;
    Ok(answered(&String::from_utf8_lossy(&output.stdout)).map_or(Echo::Lost, Echo::Answered))
}

/// The time in the line of an answer: `64 bytes from 12.12.12.3: icmp_seq=1 ttl=64 time=0.123 ms`.
fn answered(output: &str) -> Option<f64> {
    output.split_once(" time=")?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_answer_is_read() {
        let answer = "PING 12.12.12.3 (12.12.12.3) 56(84) bytes of data.\n\
                      64 bytes from 12.12.12.3: icmp_seq=1 ttl=64 time=0.123 ms\n\n\
                      1 packets transmitted, 1 received, 0% packet loss, time 0ms\n";
        assert_eq!(answered(answer), Some(0.123));
    }

    #[test]
    fn no_answer_has_no_time() {
        let silence = "PING 12.12.12.3 (12.12.12.3) 56(84) bytes of data.\n\n\
                       --- 12.12.12.3 ping statistics ---\n\
                       1 packets transmitted, 0 received, 100% packet loss, time 0ms\n";
        assert_eq!(answered(silence), None);
        assert_eq!(answered(""), None);
    }
}
