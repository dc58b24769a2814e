//! A host on the stage: the same verbs whether the binary under test forwards or the kernel.

use std::{net::IpAddr, ops::Deref};

use vxbpf::dataplane::{Dataplane, Destination, FdbSpec, FdbState, Origin, Remote};
use vxbpf_common::{Mac, Vni};

use super::{
    DSTPORT, VNI,
    cast::{Hook, Underlay},
    entry::{self, Entry},
    option::Opt,
};
use crate::{
    command::{Said, batch_in, line_in, run_in},
    raw,
    topology::{self, Backend},
};

/// A host. What [`topology::Node`] offers is there as well.
#[derive(Debug)]
pub struct Node {
    host: topology::Node,
    /// What forwards.
    pub backend: Backend,
    /// How, if the binary under test does.
    pub hook: Hook,
    /// Its address in the underlay of this stage.
    pub vtep: IpAddr,
}

impl Deref for Node {
    type Target = topology::Node;

    fn deref(&self) -> &topology::Node {
        &self.host
    }
}

/// The name of a VNI: with ours for `dev NAME`, with the kernel its device.
pub fn device(vni: u32) -> String {
    format!("vxlan{vni}")
}

pub(super) fn bridge(vni: u32) -> String {
    format!("br{vni}")
}

impl Node {
    pub(super) fn new(host: topology::Node, backend: Backend, hook: Hook, underlay: Underlay) -> Self {
        let vtep = underlay.addr(host.vtep);
        let mut this = Self { host, backend, hook, vtep };
        this.restart();
        this
    }

    /// Whether the binary under test forwards here.
    pub fn is_ours(&self) -> bool {
        self.backend == Backend::Vxbpf
    }

    /// Starts it anew: the binary under test has no VNI then. The kernel has nothing to start.
    #[track_caller]
    pub fn restart(&mut self) {
        self.restart_with(&[self.vtep]);
    }

    /// The same, with these addresses in the underlay.
    #[track_caller]
    pub fn restart_with(&mut self, locals: &[IpAddr]) {
        if self.is_ours() {
            let locals: Vec<_> = locals.iter().map(|local| format!("--local {local}")).collect();
            self.host.start(&format!("{} --mode {}", locals.join(" "), self.hook.word()));
        }
    }

    /// The host, to be changed.
    pub fn host(&mut self) -> &mut topology::Node {
        &mut self.host
    }

    /// Runs a script of lines, each of which must succeed.
    #[track_caller]
    pub fn script(&self, lines: &[String]) {
        let mut command = crate::command::limited("sh");
        command.args(["-ec", &lines.join("\n")]);
        let said = run_in(&self.netns, command);
        assert!(said.is_ok(), "{lines:?}: {said:?}");
    }

    /// Makes a VNI.
    #[track_caller]
    pub fn add_vni(&self, vni: u32, options: &[Opt]) {
        let over = Underlay::of(self.vtep);
        let words = |word: fn(Opt, Underlay) -> String| {
            options.iter().map(|option| word(*option, over)).collect::<Vec<_>>().join(" ")
        };
        let (name, bridge) = (device(vni), bridge(vni));
        if self.is_ours() {
            self.ok(&format!("vni add {vni} name {name} {}", words(Opt::of_vxbpf)));
            return;
        }
        let zero = if options.contains(&Opt::Checksum) { self.accepting() } else { self.zero_checksums() };
        let of_bridge: Vec<_> = options.iter().filter_map(|option| option.of_bridge()).collect();
        self.script(&[
            format!(
                "ip link add {name} type vxlan id {vni} dstport {DSTPORT} local {} {zero} {}",
                self.vtep,
                words(Opt::of_device)
            ),
            format!("ip link add {bridge} type bridge mcast_snooping 0 {}", of_bridge.join(" ")),
            format!("ip link set {name} master {bridge} up"),
            format!("ip link set {bridge} up"),
        ]);
        self.set_ports(options, [name.as_str()]);
    }

