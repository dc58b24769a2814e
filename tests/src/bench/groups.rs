//! Which measurements belong together in the report: one heading and one chart each.

use super::model::{Measured, Run};

/// Measurements that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Its name, in file names.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What is done, for people.
    pub about: &'static str,
    /// What the names of its measurements begin with: whole words.
    prefixes: &'static [&'static str],
}

/// All, in the order of the report.
const GROUPS: &[Group] = &[
    Group {
        name: "frames",
        title: "Frames per second",
        about: "A generator of XDP live frames feeds the port of one pod from one CPU; the other pod counts what arrives.",
        prefixes: &["frames"],
    },
    Group {
        name: "tcp",
        title: "TCP streams",
        about: "iperf3 with congestion control cubic, from pod to pod; what the receiver gets. Frames that XDP redirects have \
                lost their checksum state, so the pods of the contenders at XDP compute checksums themselves.",
        prefixes: &["tcp"],
    },
    Group {
        name: "rr",
        title: "Request and response",
        about: "A client in one pod asks a server in the other, which answers at once, one question at a time.",
        prefixes: &["rr"],
    },
    Group {
        name: "udp",
        title: "UDP from sockets",
        about: "One thread in a pod sends datagrams as fast as it can, and another in the other pod \
                receives them. Where the way is slower than the sender a part is lost, as with any UDP; what came is the \
                figure.",
        prefixes: &["udp"],
    },
    Group {
        name: "arp",
        title: "ARP proxy",
        about: "Requests that the neighbour table of the asker's node answers, so that nothing goes over the wire.",
        prefixes: &["arp"],
    },
    Group {
        name: "replication",
        title: "Head-end replication",
        about: "Broadcast frames of a pod, of which each remote of the flood list gets a copy. All copies are counted at \
                the other node, where they end.",
        prefixes: &["replication"],
    },
    Group {
        name: "tables",
        title: "Large tables",
        about: "Frames to stations all over a large FDB, all of them behind the other node and none of them there: what comes \
                to its underlay interface is counted and ends. VNIs are looked up by both nodes.",
        prefixes: &["fdb", "vnis"],
    },
    Group {
        name: "loading",
        title: "Loading",
        about: "The same FDB entries in one batch, from the start of the command to its end: `bridge -batch` for the kernel's \
                device, `vxbpf -batch` for ours. `config` is how long a running daemon takes to apply them from a config \
                file that is read again; `memory` is what the kernel's has grown by.",
        prefixes: &["loading"],
    },
    Group {
        name: "first-packet",
        title: "The first packet",
        about: "From the start of `vxbpf run` with a config file, or of `ip` and `bridge` with their lines in one batch, to \
                the first packet of the pod that arrives at the other.",
        prefixes: &["first-packet"],
    },
    Group {
        name: "continuity",
        title: "Packets lost",
        about: "Numbered datagrams flow from pod to pod while what does not forward itself comes and goes; those that do not \
                arrive are counted.",
        prefixes: &["lost"],
    },
];

/// What belongs to no group.
const OTHERS: Group = Group { name: "others", title: "Others", about: "", prefixes: &[] };

impl Group {
    fn has(&self, id: &str) -> bool {
        self.prefixes.iter().any(|prefix| {
            id.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    }
}

/// The measurements of a run by group. Empty groups are left out.
pub fn of(run: &Run) -> Vec<(Group, Vec<&Measured>)> {
    let grouped = |id: &str| GROUPS.iter().any(|group| group.has(id));
    let members = |belongs: &dyn Fn(&str) -> bool| {
        run.measurements.iter().filter(|measured| belongs(&measured.id)).collect::<Vec<_>>()
    };
    let known = GROUPS.iter().map(|group| (*group, members(&|id| group.has(id))));
    let others = (OTHERS, members(&|id| !grouped(id)));
    known.chain([others]).filter(|(_, measured)| !measured.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn nothing_is_lost() {
        let run = sample::run("2026-11-26T10:00:00Z", &["frames-64-1", "something-new", "framesize"]);
        let groups = of(&run);
        let names: Vec<_> = groups.iter().map(|(group, measured)| (group.name, measured.len())).collect();
        assert_eq!(names, [("frames", 1), ("others", 2)]);
    }
}
