//! TCP streams of iperf3 between two namespaces, and what its report says of them.

use std::{
    fs,
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::cpu;
use crate::{scratch::Netns, wait};

/// What the server listens on, unless told otherwise.
const PORT: u16 = 5201;

/// A server for one client, ended when dropped: between two clients it would close what it listens on and open it again
/// (`cleanup_server` of iperf's `iperf_server_api.c`), and a client that came meanwhile would be refused.
#[derive(Debug)]
pub struct Server {
    child: Child,
    addr: Ipv4Addr,
}

impl Server {
    /// Starts a server, to be measured on a CPU of its own, and waits until it listens on an address of its namespace.
    pub fn start(netns: &Netns, addr: Ipv4Addr, cpu: Option<usize>) -> Result<Self> {
        let mut command = Command::new("iperf3");
        // In JSON, because it answers `--get-server-output` in the form that it writes itself.
        command.args(["--server", "--json", "--bind", &addr.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = spawn(netns, cpu, &mut command)?;
        let mut server = Self { child, addr };
        let mut ended = None;
        let listening = wait::until(wait::SOON, || {
            ended = server.child.try_wait().transpose();
            ended.is_some() || server.listens()
        });
        ensure!(ended.is_none(), "the server of iperf3 ended: {ended:?}");
        ensure!(listening, "the server of iperf3 does not listen");
        Ok(server)
    }

    fn listens(&self) -> bool {
        /// `TCP_LISTEN` of `net/tcp_states.h`.
        const LISTEN: &str = "0A";
        let port = format!(":{PORT:04X}");
        let sockets = fs::read_to_string(format!("/proc/{}/net/tcp", self.child.id())).unwrap_or_default();
        sockets.lines().any(|socket| {
            let mut words = socket.split_whitespace().skip(1);
            let local = words.next().is_some_and(|local| local.ends_with(&port));
            local && words.nth(1) == Some(LISTEN)
        })
    }

    /// Has a client on another CPU and in another namespace send for so many seconds, after those that do not count. Then
    /// the server ends.
    pub fn stream(self, from: &Netns, cpu: usize, run: Run) -> Result<Report> {
        let mut command = Command::new("iperf3");
        let (to, streams) = (self.addr.to_string(), run.streams.to_string());
        let (time, omit) = (run.seconds.to_string(), run.omit.to_string());
        command.args(["--client", &to, "--parallel", &streams, "--time", &time, "--omit", &omit]);
        command.args(["--congestion", "cubic", "--connect-timeout", "5000", "--json", "--get-server-output"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = spawn(from, Some(cpu), &mut command)?;
        let output = child.wait_with_output().context("wait for a client")?;
        let report = String::from_utf8_lossy(&output.stdout);
        Report::parse(&report).with_context(|| {
            let said = String::from_utf8_lossy(&output.stderr);
            format!("{}: {}", output.status, said.trim())
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a process in a namespace; on a CPU, where it goes before others.
fn spawn(netns: &Netns, cpu: Option<usize>, command: &mut Command) -> Result<Child> {
    netns.run(|| {
        if let Some(cpu) = cpu {
            cpu::stay_on(cpu)?;
            cpu::go_first()?;
        }
        command.spawn().context("start iperf3; is it installed?")
    })
}

/// What a client does.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// How many streams at a time.
    pub streams: u32,
    /// For how long what is received counts.
    pub seconds: u32,
    /// For how long, before, it does not.
    pub omit: u32,
}

/// What was received.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// Bits per second that the server received, once it counted.
    pub bits_per_second: f64,
    /// Bytes that the server received, from the beginning.
    pub bytes: u64,
    /// Segments that the client sent again, once it counted.
    pub retransmits: u64,
}

impl Report {
    /// Reads the client's report, which has the server's in it.
    pub fn parse(report: &str) -> Result<Self> {
        let report: Value = serde_json::from_str(report).context("the report of iperf3")?;
        if let Some(error) = report["error"].as_str() {
            bail!("iperf3: {error}");
        }
        let at = |path: &str| {
            report.pointer(path).with_context(|| format!("the report of iperf3 has no {path}: {report}"))
        };
        let received = "/server_output_json/end/sum_received/bits_per_second";
        let intervals = at("/server_output_json/intervals")?.as_array().into_iter().flatten();
        let bytes = intervals.map(|interval| interval["sum"]["bytes"].as_u64()).sum::<Option<_>>();
        Ok(Self {
            bits_per_second: at(received)?.as_f64().context("bits per second")?,
            bytes: bytes.context("bytes of each interval")?,
            retransmits: at("/end/sum_sent/retransmits")?.as_u64().context("retransmits")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What iperf 3.12 writes, less what is not looked at.
    fn report() -> Value {
        let interval = |bytes: u64, omitted: bool| json!({"sum": {"bytes": bytes, "omitted": omitted}});
        json!({
            "start": {"version": "iperf 3.12"},
            "intervals": [interval(1_000, true), interval(3_000, false)],
            "end": {
                "sum_sent": {"bytes": 3_000, "bits_per_second": 24_000.0, "retransmits": 7, "sender": true},
                "sum_received": {"bytes": 2_999, "bits_per_second": 23_992.0, "sender": true},
            },
            "server_output_json": {
                "intervals": [interval(900, true), interval(2_500, false), interval(490, false)],
                "end": {
                    "sum_sent": {"bytes": 0, "bits_per_second": 0, "sender": false},
                    "sum_received": {"bytes": 2_990, "bits_per_second": 23_920.5, "sender": false},
                },
            },
        })
    }

    #[test]
    fn what_the_server_received_counts() {
        let expected = Report { bits_per_second: 23_920.5, bytes: 3_890, retransmits: 7 };
        assert_eq!(Report::parse(&report().to_string()).unwrap(), expected);
    }

    #[test]
    fn a_report_that_says_too_little_is_an_error() {
        for path in ["/server_output_json", "/end/sum_sent", "/server_output_json/intervals/1/sum"] {
            let mut report = report();
            report.pointer_mut(path).unwrap().take();
            assert!(Report::parse(&report.to_string()).is_err(), "without {path}");
        }
        let refused = json!({"start": {}, "error": "unable to connect to server: Connection refused"});
        let error = Report::parse(&refused.to_string()).unwrap_err();
        assert_eq!(error.to_string(), "iperf3: unable to connect to server: Connection refused");
        assert!(Report::parse("").is_err());
    }

    #[test]
    fn a_stream_is_received() {
        let netns = Netns::create().unwrap();
        crate::command::must_in(&netns, "ip link set lo up");
        let run = Run { streams: 2, seconds: 1, omit: 0 };
        for _ in 0..2 {
            let server = Server::start(&netns, Ipv4Addr::LOCALHOST, Some(0)).unwrap();
            let pid = server.child.id();
            let report = server.stream(&netns, 0, run).unwrap();
            assert!(report.bytes > 0 && report.bits_per_second > 0.0, "{report:?}");
            assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
        }
    }
}
