//! What a scrape shows, and what else the server answers.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream as Client,
    time::Duration,
};

use vxbpf_common::{DropReason, Vni, counters::Counters};

use super::*;
use crate::dataplane::{Locals, MapFill, Mode, Stats, Status};

fn status() -> Status {
    Status {
        instance: InstanceName::default(),
        iface: "eth1".to_owned(),
        local: Locals::first_of(["192.168.104.2".parse().expect("address")]),
        dstport: 4789,
        mode: Mode::Tc,
        auto: true,
        helper: vec!["vxbpf4789".to_owned()],
        netns: "node1".to_owned(),
        uptime: Duration::from_secs(61),
        daemon: None,
        abi: 7,
        programs: Vec::new(),
        ports: Vec::new(),
        maps: vec![MapFill { name: "fdb", used: 3, max: 65536 }],
    }
}

#[test]
fn a_scrape_shows_every_counter_by_name() {
    let vni = Vni::new(42).expect("fits");
    let row = Counters { rx_packets: 5, tx_bytes: 9, ..Counters::default() };
    let stats = Stats {
        vnis: vec![(vni, row)],
        ports: vec![("veth1".to_owned(), vni, row)],
        vteps: vec![(Some((vni, "192.168.104.3".parse().expect("address"))), row), (None, row)],
        drops: vec![(DropReason::VtepNotAllowed, 8)],
    };
    let text = text::encode(stats, status()).expect("encodes");
    for line in [
        "vxbpf_vni_rx_packets_total{vni=\"42\"} 5",
        "vxbpf_vni_tx_bytes_total{vni=\"42\"} 9",
        "vxbpf_vni_rx_errors_total{vni=\"42\"} 0",
        "vxbpf_port_rx_packets_total{port=\"veth1\",vni=\"42\"} 5",
        "vxbpf_vtep_rx_packets_total{vni=\"42\",vtep=\"192.168.104.3\"} 5",
        "vxbpf_vtep_rx_packets_total{vni=\"\",vtep=\"other\"} 5",
        "vxbpf_drops_total{reason=\"vtep_not_allowed\"} 8",
        "vxbpf_map_entries{map=\"fdb\"} 3",
        "vxbpf_map_max_entries{map=\"fdb\"} 65536",
        "vxbpf_uptime_seconds 61",
        "# TYPE vxbpf_vni_rx_packets counter",
        "# EOF",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    let build = format!("vxbpf_build_info{{version=\"{}\",abi=\"7\"}} 1", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&build), "{text}");
}

/// The server, and what it answers to each of these.
fn answers(requests: &'static [&'static str]) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("binds");
        let addr = listener.local_addr().expect("an address");
        tokio::spawn(serve(listener, "no-such-one".parse().expect("a name")));
        let ask = move |request: &&str| {
            let mut client = Client::connect(addr).expect("connects");
            client.write_all(request.as_bytes()).expect("sends");
            let mut answer = String::new();
            client.read_to_string(&mut answer).expect("answers");
            answer
        };
        spawn_blocking(move || requests.iter().map(ask).collect()).await.expect("a client")
    })
}

#[test]
fn only_metrics_are_served_and_only_read() {
    let answers = answers(&[
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /metrics/x HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        "nonsense\r\n\r\n",
    ]);
    let first: Vec<_> = answers.iter().map(|answer| answer.lines().next().unwrap_or_default()).collect();
    assert_eq!(
        first,
        [
            "HTTP/1.1 404 Not Found",
            "HTTP/1.1 404 Not Found",
            "HTTP/1.1 405 Method Not Allowed",
            "HTTP/1.1 400 Bad Request"
        ]
    );
    assert!(answers[0].ends_with("metrics are at /metrics\n"), "{}", answers[0]);
}

#[test]
fn an_address_in_use_is_named() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let first = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("binds");
        let addr = first.local_addr().expect("an address");
        let e = bind(addr).await.expect_err("is in use");
        assert!(
            e.to_string().starts_with(&format!("serve metrics on {addr}: Address already in use")),
            "{e}"
        );
    });
}
