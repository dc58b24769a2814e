//! What a node tells of its FDB as it changes: with the kernel `bridge monitor fdb`, with ours the ring of events.
//! Remotes only: where a port is concerned, the kernel's bridge speaks, in other words.

use std::{
    fs::{self, File},
    net::IpAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::Context as _;
use vxbpf::dataplane::{Dataplane, Events, InstanceName};
use vxbpf_common::{
    Mac,
    event::{KIND_ADD, KIND_AGE, KIND_CHANGE, KIND_DELETE, KIND_LEARN, KIND_MOVE},
    fdb::{STATE_PERMANENT, STATE_STATIC},
};

use super::{Node, VNI, device};
use crate::wait;

/// A destination is there now, or gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whether it is gone.
    pub gone: bool,
    /// The station, zero for the flood list, or a group.
    pub mac: Mac,
    /// The remote.
    pub dst: IpAddr,
    /// `permanent`, `static` or `dynamic`.
    pub state: String,
}

/// Listens from when it is made.
pub struct Changes(Source);

enum Source {
    Ours(Events),
    Kernel(Monitor),
}

/// A running `bridge monitor fdb`, ended on drop.
struct Monitor {
    child: Child,
    log: PathBuf,
    /// Lines that were read.
    read: usize,
    /// How many entries were made to see how far it is.
    marks: u8,
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.log);
    }
}

/// Where no station of a test is.
const NOWHERE: [&str; 2] = ["192.0.2.254", "2001:db8::fe"];

impl Changes {
    /// Listens to a node. With ours the daemon goes, for it would read the events; forwarding and commands go on.
    #[track_caller]
    pub(super) fn of(node: &mut Node) -> Self {
        if !node.is_ours() {
            return Self(Source::Kernel(Monitor::start(node)));
        }
        node.host().daemon().kill();
        let name: InstanceName = node.netns.name().parse().expect("a name");
        let mut events = Dataplane::open(&name).and_then(|d| d.events()).expect("open the events");
        events.by_ref().for_each(drop);
        Self(Source::Ours(events))
    }

    /// What was told since it was asked last. The node must have come to rest.
    #[track_caller]
    pub fn told(&mut self, node: &Node) -> Vec<Told> {
        match &mut self.0 {
            Source::Ours(events) => events.filter_map(|event| ours(&event)).collect(),
            Source::Kernel(monitor) => monitor.told(node),
        }
    }
}

fn ours(event: &vxbpf_common::event::Event) -> Option<Told> {
    let gone = match event.kind {
        KIND_ADD | KIND_CHANGE | KIND_LEARN | KIND_MOVE => false,
        KIND_DELETE | KIND_AGE => true,
        _ => return None,
    };
    let state = match event.state {
        STATE_PERMANENT => "permanent",
        STATE_STATIC => "static",
        _ => "dynamic",
    };
    let told = Told { gone, mac: event.mac, dst: event.remote.into(), state: state.to_owned() };
    (event.ifindex == 0 && event.vni == VNI).then_some(told)
}

impl Monitor {
    #[track_caller]
    fn start(node: &Node) -> Self {
        let log = std::env::temp_dir().join(format!("{}-fdb.log", node.netns.name()));
        let file = File::create(&log).expect("create a log");
        let mut command = Command::new("bridge");
        command.args(["monitor", "fdb"]).stdin(Stdio::null()).stdout(file).stderr(Stdio::null());
        let child = node.netns.run(|| command.spawn().context("start it")).expect("bridge monitor");
        let mut monitor = Self { child, log, read: 0, marks: 0 };
        wait::expect("bridge monitor", wait::SOON, || {
            let mark = monitor.mark(node);
            monitor.lines().iter().any(|line| line.contains(&mark))
        });
        monitor.told(node);
        monitor
    }

    fn lines(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        // The last line may be half written.
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        whole.lines().map(str::to_owned).collect()
    }

    /// Makes an entry, so that it is told after all that was before.
    fn mark(&mut self, node: &Node) -> String {
        self.marks += 1;
        let mac = format!("02:fe:fe:fe:fe:{:02x}", self.marks);
        let (device, nowhere) = (device(VNI), NOWHERE[usize::from(node.vtep.is_ipv6())]);
        node.fdb_ok(&format!("add {mac} dev {device} dst {nowhere} self"));
        node.fdb_ok(&format!("del {mac} dev {device} dst {nowhere} self"));
        mac
    }

    #[track_caller]
    fn told(&mut self, node: &Node) -> Vec<Told> {
        let last = format!("Deleted {}", self.mark(node));
        wait::expect("bridge monitor", wait::SOON, || {
            self.lines().iter().any(|line| line.starts_with(&last))
        });
        let lines = self.lines();
        let new = lines.iter().skip(self.read).filter_map(|line| kernel(line));
        let told = new.filter(|told| !NOWHERE.contains(&told.dst.to_string().as_str())).collect();
        self.read = lines.len();
        told
    }
}

/// `[Deleted ]MAC dev DEVICE dst ADDR … self [permanent|static]`
fn kernel(line: &str) -> Option<Told> {
    let (gone, rest) = match line.strip_prefix("Deleted ") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let words: Vec<_> = rest.split_whitespace().collect();
    let dst = words.iter().skip_while(|word| **word != "dst").nth(1)?.parse().ok()?;
    let state = words.last().filter(|word| ["permanent", "static"].contains(word)).unwrap_or(&"dynamic");
    Some(Told { gone, mac: words.first()?.parse().ok()?, dst, state: (*state).to_owned() })
}
