//! `vxbpf lab`. There is one lab on a machine, so there is one test.

use std::{
    fs::{self, File, OpenOptions},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use vxbpf::{lab, netns};
use vxbpf_tests::{
    command::{Said, binary, limited, run_in},
    scratch::Netns,
    wait,
};

/// The right to the lab; taken down at the end, whatever the end is.
struct Lab {
    host: Netns,
    _lock: File,
}

impl Lab {
    /// Waits for whoever tests it at the moment.
    fn take() -> Self {
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open("/run/vxt-lab.lock").unwrap();
        lock.lock().unwrap();
        // Somebody may have one of his own up.
        wait::until(Duration::from_secs(60), || lab_things().is_empty());
        assert!(
            lab_things().is_empty(),
            "somebody's lab is up: {:?}; take it down: vxbpf lab down",
            lab_things()
        );
        Self { host: Netns::create().unwrap(), _lock: lock }
    }

    fn say(&self, line: &str) -> Said {
        let mut command = limited(binary());
        command.arg("lab").args(line.split_whitespace());
        run_in(&self.host, command)
    }

    #[track_caller]
    fn ok(&self, line: &str) -> String {
        let said = self.say(line);
        assert!(said.is_ok(), "lab {line}: {said:?}");
        said.stdout
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = lab::down();
        let _ = fs::remove_file("/run/vxt-lab.lock");
    }
}

/// What there is of a lab.
fn lab_things() -> Vec<String> {
    let names = netns::names().unwrap_or_default().into_iter().filter(|name| name.starts_with("vxbpf-lab-"));
    let instances = (1..=16).map(|n| format!("/run/vxbpf/bpf/lab{n}"));
    let files = instances.chain(["/run/vxbpf/lab".to_owned(), "/run/vxbpf/lab.lock".to_owned()]);
    names.chain(files.filter(|file| Path::new(file).exists())).collect()
}

#[test]
fn the_lab_goes_up_is_pinged_and_shown_and_goes_down_with_either_backend() {
    let lab = Lab::take();
    for verb in ["ping", "status"] {
        let said = lab.say(verb);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert_eq!(said.stderr, "error: lab: it is not up\nhint: bring it up: vxbpf lab up\n");
    }
    assert_eq!(lab.ok("down"), "no lab\n");

    for (options, nodes, pods) in [("", 3, 5), ("--nodes 4", 4, 6), ("--backend kernel", 3, 5)] {
        assert!(
            lab.ok(&format!("up {options}")).starts_with(&format!("lab is up: {nodes} nodes, {pods} pods"))
        );
        let pairs = pods * (pods - 1);
        let matrix = lab.ok("ping");
        assert!(matrix.ends_with(&format!("\n{pairs} of {pairs} pings answered\n")), "{matrix}");
        assert_eq!(matrix.lines().count(), pods + 2);
        let status: serde_json::Value = serde_json::from_str(&lab.ok("-j status")).unwrap();
        assert_eq!(status["nodes"].as_array().map(Vec::len), Some(nodes));
        let first = &status["nodes"][0];
        assert_eq!(
            (&first["vtep"], &first["pods"][1]["addr"]),
            (&"192.168.104.2".into(), &"12.12.12.4".into())
        );
        assert!(first["fdb"].as_array().is_some_and(|fdb| fdb.len() >= pods - 2), "{first}");
        assert_eq!(first["instance"].is_null(), options.contains("kernel"));
        assert!(first["counters"]["tx_packets"].as_u64().is_some_and(|n| n > 0), "{first}");

        let again = lab.say("up");
        assert_eq!(again.code, Some(1));
        assert!(
            again.stderr.starts_with(&format!("error: lab: it is up already ({nodes} nodes, backend ")),
            "{again:?}"
        );
        assert!(again.stderr.ends_with("\nhint: take it down first: vxbpf lab down\n"), "{again:?}");

        // A broken pod is seen, by people and by programs.
        let pod = netns::NetNs::named("vxbpf-lab-node2-pinkns").unwrap();
        let set = |state: &'static str| {
            let link = || Command::new("ip").args(["link", "set", "eth0", state]).status().unwrap();
            assert!(pod.run(link).unwrap().success());
        };
        set("down");
        let said = lab.say("ping");
        assert_eq!(said.code, Some(1), "{said:?}");
        let answered = pairs - 2 * (pods - 1);
        assert!(said.stdout.contains("FAIL"), "{said:?}");
        assert!(said.stdout.ends_with(&format!("\n{answered} of {pairs} pings answered\n")), "{said:?}");
        let said = lab.say("-j ping");
        assert_eq!((said.code, &said.json()["lost"]), (Some(1), &(2 * (pods - 1)).into()));
        set("up");
        drop(pod);

        let down = lab.ok("down");
        assert!(down.starts_with("lab is down: removed "), "{down}");
        assert_eq!(lab_things(), Vec::<String>::new());
        assert_eq!(lab.ok("down"), "no lab\n");
    }

    // Interrupted wherever it is, nothing stays.
    for after in [20, 150, 400] {
        let mut up = Command::new(binary())
            .args(["lab", "up"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(after));
        let _ = kill(Pid::from_raw(i32::try_from(up.id()).unwrap()), Signal::SIGINT);
        wait::expect("lab up to end", Duration::from_secs(30), || up.try_wait().unwrap().is_some());
        if up.wait().unwrap().success() {
            lab.ok("down");
        }
        assert_eq!(lab_things(), Vec::<String>::new(), "after {after} ms");
    }
    // Killed, it leaves something, and the next ones know what to do.
    let mut up = Command::new(binary())
        .args(["lab", "up"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait::expect("a part of the lab", wait::SOON, || lab_things().len() > 3);
    up.kill().unwrap();
    up.wait().unwrap();
    let said = lab.say("up");
    assert_eq!(said.code, Some(1), "{said:?}");
    lab.ok("down");
    assert_eq!(lab_things(), Vec::<String>::new());
}
