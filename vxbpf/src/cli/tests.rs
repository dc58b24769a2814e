//! The grammar as users type it: both forms mean the same in any order, and wrong commands say what is wrong.

use std::ffi::OsString;

use clap::CommandFactory;
use proptest::{prelude::*, sample::Index};

use super::{Cli, failure, parse};

mod wrong;

/// A line as typed, parsed.
fn parsed(line: &str) -> Result<Cli, clap::Error> {
    parse_words(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

fn parse_words(words: &[String]) -> Result<Cli, clap::Error> {
    parse([OsString::from("vxbpf")].into_iter().chain(words.iter().map(OsString::from)))
}

/// What a line means, comparable.
fn meaning(line: &str) -> String {
    match parsed(line) {
        Ok(cli) => format!("{cli:?}"),
        Err(error) => panic!("{line}: {}", failure::usage_text(&error)),
    }
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn lines_of_a_row_mean_the_same() {
    let rows: &[&[&str]] = &[
        &[
            "fdb add 02:42:c0:a8:00:03 dev vxlan1 self dst 192.168.104.3 vni 42 port 4789",
            "fdb add 02:42:c0:a8:00:03 --dev vxlan1 --self --dst 192.168.104.3 --vni 42 --port 4789",
            "fdb add dst 192.168.104.3 02:42:c0:a8:00:03 port 4789 --vni=42 self dev vxlan1",
        ],
        &[
            "fdb append 00:00:00:00:00:00 dst 10.0.0.1 src_vni 7 vni 42 permanent",
            "fdb append 00:00:00:00:00:00 dst 10.0.0.1 src-vni 7 vni 42 --permanent",
            "fdb append 00:00:00:00:00:00 --vni 42 --src_vni 7 --dst 10.0.0.1 local",
        ],
        &[
            "fdb add 02:00:00:00:00:01 port-dev veth1 vni 42",
            "fdb add --port_dev veth1 --vni 42 02:00:00:00:00:01",
        ],
        &[
            "neigh add 12.12.12.3 lladdr 02:42:c0:a8:00:03 dev vxlan1 nud permanent",
            "neigh add dev vxlan1 lladdr 02:42:c0:a8:00:03 --nud noarp 12.12.12.3",
        ],
        &[
            "neigh replace fd12::3 lladdr 02:42:c0:a8:00:03 router vni 42",
            "neigh replace --vni 42 --router fd12::3 --lladdr 02:42:c0:a8:00:03",
        ],
        &[
            "port add veth1 vni 42 mode tc mac-lock 02:00:00:00:00:01 isolated on mac-lock 02:00:00:00:00:02",
            "port add --mac-lock 02:00:00:00:00:01 --mac-lock=02:00:00:00:00:02 veth1 --isolated on --mode tc --vni 42",
        ],
        &[
            "vni add 42 name vxlan1 ageing 300 arp-miss drop ttl inherit df unset vtep-filter any learning off",
            "vni add 42 learning off vtep_filter any df unset ttl inherit arp_miss drop ageing 300 name vxlan1",
        ],
        &["fdb", "fdb show", "fdb list", "fdb ls", "--instance default fdb"],
        &["fdb show vni 42", "fdb vni 42", "fdb --vni 42", "fdb show --vni=42"],
        &["fdb show dev vxlan1 state dynamic", "fdb state dynamic dev vxlan1"],
        &["vni", "vni show"],
        &["port ls", "port"],
        &["neigh list", "neigh"],
        &["vtep", "vtep show"],
        &["vni del 42", "vni delete 42"],
        &["fdb del 02:00:00:00:00:01 vni 42", "fdb delete 02:00:00:00:00:01 vni 42"],
        &["stats vni 42", "stats --vni 42"],
        &["stats drops watch 2", "stats --watch 2 --drops"],
        &[
            "run --iface eth1 --local 192.0.2.1 --mode xdp --keep --metrics 127.0.0.1:9477",
            "run iface eth1 keep mode xdp metrics 127.0.0.1:9477 local 192.0.2.1",
            "run dev eth1 keep mode xdp metrics 127.0.0.1:9477 local 192.0.2.1",
        ],
        // Global options, wherever they stand and however iproute2 users write them.
        &[
            "-j -s -i lab1 fdb show vni 42",
            "-js -i lab1 fdb show vni 42",
            "fdb -jsi lab1 vni 42",
            "fdb show vni 42 --json --statistics --instance lab1",
            "fdb show -json vni 42 -statistics --instance=lab1",
            "fdb show -ilab1 -s -j --vni 42",
        ],
        &["-v fdb -v", "-vv fdb", "fdb show -vv"],
        &["-b lines", "--batch lines", "-batch lines", "--batch=lines"],
        &["-i lab1 -force -j -batch -", "-force -b - -ji lab1", "--json --force -b - --instance lab1"],
    ];
    for row in rows {
        for line in *row {
            assert_eq!(meaning(line), meaning(row[0]), "{line}");
        }
    }
}

#[test]
fn lines_of_tutorials_are_usual() {
    for line in [
        "fdb add 02:42:c0:a8:00:03 dev vxlan1 self dst 192.168.104.3 vni 42 port 4789",
        "fdb append 00:00:00:00:00:00 dev vxlan1 dst 192.168.104.3 self permanent",
        "fdb replace 02:42:c0:a8:00:03 dst fd00::1 src_vni 42 vni 43 static",
        "fdb del 02:42:c0:a8:00:03 vni 42",
        "fdb add 02:42:c0:a8:00:03 port-dev veth1 vni 42 dynamic",
    ] {
        assert!(super::fdb::FdbArgs::usual(line.split(' ')).is_some(), "{line}");
    }
    for line in [
        "neigh add 12.12.12.3 lladdr 02:42:c0:a8:00:03 dev vxlan1 nud permanent",
        "neigh replace fd12::1 lladdr 02:42:c0:a8:00:03 router vni 42",
        "neigh del 12.12.12.3 vni 42",
    ] {
        assert!(super::neigh::NeighArgs::usual(line.split(' ')).is_some(), "{line}");
    }
}

#[test]
fn the_value_of_a_word_is_never_a_word() {
    let cli = meaning("vni add 42 name dst");
    assert!(cli.contains(r#"name: Some("dst")"#), "{cli}");
    let cli = meaning("vni add 42 --name ageing ageing 5");
    assert!(cli.contains(r#"name: Some("ageing"), learning: None, ageing: Some(5)"#), "{cli}");
    let cli = meaning("port show -i vni vni 42");
    assert!(cli.contains(r#"instance: InstanceName("vni")"#) && cli.contains("vni: Some(Vni(42))"), "{cli}");
    // An interface may be called anything: `--` ends the words.
    let cli = meaning("port add --vni 42 -- mode");
    assert!(cli.contains(r#"dev: "mode", vni: Vni(42)"#), "{cli}");
    let cli = meaning("port del -- show");
    assert!(cli.contains(r#"dev: "show""#), "{cli}");
    let cli = meaning("stats port drops");
    assert!(cli.contains(r#"port: Some("drops")"#), "{cli}");
}

#[test]
fn help_is_no_error_at_any_level() {
    for line in ["--help", "fdb --help", "fdb -h", "fdb add --help", "help fdb add", "--version", "-V"] {
        let error = parsed(line).map_or_else(|e| e, |cli| panic!("{line}: {cli:?}"));
        assert_eq!(error.exit_code(), 0, "{line}");
    }
    let verbs = Cli::command();
    let verbs: Vec<_> = verbs.get_subcommands().map(clap::Command::get_name).collect();
    assert_eq!(verbs, ["run", "detach", "status", "vni", "port", "fdb", "neigh", "vtep", "stats", "lab"]);
}

/// An option in one of its forms: word, flag, or flag with `=`.
fn option(name: &str, value: &str, form: u8) -> Vec<String> {
    match (value.is_empty(), form) {
        (true, 0) => vec![name.to_owned()],
        (true, _) => vec![format!("--{name}")],
        (false, 0) => vec![name.to_owned(), value.to_owned()],
        (false, 1) => vec![format!("--{name}"), value.to_owned()],
        (false, _) => vec![format!("--{name}={value}")],
    }
}

proptest! {
    /// Any of these options, each in any form, in any order, with the positional anywhere among them and global
    /// options anywhere at all.
    #[test]
    fn form_and_order_do_not_matter(
        case in 0..4_usize,
        forms in prop::collection::vec(0..3_u8, 8),
        keep in prop::collection::vec(any::<bool>(), 8),
        order in prop::collection::vec(any::<u32>(), 12),
        globals in prop::collection::vec(any::<Index>(), 2),
    ) {
        // verb, positional, options that must stand, options that may
        type Options = &'static [(&'static str, &'static str)];
        let cases: [(&[&str], &str, Options, Options); 4] = [
            (&["fdb", "add"], "02:42:c0:a8:00:03", &[("dst", "192.168.104.3"), ("vni", "42")],
                &[("dev", "dst"), ("src_vni", "7"), ("port", "4790"), ("self", ""), ("static", "")]),
            (&["neigh", "replace"], "12.12.12.3", &[("lladdr", "02:42:c0:a8:00:03"), ("dev", "lladdr")],
                &[("vni", "42"), ("nud", "permanent"), ("router", "")]),
            (&["vni", "add"], "42", &[],
                &[("name", "ttl"), ("ageing", "5"), ("limit", "9"), ("learning", "off"), ("ttl", "inherit"),
                    ("arp-miss", "drop"), ("df", "unset")]),
            (&["port", "add"], "veth1", &[("vni", "42")],
                &[("mode", "xdp"), ("isolated", "on"), ("mac-lock", "02:42:c0:a8:00:02")]),
        ];
        let (verb, positional, must, may) = cases[case];
        let chosen: Vec<_> = must.iter().chain(may.iter().zip(&keep).filter(|(_, k)| **k).map(|(o, _)| o)).collect();

        let verb: Vec<String> = verb.iter().map(|&word| word.to_owned()).collect();
        let mut canonical = vec!["--instance=vni".to_owned(), "-j".to_owned()];
        canonical.extend(verb.iter().cloned());
        canonical.push(positional.to_owned());
        let mut pieces = vec![vec![positional.to_owned()]];
        for ((name, value), form) in chosen.iter().zip(&forms) {
            canonical.extend(option(name, value, 1));
            pieces.push(option(name, value, *form));
        }
        let mut keyed: Vec<_> = order.into_iter().zip(pieces).collect();
        keyed.sort_by_key(|(key, _)| *key);
        let mut pieces: Vec<Vec<String>> = verb.into_iter().map(|word| vec![word]).collect();
        pieces.extend(keyed.into_iter().map(|(_, piece)| piece));
        for (at, global) in globals.iter().zip([vec!["-i".to_owned(), "vni".to_owned()], vec!["-j".to_owned()]]) {
            pieces.insert(at.index(pieces.len() + 1), global);
        }
        let words = pieces.concat();

        let got = parse_words(&words).map_err(|e| TestCaseError::fail(format!("{words:?}: {e}")))?;
        let wanted = parse_words(&canonical).map_err(|e| TestCaseError::fail(format!("{canonical:?}: {e}")))?;
        prop_assert_eq!(format!("{got:?}"), format!("{wanted:?}"), "{:?}", words);
    }

    /// What is read without clap is read as clap would, and clap takes it.
    #[test]
    fn usual_lines_mean_what_they_mean_to_clap(
        object in prop::sample::select(vec!["fdb", "neigh"]),
        verb in prop::sample::select(vec!["add", "append", "replace", "del", "show"]),
        first in prop::sample::select(vec!["02:42:c0:a8:00:03", "00:00:00:00:00:00", "12.12.12.3", "fd00::1"]),
        more in prop::collection::vec(prop::sample::select(vec![
            "dst 192.168.104.3", "dst fd00::3", "dst x", "dst", "vni 42", "vni 16777216", "src_vni 7", "src-vni 7", "dev vxlan1",
            "dev dst", "dev -x", "dev", "port 4790", "port 0", "port-dev veth1", "port_dev veth1", "permanent", "local",
            "static", "temp", "dynamic", "self", "master", "lladdr 2:0:0:0:0:1", "lladdr 02:00:00:00:00:01", "router",
            "nud permanent", "nud stale", "--vni 42", "via eth0", "02:42:c0:a8:00:04",
        ]), 0..7),
        at in any::<Index>(),
    ) {
        let mut pieces = more;
        pieces.insert(at.index(pieces.len() + 1), first);
        let line = format!("{object} {verb} {}", pieces.join(" "));
        let words = || line.split_whitespace();
        let usual = super::fdb::FdbArgs::usual(words()).map(super::Verb::Fdb);
        let usual = usual.or_else(|| super::neigh::NeighArgs::usual(words()).map(super::Verb::Neigh));
        if let Some(usual) = usual {
            let clap = parsed(&line).map_err(|e| TestCaseError::fail(format!("{line}: {e}")))?;
            prop_assert_eq!(format!("{:?}", Some(usual)), format!("{:?}", clap.verb), "{}", line);
        }
    }

    /// No words make the grammar panic, and wrong ones always have a message.
    #[test]
    fn any_words_are_answered(words in prop::collection::vec(
        prop_oneof![
            "[a-z0-9:.=-]{0,8}",
            prop::sample::select(vec!["fdb", "add", "dst", "vni", "42", "-i", "-j", "--", "--dst", "show", "port", "name"])
                .prop_map(str::to_owned),
        ],
        0..8,
    )) {
        if let Err(error) = parse_words(&words) {
            prop_assert!(error.exit_code() == 0 || failure::usage_text(&error).starts_with("error: "));
        }
    }
}
