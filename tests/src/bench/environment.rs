//! Where a run is made: what someone needs to know who compares its figures with others.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::{
    sched::{CpuSet, sched_getaffinity},
    unistd::Pid,
};

use super::{cpu, model::Environment};

/// Settings of the kernel that a figure depends on. One that is not there is left out.
const SYSCTLS: [&str; 13] = [
    "kernel.bpf_stats_enabled",
    "net.core.bpf_jit_enable",
    "net.core.bpf_jit_harden",
    "net.core.default_qdisc",
    "net.core.dev_weight",
    "net.core.netdev_budget",
    "net.core.netdev_max_backlog",
    "net.core.rmem_max",
    "net.core.rps_default_mask",
    "net.core.wmem_max",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

/// Programs that take part, and the argument that makes them say their version.
const TOOLS: [(&str, &str); 2] = [("iperf3", "--version"), ("ip", "-V")];

/// What this machine is.
pub fn look() -> Result<Environment> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
    Ok(Environment {
        date: now(),
        vxbpf: env!("CARGO_PKG_VERSION").to_owned(),
        commit: commit(),
        rustc: env!("VXBPF_RUSTC").to_owned(),
        kernel: read("/proc/sys/kernel/osrelease").unwrap_or_default(),
        cpu: cpu_field(&cpuinfo, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cores: cpus()?.len(),
        memory: memory(&fs::read_to_string("/proc/meminfo").context("read /proc/meminfo")?),
        busy: busy()?,
        virtualised: cpu_field(&cpuinfo, "flags")
            .is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor")),
        mitigations: mitigations(Path::new("/sys/devices/system/cpu/vulnerabilities")),
        sysctls: SYSCTLS.iter().filter_map(|name| Some(((*name).to_owned(), sysctl(name)?))).collect(),
        tools: TOOLS.iter().filter_map(|(name, say)| Some(((*name).to_owned(), said(name, say)?))).collect(),
    })
}

/// Now, in whole seconds.
fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// The CPUs that we may run on.
pub fn cpus() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0)).context("ask which CPUs we may use")?;
    Ok((0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect())
}

/// Where the sources are.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn commit() -> Option<String> {
    let root = root().canonicalize().ok()?;
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        // Root may look at a user's checkout.
        command.arg("-c").arg(format!("safe.directory={}", root.display())).arg("-C").arg(&root).args(words);
        let output = command.output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // What a run writes is no change of what it measures.
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", ":!docs"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit}+") })
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn sysctl(name: &str) -> Option<String> {
    let value = read(Path::new("/proc/sys").join(name.replace('.', "/")))?;
    Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The first line that a program prints.
fn said(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // iperf3 goes on with the libraries it has.
    let line = text.lines().next()?;
    Some(line.split(" (").next()?.trim().to_owned())
}

/// A field of the first CPU.
fn cpu_field(cpuinfo: &str, field: &str) -> Option<String> {
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == field).then(|| value.trim().to_owned())
    };
    cpuinfo.lines().find_map(named)
}

fn memory(meminfo: &str) -> u64 {
    let kib = cpu_field(meminfo, "MemTotal").and_then(|value| value.split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// How many CPUs others keep busy.
fn busy() -> Result<f64> {
    let (since, begun) = (cpu::busy()?, Instant::now());
    // Nothing to wait for: this is the time that is looked at.
    thread::sleep(Duration::from_secs(1));
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 ns, which is 104 days")]
    cpu::busy_each(since, begun.elapsed().as_nanos() as f64)
}

/// What is done about each weakness that this CPU has.
fn mitigations(dir: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    let found = files.filter_map(|file| Some((file.file_name().into_string().ok()?, read(file.path())?)));
    found.filter(|(_, status)| status != "Not affected").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_files() {
        let cpuinfo =
            "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu hypervisor\n\nmodel name\t: Another\n";
        assert_eq!(cpu_field(cpuinfo, "model name").as_deref(), Some("A CPU"));
        assert_eq!(cpu_field(cpuinfo, "bogomips"), None);
        assert_eq!(memory("MemTotal:       24684352 kB\nMemFree: 1 kB\n"), 24_684_352 * 1024);
    }

    #[test]
    fn a_machine_has_a_kernel_memory_and_a_cpu() {
        let here = look().unwrap();
        assert!(!here.kernel.is_empty() && !here.cpu.is_empty());
        assert!(here.cores > 0 && here.memory > 0);
        assert!(here.rustc.starts_with("rustc "), "{:?}", here.rustc);
    }
}
