//! Rows of a config file's text and what is said about it.

use super::*;
use crate::dataplane::VniOptions;

fn said(text: &str) -> String {
    match parse("x.toml", text) {
        Ok(_) => "fine".to_owned(),
        Err(e) => e.to_string(),
    }
}

#[test]
fn the_examples_are_fine() {
    let examples = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"));
    let mut read = 0;
    for entry in fs::read_dir(examples).expect("examples/") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let config = load(&path).unwrap_or_else(|e| panic!("{e}"));
            assert!(!config.desired.vnis.is_empty(), "{}", path.display());
            read += 1;
        }
    }
    assert!(read > 0);
}

#[test]
fn an_empty_file_wants_nothing() {
    assert_eq!(parse("x.toml", "").expect("parses"), Config::default());
}

#[test]
fn what_a_file_says_is_what_is_wanted() {
    let config =
        load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/vxbpf.toml"))).expect("loads");
    assert_eq!(config.limits, Some(Limits::default()));
    let desired = config.desired.on(4789);
    let vni = "42".parse().expect("a VNI");
    let options = VniOptions { name: Some("vxlan1".to_owned()), ..VniOptions::default() };
    assert_eq!(desired.vnis.into_iter().collect::<Vec<_>>(), [(vni, options)]);
    assert_eq!(desired.ports.keys().collect::<Vec<_>>(), ["veth1", "veth2"]);
    let flood: Vec<_> = desired.flood.keys().map(|(_, mac, tunnel)| format!("{mac} {tunnel}")).collect();
    assert_eq!(
        flood,
        [
            "00:00:00:00:00:00 192.168.104.3",
            "00:00:00:00:00:00 192.168.104.4",
            "01:00:5e:00:00:fb 192.168.104.4"
        ]
    );
    let fdb: Vec<_> = desired.fdb.iter().map(|((_, mac), station)| format!("{mac} {}", station.to)).collect();
    assert_eq!(
        fdb,
        [
            "02:42:c0:a8:00:02 dev veth1",
            "02:42:c0:a8:00:03 dst 192.168.104.3",
            "02:42:c0:a8:00:0a dst 192.168.104.4",
            "02:42:c0:a8:00:0b dst 192.168.104.4",
            "02:42:c0:a8:00:0c dst 192.168.104.4",
            "02:42:c0:a8:00:0d dst 192.168.104.4",
            "02:42:c0:a8:00:0e dev veth2",
        ]
    );
    let neigh: Vec<_> = desired.neigh.iter().map(|((_, addr), n)| format!("{addr} {}", n.lladdr)).collect();
    assert_eq!(
        neigh,
        [
            "12.12.12.3 02:42:c0:a8:00:03",
            "12.12.12.10 02:42:c0:a8:00:0a",
            "12.12.12.11 02:42:c0:a8:00:0b",
            "12.12.12.12 02:42:c0:a8:00:0c",
            "fd12::3 02:42:c0:a8:00:03",
            "fd12::12 02:42:c0:a8:00:0c",
        ]
    );
    assert_eq!(desired.vteps.into_values().collect::<Vec<_>>(), [Decision::Allow]);
}

#[test]
fn lines_say_what_tables_say() {
    let tables = "[[vni]]\nvni = 42\n[[vni.port]]\ndev = 'veth1'\n\
        [[vni.fdb]]\nmac = '02:00:00:00:00:01'\ndst = '192.0.2.1'\n\
        [[vni.fdb]]\nmac = '02:00:00:00:00:02'\ndst = 'fd00::1'\nvni = 43\nport = 4790\nstate = 'static'\n\
        [[vni.fdb]]\nmac = '02:00:00:00:00:03'\ndev = 'veth1'\nstate = 'dynamic'\n\
        [[vni.fdb]]\nmac = '01:00:5e:00:00:05'\ndst = '192.0.2.1'\n\
        [[vni.neigh]]\naddr = '192.0.2.1'\nlladdr = '02:00:00:00:00:01'\n\
        [[vni.neigh]]\naddr = 'fd12::1'\nlladdr = '02:00:00:00:00:02'\nrouter = true\n";
    let lines = "[[vni]]\nvni = 42\nstations = \"\"\"\n\
        02:00:00:00:00:01 dst 192.0.2.1   # the first\n\n  # and\n\
        02:00:00:00:00:02 static vni 43 dst fd00::1 port 4790\n\
        02:00:00:00:00:03 dev veth1 dynamic\n\
        01:00:5e:00:00:05 dst 192.0.2.1 permanent\"\"\"\n\
        neighbours = '''\n192.0.2.1 lladdr 02:00:00:00:00:01\nfd12::1 router lladdr 02:00:00:00:00:02\n'''\n\
        [[vni.port]]\ndev = 'veth1'\n";
    assert_eq!(parse("x.toml", lines).expect("parses"), parse("x.toml", tables).expect("parses"));
}