    /// Changes an option of a VNI, and of its ports so far where that is the port's with the kernel.
    #[track_caller]
    pub fn set_vni(&self, vni: u32, option: Opt) {
        let over = Underlay::of(self.vtep);
        if self.is_ours() {
            self.ok(&format!("vni set {vni} {}", option.of_vxbpf(over)));
            return;
        }
        self.must(&format!("ip link set {} type vxlan {}", device(vni), option.of_device(over)));
        if let Some(words) = option.of_bridge() {
            self.must(&format!("ip link set {} type bridge {words}", bridge(vni)));
        }
        let said = self.must(&format!("ip -j link show master {}", bridge(vni)));
        let ports: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        let ports = ports.as_array().into_iter().flatten();
        self.set_ports(&[option], ports.filter_map(|port| port["ifname"].as_str()));
    }

    #[track_caller]
    fn set_ports<'a>(&self, options: &[Opt], ports: impl IntoIterator<Item = &'a str>) {
        let words: Vec<_> = options.iter().filter_map(|option| option.of_bridge_port()).collect();
        for port in ports.into_iter().filter(|_| !words.is_empty()) {
            self.must(&format!("bridge link set dev {port} {}", words.join(" ")));
        }
    }

    /// Removes a VNI.
    #[track_caller]
    pub fn del_vni(&self, vni: u32) {
        if self.is_ours() {
            self.ok(&format!("vni del {vni}"));
        } else {
            self.script(&[format!("ip link del {}", device(vni)), format!("ip link del {}", bridge(vni))]);
        }
    }

    /// Makes an interface a port of a VNI, with options that it has there.
    #[track_caller]
    pub fn add_port(&self, dev: &str, vni: u32, options: &[Opt]) {
        let said = self.try_add_port(dev, vni);
        assert!(said.is_ok(), "port {dev} of VNI {vni}: {said:?}");
        if !self.is_ours() {
            self.set_ports(options, [dev]);
        }
    }

    /// The same without options. Gives what is said to it.
    #[track_caller]
    pub fn try_add_port(&self, dev: &str, vni: u32) -> Said {
        if self.is_ours() {
            self.vxbpf(&format!("port add {dev} vni {vni} mode {}", self.hook.word()))
        } else {
            line_in(&self.netns, &format!("ip link set {dev} master {} up", bridge(vni)))
        }
    }

    /// Makes it no port any more.
    #[track_caller]
    pub fn del_port(&self, dev: &str) {
        if self.is_ours() {
            self.ok(&format!("port del {dev}"));
        } else {
            self.must(&format!("ip link set {dev} nomaster"));
        }
    }

    /// Keeps a port from other ports that are kept so.
    #[track_caller]
    pub fn isolate(&self, dev: &str, vni: u32) {
        if self.is_ours() {
            self.del_port(dev);
            self.ok(&format!("port add {dev} vni {vni} mode {} isolated on", self.hook.word()));
        } else {
            self.must(&format!("bridge link set dev {dev} isolated on"));
        }
    }

    /// Lets a port take frames from these stations only.
    #[track_caller]
    pub fn lock(&self, dev: &str, vni: u32, stations: &[Mac]) {
        if self.is_ours() {
            self.del_port(dev);
            let locks: Vec<_> = stations.iter().map(|mac| format!("mac-lock {mac}")).collect();
            self.ok(&format!("port add {dev} vni {vni} mode {} {}", self.hook.word(), locks.join(" ")));
        } else {
            self.must(&format!("bridge link set dev {dev} locked on"));
            for mac in stations {
                self.fdb_port(vni, *mac, dev);
            }
        }
    }

    /// Makes very many VNIs at once, some of them with a port, that flood to a remote. Those of before are gone with
    /// ours.
    #[track_caller]
    pub fn add_many_vnis(&mut self, vnis: &[(u32, Option<&str>)], remote: IpAddr) {
        if self.is_ours() {
            let table = |(vni, dev): &(u32, Option<&str>)| {
                let mode = self.hook.word();
                let port = dev.map(|dev| format!("[[vni.port]]\ndev = \"{dev}\"\nmode = \"{mode}\"\n"));
                let name = device(*vni);
                format!(
                    "[[vni]]\nvni = {vni}\nname = \"{name}\"\nflood = [\"{remote}\"]\n{}",
                    port.unwrap_or_default()
                )
            };
            let file = std::env::temp_dir().join(format!("{}.toml", self.netns.name()));
            let text: String = vnis.iter().map(table).collect();
            std::fs::write(&file, text).expect("write a config file");
            let run =
                format!("--local {} --mode {} --config {}", self.vtep, self.hook.word(), file.display());
            self.host.start(&run);
            let _ = std::fs::remove_file(&file);
            return;
        }
        let zero = self.zero_checksums();
        let mut lines = Vec::new();
        for (vni, dev) in vnis {
            let (name, bridge, local) = (device(*vni), bridge(*vni), self.vtep);
            lines.push(format!(
                "link add {name} type vxlan id {vni} dstport {DSTPORT} local {local} remote {remote} {zero}"
            ));
            if let Some(dev) = dev {
                lines.push(format!("link add {bridge} type bridge mcast_snooping 0"));
                lines.extend([&name, *dev].map(|dev| format!("link set {dev} master {bridge} up")));
                lines.push(format!("link set {bridge} up"));
            }
        }
        let said = batch_in(&self.netns, "ip", &lines);
        assert!(said.is_ok(), "{said:?}");
    }

    /// What makes a device take packets without checksum.
    pub fn accepting(&self) -> &'static str {
        if self.vtep.is_ipv4() { "" } else { "udp6zerocsumrx" }
    }

    fn zero_checksums(&self) -> &'static str {
        if self.vtep.is_ipv4() { "noudpcsum" } else { "udp6zerocsumtx udp6zerocsumrx" }
    }

    /// `fdb LINE` in the words of `bridge fdb`, whose `dev` may be a VNI's [`device`].
    #[track_caller]
    pub fn fdb(&self, line: &str) -> Said {
        if self.is_ours() {
            self.vxbpf(&format!("fdb {line}"))
        } else {
            line_in(&self.netns, &format!("bridge fdb {line}"))
        }
    }

    /// The same; it must succeed.
    #[track_caller]
    pub fn fdb_ok(&self, line: &str) {
        let said = self.fdb(line);
        assert!(said.is_ok(), "fdb {line}: {said:?}");
    }

    /// Enters a station of a VNI behind a local port, for good.
    #[track_caller]
    pub fn fdb_port(&self, vni: u32, mac: Mac, dev: &str) {
        if self.is_ours() {
            self.fdb_ok(&format!("replace {mac} port-dev {dev} vni {vni} static"));
        } else {
            self.fdb_ok(&format!("replace {mac} dev {dev} master static"));
        }
    }

    /// Has what is for everybody in a VNI sent to a remote too.
    #[track_caller]
    pub fn flood_to(&self, vni: u32, remote: IpAddr) {
        self.fdb_ok(&format!("append 00:00:00:00:00:00 dev {} dst {remote} self permanent", device(vni)));
    }

    /// The same for many, in one go. Says what the last one came to.
    #[track_caller]
    pub fn flood_to_many(&self, vni: u32, remotes: &[IpAddr]) -> Result<(), String> {
        if !self.is_ours() {
            let line =
                |dst| format!("fdb append 00:00:00:00:00:00 dev {} dst {dst} self permanent", device(vni));
            let lines: Vec<_> = remotes.iter().map(line).collect();
            let said = batch_in(&self.netns, "bridge", &lines);
            return if said.is_ok() { Ok(()) } else { Err(said.stderr) };
        }
        let instance = self.netns.name().parse().expect("an instance");
        let mut dataplane = Dataplane::open(&instance).expect("open the instance");
        remotes.iter().try_for_each(|addr| {
            let to = Destination::Remote(Remote { addr: *addr, dst_vni: None, port: None });
            let vni = Vni::new(vni).expect("a VNI");
            let spec = FdbSpec { vni, mac: Mac::ZERO, to, state: FdbState::Permanent };
            dataplane.fdb_append(&spec, Origin::Command).map_err(|e| e.to_string())
        })
    }

    /// No longer.
    #[track_caller]
    pub fn flood_no_more(&self, vni: u32, remote: IpAddr) {
        self.fdb_ok(&format!("del 00:00:00:00:00:00 dev {} dst {remote} self", device(vni)));
    }

    /// `neigh LINE` in the words of `ip neigh`, without `dev`.
    #[track_caller]
    pub fn neigh(&self, vni: u32, line: &str) -> Said {
        if self.is_ours() {
            self.vxbpf(&format!("neigh {line} dev {}", device(vni)))
        } else {
            line_in(&self.netns, &format!("ip neigh {line} dev {}", device(vni)))
        }
    }

    /// All FDB entries of a VNI, stations behind ports and the flood list among them.
    #[track_caller]
    pub fn fdb_show(&self, vni: u32) -> Vec<Entry> {
        if self.is_ours() {
            return entry::of_vxbpf(&self.json(&format!("fdb show vni {vni}")));
        }
        let rows = self.must(&format!("bridge -j fdb show br {}", bridge(vni)));
        let rows = serde_json::from_str(&rows).unwrap_or_else(|e| panic!("not JSON: {e}: {rows}"));
        entry::of_kernel(&rows, &device(vni), vni, DSTPORT)
    }

    /// Where it knows a station of VNI 42 to be.
    #[track_caller]
    pub fn entry(&self, mac: Mac) -> Option<Entry> {
        self.fdb_show(VNI).into_iter().find(|entry| entry.mac == mac)
    }

    /// Frames that a VNI received from and sent to the underlay.
    #[track_caller]
    pub fn counters(&self, vni: u32) -> [u64; 2] {
        let both = |rows: &serde_json::Value, rx: &str, tx: &str| {
            [rx, tx].map(|key| rows.pointer(key).and_then(serde_json::Value::as_u64).expect("a counter"))
        };
        if self.is_ours() {
            let stats = self.json(&format!("stats vni {vni}"));
            return both(&stats, "/vnis/0/rx_packets", "/vnis/0/tx_packets");
        }
        let said = self.must(&format!("ip -s -j link show {}", device(vni)));
        let stats = serde_json::from_str(&said).expect("JSON");
        both(&stats, "/0/stats64/rx/packets", "/0/stats64/tx/packets")
    }

    /// Packets of a VNI from the underlay that were dropped as errors.
    #[track_caller]
    pub fn rx_errors(&self, vni: u32) -> u64 {
        let (rows, key) = if self.is_ours() {
            (self.json(&format!("stats vni {vni}")), "/vnis/0/rx_errors")
        } else {
            let said = self.must(&format!("ip -s -j link show {}", device(vni)));
            (serde_json::from_str(&said).expect("JSON"), "/0/stats64/rx/errors")
        };
        rows.pointer(key).and_then(serde_json::Value::as_u64).expect("a counter")
    }

    /// The MAC address of one of its interfaces.
    #[track_caller]
    pub fn mac_of(&self, dev: &str) -> Mac {
        let address = self.netns.run(|| raw::link_address(dev)).expect("an interface");
        Mac::new(address.addr().expect("an Ethernet interface"))
    }

    /// How often ours dropped a frame for this reason; the kernel does not say.
    #[track_caller]
    pub fn drops(&self, reason: &str) -> Option<u64> {
        self.is_ours().then(|| self.host.drops(reason))
    }
}