#[test]
fn a_neighbour_may_be_a_router() {
    let text =
        "[[vni]]\nvni = 42\n[[vni.neigh]]\naddr = 'fd12::1'\nlladdr = '02:00:00:00:00:01'\nrouter = true";
    let desired = parse("x.toml", text).expect("parses").desired.on(4789);
    let routers: Vec<_> =
        desired.neigh.into_iter().map(|((_, addr), n)| (addr.to_string(), n.router)).collect();
    assert_eq!(routers, [("fd12::1".to_owned(), true)]);
}

#[test]
fn a_missing_file_is_named() {
    let e = load(Path::new("/nonexistent/x.toml")).expect_err("is not there");
    assert!(e.to_string().starts_with("read config /nonexistent/x.toml: No such file"), "{e}");
}

#[test]
fn a_file_that_is_not_toml_is_said_with_its_line() {
    let rows = [
        ("[[vni]\n", "x.toml:1: unclosed array table, expected `]`"),
        ("[[vni]]\nvni = 42\nttl = \n", "x.toml:3: string values must be quoted, expected literal string"),
    ];
    for (text, message) in rows {
        assert_eq!(said(text), message);
    }
}

/// What is added to a VNI 42, from line 3 on, and what is said. The rest of the rows' messages is the parser's.
#[test]
fn what_cannot_be_is_said_with_its_place() {
    let mac = "02:00:00:00:00:01";
    let entry = |rest: &str| format!("[[vni.fdb]]\nmac = '{mac}'\n{rest}");
    let rows = [
        // The VNI itself.
        (
            "agening = 3",
            "3: vni.agening: unknown field `agening`, expected one of `vni`, `name`, `learning`, `ageing`",
        ),
        (
            "ageing = -1",
            "3: vni.ageing: invalid value: integer `-1`, expected a whole number from 0 to 4294967295",
        ),
        ("ttl = 0", "3: vni.ttl: \"0\" is not a TTL: a number from 1 to 255, or inherit"),
        (
            "ttl = true",
            "3: vni.ttl: invalid type: boolean `true`, expected a number from 1 to 255, or \"inherit\"",
        ),
        ("arp-miss = 'fluud'", "3: vni.arp-miss: \"fluud\" is not an ARP miss policy: flood or drop"),
        (
            "name = 'sixteen-letters!'",
            "3: vni.name: \"sixteen-letters!\" cannot be the name of a VNI: 1 to 15 printable",
        ),
        ("name = ''", "3: vni.name: \"\" cannot be the name of a VNI"),
        ("[[vni]]\nvni = 42", "4: vni.vni: VNI 42 is there already, in line 2: keep one"),
        ("[[vni]]\nvni = 16777216", "4: vni.vni: \"16777216\" is not a VNI: a number from 0 to 16777215"),
        (
            "[[vni]]\nvni = '42'",
            "4: vni.vni: invalid type: string \"42\", expected a number from 0 to 16777215",
        ),
        ("[[vni]]\nname = 'x'", "3: vni: needs `vni`"),
        (
            "name='a'\n[[vni]]\nvni=43\nname='a'",
            "6: vni.name: VNI name a is there already, in line 3: keep one",
        ),
        // Its remotes.
        (
            "flood = ['192.0.2.1/24']",
            "3: vni.flood: \"192.0.2.1/24\" is not an IP address: IPv4 or IPv6, without a",
        ),
        (
            "flood = ['192.0.2.1',\n{addr='192.0.2.2', prot=1}]",
            "4: vni.flood.prot: unknown field `prot`, expected one",
        ),
        (
            "flood = ['192.0.2.1',\n{addr='192.0.2.2', port=70000}]",
            "4: vni.flood.port: 70000 is not a UDP port: a",
        ),
        ("flood = [{port = 3}]", "3: vni.flood: needs `addr`"),
        (
            "flood = [3]",
            "3: vni.flood: invalid type: integer `3`, expected an address as in \"192.168.104.3\", or a",
        ),
        (
            "flood = ['192.0.2.1',\n'192.0.2.1']",
            "4: vni.flood: remote 192.0.2.1 of the flood list of VNI 42 is there",
        ),
        (
            "allow = ['192.0.2.1']\ndeny = ['192.0.2.1']",
            "4: vni.deny: VTEP 192.0.2.1 is in allow or deny of VNI 42",
        ),
        ("allow = ['224.0.0.1']", "3: vni.allow: 224.0.0.1 is not a unicast address"),
        // Ports.
        ("[[vni.port]]\nmode = 'tc'", "3: vni.port: needs `dev`"),
        (
            "[[vni.port]]\ndev = 'a/b'",
            "4: vni.port.dev: \"a/b\" cannot be the name of an interface: 1 to 15 printable",
        ),
        (
            "[[vni.port]]\ndev = 'veth1'\nmode = 'fast'",
            "5: vni.port.mode: \"fast\" is not a mode: auto or tc or xdp",
        ),
        (
            "[[vni.port]]\ndev='veth1'\nmac-lock=['03:00:00:00:00:01']",
            "5: vni.port.mac-lock: 03:00:00:00:00:01 is a group address, which no station has",
        ),
        (
            "[[vni.port]]\ndev='veth1'\n[[vni.port]]\ndev='veth1'",
            "6: vni.port.dev: port veth1 is there already, in line 4",
        ),
        (
            "[[vni.port]]\ndev='veth1'\n[[vni]]\nvni=43\n[[vni.port]]\ndev='veth1'",
            "8: vni.port.dev: port veth1 is in VNI 42 already: a port is in one VNI",
        ),
        // FDB entries.
        (
            "[[vni.fdb]]\nmac = '02:42'",
            "4: vni.fdb.mac: \"02:42\" is not a MAC address: six bytes in hex, as in 02:42:c0",
        ),
        (
            "[[vni.fdb]]\nmac = '00:00:00:00:00:00'\ndst = '192.0.2.1'",
            "4: vni.fdb.mac: 00:00:00:00:00:00 is no station; remotes that get floods go into flood = […] of VNI 42",
        ),
        (
            "[[vni.fdb]]\nmac = '01:00:5e:00:00:05'\ndev = 'veth1'",
            "5: vni.fdb.dev: 01:00:5e:00:00:05 is a group: it has remotes (dst); the VNI's ports get its frames anyway",
        ),
        (
            "[[vni.fdb]]\nmac = '01:00:5e:00:00:05'",
            "4: vni.fdb.mac: fdb 01:00:5e:00:00:05 vni 42: a group needs dst, a remote that gets its frames",
        ),
        (
            "[[vni.fdb]]\nmac = 'ff:ff:ff:ff:ff:ff'\ndst = '192.0.2.1'\nstate = 'dynamic'",
            "4: vni.fdb.mac: fdb ff:ff:ff:ff:ff:ff vni 42: remotes of a group never age: leave state out",
        ),
        (
            "[[vni.fdb]]\nmac='01:00:5e:00:00:05'\ndst='192.0.2.1'\n[[vni.fdb]]\nmac='01:00:5e:00:00:05'\ndst='192.0.2.1'",
            "8: vni.fdb.dst: remote 192.0.2.1 of 01:00:5e:00:00:05 in VNI 42 is there already, in line 5: keep one",
        ),
        (
            &entry(""),
            "4: vni.fdb.mac: fdb 02:00:00:00:00:01 vni 42: say where it is, with either dst (a VTEP) or dev",
        ),
        (
            &entry("dst='192.0.2.1'\ndev='veth1'"),
            "4: vni.fdb.mac: fdb 02:00:00:00:00:01 vni 42: say where it is, with",
        ),
        (
            &entry("dev = 'veth1'"),
            "5: vni.fdb.dev: fdb 02:00:00:00:00:01 vni 42: veth1 is no port of VNI 42: add it, [[vni.port]] dev = \"veth1\"",
        ),
        (&entry("dst='192.0.2.1'\nport=0"), "6: vni.fdb.port: 0 is not a UDP port: a number from 1 to 65535"),
        (
            &entry(&format!("dst='192.0.2.1'\n{}", entry("dst='192.0.2.2'"))),
            "7: vni.fdb.mac: fdb 02:00:00:00:00:01 vni 42 is there already, in line 4: keep one",
        ),
        // Neighbours.
        ("[[vni.neigh]]\naddr='192.0.2.1'", "3: vni.neigh: needs `lladdr`"),
        (
            "[[vni.neigh]]\naddr='192.0.2.1'\nlladdr='00:00:00:00:00:00'",
            "5: vni.neigh.lladdr: 00:00:00:00:00:00 is all zeros, which no station has",
        ),
        // The same address, in IPv6's words.
        (
            "[[vni.neigh]]\naddr='192.0.2.1'\nlladdr='02:00:00:00:00:01'\n\
             [[vni.neigh]]\naddr='::ffff:192.0.2.1'\nlladdr='02:00:00:00:00:01'",
            "7: vni.neigh.addr: neigh 192.0.2.1 vni 42 is there already, in line 4: keep one",
        ),
        // Entries as lines.
        (
            "stations = '''\n# none\n\n02:00:00:00:00:01 dst 192.0.2.1\n02:00 dst 192.0.2.1\n'''",
            "7: vni.stations: \"02:00\" is not a MAC address: six bytes in hex",
        ),
        (
            "stations = '02:00:00:00:00:01 dst 192.0.2.1 via 192.0.2.2'",
            "3: vni.stations: \"via\" is one word too many, as in MAC dst ADDR",
        ),
        ("stations = '02:00:00:00:00:01 dst'", "3: vni.stations: dst needs a value"),
        (
            "stations = '02:00:00:00:00:01 dst 192.0.2.1 dst 192.0.2.1'",
            "3: vni.stations: dst is there twice: keep one",
        ),
        (
            "stations = '02:00:00:00:00:01'",
            "3: vni.stations: fdb 02:00:00:00:00:01 vni 42: say where it is, with",
        ),
        ("stations = ['02:00:00:00:00:01']", "3: vni.stations: invalid type: sequence, expected a string"),
        (
            "stations = '''\n02:00:00:00:00:01 dst 192.0.2.1\n02:00:00:00:00:01 dst 192.0.2.2 static'''",
            "5: vni.stations: fdb 02:00:00:00:00:01 vni 42 is there already, in line 4: keep one",
        ),
        (
            "stations = '''\n02:00:00:00:00:01 dst 192.0.2.1'''\n[[vni.fdb]]\nmac = '02:00:00:00:00:01'\ndst = '192.0.2.2'",
            "4: vni.stations: fdb 02:00:00:00:00:01 vni 42 is there already, in line 6: keep one",
        ),
        // With an escape in it, a text is not in the file as it is read: the line of its key must do.
        (
            "stations = \"\"\"\n02:00:00:00:00:01 dst\\u0020192.0.2.1\n02:00\"\"\"",
            "3: vni.stations: \"02:00\" is not a MAC address",
        ),
        (
            "neighbours = '''192.0.2.1 lladdr 02:00:00:00:00:01 router\n192.0.2.2'''",
            "4: vni.neighbours: needs lladdr MAC",
        ),
        (
            "neighbours = '192.0.2.1 lladdr 02:00:00:00:00:01 port 3'",
            "3: vni.neighbours: \"port\" is one word too many, as in ADDR lladdr MAC [router]",
        ),
        // Sizes.
        ("[limits]\nfdb = 0", "3: limits: fdb is 0, but a table has at least 1 entry"),
        ("[limits]\nfbd = 3", "4: limits.fbd: unknown field `fbd`, expected one of `fdb`, `neigh`"),
    ];
    for (more, message) in rows {
        let said = said(&format!("[[vni]]\nvni = 42\n{more}\n"));
        assert!(said.starts_with(&format!("x.toml:{message}")), "{more}\nsays {said}\nnot  x.toml:{message}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_list_that_is_too_long_is_said_with_the_line_of_its_first_remote_too_many() {
    let remotes: Vec<_> = (0..257).map(|n| format!("192.0.{}.{}", n / 128, n % 128 + 1)).collect();
    let tables = |addr: &String| format!("[[vni.fdb]]\nmac = '01:00:5e:00:00:05'\ndst = '{addr}'\n");
    let group: String = remotes.iter().map(tables).collect();
    let flood: Vec<_> = remotes.iter().map(|addr| format!("'{addr}',\n")).collect();
    let rows = [
        (group, "x.toml:773: vni.fdb.dst: 01:00:5e:00:00:05 in VNI 42 has more than 256 remotes"),
        (
            format!("flood = [\n{}]", flood.concat()),
            "x.toml:260: vni.flood: VNI 42 has more than 256 remotes in its flood list",
        ),
    ];
    for (more, message) in rows {
        assert_eq!(said(&format!("[[vni]]\nvni = 42\n{more}\n")), message);
    }
}
