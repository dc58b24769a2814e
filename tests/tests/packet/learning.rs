//! Learning, moving, ageing.

use vxbpf::dataplane::{Destination, FdbState, Remote};
use vxbpf_common::{DropReason, Mac};
use vxbpf_tests::packet::{
    A, B, BROADCAST, C, Event, Frame, Given, IP_A, IP_B, Outer, R1, R2, Row, V, Xdp, run_over_both,
};

fn to(dst: Mac) -> Frame {
    Frame::new(A, dst).ipv4(IP_A, IP_B).udp(1, 2)
}

/// A row with B behind port `p2`, from which both remotes may send.
fn row(name: &str) -> Row {
    Row::new(name).given(Given::Allow(R1)).given(Given::Allow(R2)).station_on(B, "p2")
}

/// An entry of A's that may age.
fn dynamic_at(remote: std::net::IpAddr) -> Given {
    Given::Fdb(A, Destination::Remote(Remote { addr: remote, dst_vni: None, port: None }), FdbState::Dynamic)
}

fn learning() -> Vec<Row> {
    vec![
        row("a station that a port brings is learned")
            .from_port("p1", &to(B))
            .delivered("p2")
            .then(A, "p1")
            .tells([Event::Learn(A)]),
        row("a station that a remote brings is learned")
            .from_remote(R1, &to(B))
            .delivered("p2")
            .then(A, R1)
            .tells([Event::Learn(A)]),
        row("a station that is known where it is is no news")
            .heard_on("p1", &to(B))
            .from_port("p1", &to(B))
            .delivered("p2")
            .then(A, "p1")
            .tells([]),
        row("a station that a broadcast brings is learned, and told of once")
            .flood_to(R2)
            .from_port("p1", &Frame::new(A, BROADCAST).arp_request(IP_A, IP_B))
            .flooded()
            .copied_to("p2")
            .copied_to("t1")
            .replicated_to(R2, Outer::to(R2, V))
            .then(A, "p1")
            .tells([Event::Learn(A)]),
        row("a station that a remote's broadcast brings is learned, and told of once")
            .from_remote(R1, &Frame::new(A, BROADCAST).arp_request(IP_A, IP_B))
            .flooded()
            .copied_to("p1")
            .copied_to("p2")
            .copied_to("t1")
            .then(A, R1)
            .tells([Event::Learn(A)]),
        row("a station that asks for a port in mode tc is learned, and told of once")
            .station_on(C, "t1")
            .from_port("p1", &to(C))
            .xdp(Xdp::Passes)
            .delivered("t1")
            .then(A, "p1")
            .tells([Event::Learn(A)]),
        row("a station that is dropped for its destination is learned")
            .from_port("p1", &to(A))
            .dropped(DropReason::SamePort)
            .then(A, "p1")
            .tells([Event::Learn(A), Event::Drop(A)]),
        row("without learning nothing is learned from a port")
            .given(Given::learning(false))
            .from_port("p1", &to(B))
            .delivered("p2")
            .then_unknown(A)
            .tells([]),
        row("without learning nothing is learned from a remote")
            .given(Given::learning(false))
            .from_remote(R1, &to(B))
            .delivered("p2")
            .then_unknown(A)
            .tells([]),
        row("a frame for a learned station goes to the remote that it came from")
            .heard_from(R1, &to(B))
            .from_port("p2", &Frame::new(B, A).ipv4(IP_B, IP_A))
            .encapsulated(R1, Outer::to(R1, V)),
        row("a learned station is reached at our own UDP port, not that its packets came from")
            .given(Given::Heard(
                vxbpf_tests::packet::Program::FromUnderlay,
                vxbpf_tests::packet::UNDERLAY.to_owned(),
                Outer::from(R1, V).srcport(53).around(&to(B).bytes()),
            ))
            .from_port("p2", &Frame::new(B, A).ipv4(IP_B, IP_A))
            .encapsulated(R1, Outer::to(R1, V)),
    ]
}

fn moving() -> Vec<Row> {
    vec![
        row("a learned station moves from a port to another")
            .heard_on("p1", &to(B))
            .from_port("t1", &to(B))
            .xdp(Xdp::None)
            .delivered("p2")
            .then(A, "t1")
            .tells([Event::Move(A)]),
        row("a learned station moves from a port to a remote")
            .heard_on("p1", &to(B))
            .from_remote(R1, &to(B))
            .delivered("p2")
            .then(A, R1)
            .tells([Event::Move(A)]),
        row("a learned station moves from a remote to a port")
            .heard_from(R1, &to(B))
            .from_port("p1", &to(B))
            .delivered("p2")
            .then(A, "p1")
            .tells([Event::Move(A)]),
        row("a learned station moves from a remote to another")
            .heard_from(R1, &to(B))
            .from_remote(R2, &to(B))
            .delivered("p2")
            .then(A, R2)
            .tells([Event::Move(A)]),
        row("a dynamic entry of a command moves")
            .given(dynamic_at(R1))
            .from_port("p1", &to(B))
            .delivered("p2")
            .then(A, "p1"),
        row("a station that moves with a broadcast is told of once")
            .heard_on("p1", &to(B))
            .from_remote(R1, &Frame::new(A, BROADCAST).arp_request(IP_A, IP_B))
            .flooded()
            .copied_to("p1")
            .copied_to("p2")
            .copied_to("t1")
            .then(A, R1)
            .tells([Event::Move(A)]),
    ]
}

fn pinned() -> Vec<Row> {
    let mut rows = Vec::new();
    let states = [("permanent", FdbState::Permanent), ("static", FdbState::Static)];
    let places = [
        ("a port", Destination::Port("p1".to_owned())),
        ("a remote", Destination::Remote(Remote { addr: R1, dst_vni: None, port: None })),
    ];
    for (word, state) in states {
        for (place, to_place) in &places {
            let pinned = |what: &str| {
                row(&format!("a station that is {word} behind {place} {what}")).given(Given::Fdb(
                    A,
                    to_place.clone(),
                    state,
                ))
            };
            let home = if *place == "a port" { "p1".to_owned() } else { R1.to_string() };
            rows.push(
                pinned("is not heard on another port")
                    .from_port("t1", &to(B))
                    .xdp(Xdp::None)
                    .dropped(DropReason::StationPinned)
                    .then(A, &home),
            );
            rows.push(
                pinned("is not heard from another remote")
                    .from_remote(R2, &to(B))
                    .dropped(DropReason::StationPinned)
                    .then(A, &home)
                    .tells([Event::Drop(A)]),
            );
            rows.push(
                pinned("is heard elsewhere when nothing is learned")
                    .given(Given::learning(false))
                    .from_remote(R2, &to(B))
                    .delivered("p2")
                    .then(A, &home),
            );
        }
        rows.push(
            row(&format!("a station that is {word} is heard at home, and that is no news"))
                .given(Given::Fdb(A, places[1].1.clone(), state))
                .from_remote(R1, &to(B))
                .delivered("p2")
                .then(A, R1)
                .tells([]),
        );
    }
    rows
}

fn limits() -> Vec<Row> {
    let other = |n: u8| Frame::new(Mac::new([2, 0, 0, 0, 1, n]), B).ipv4(IP_A, IP_B);
    vec![
        row("below the limit a station is learned")
            .given(Given::limit(2))
            .heard_on("p1", &other(1))
            .from_port("p1", &to(B))
            .delivered("p2")
            .then(A, "p1"),
        row("at the limit a station is not learned, but its frame is forwarded")
            .given(Given::limit(1))
            .heard_on("p1", &other(1))
            .from_port("p1", &to(B))
            .delivered("p2")
            .then_unknown(A)
            .tells([]),
        row("at the limit a station that is known may move")
            .given(Given::limit(1))
            .heard_on("p1", &to(B))
            .from_remote(R1, &to(B))
            .delivered("p2")
            .then(A, R1),
        row("the limit counts dynamic entries only")
            .given(Given::limit(1))
            .station_on(C, "p1")
            .from_port("p1", &to(B))
            .delivered("p2")
            .then(A, "p1"),
        row("after the sweep of an expired station there is room for another")
            .given(Given::limit(1))
            .given(Given::ageing(1))
            .heard_on("p1", &Frame::new(C, B).ipv4(IP_A, IP_B))
            .given(Given::Expired(C))
            .given(Given::Swept)
            .from_port("p1", &to(B))
            .delivered("p2")
            .then(A, "p1"),
    ]
}

/// An expired entry is as good as absent, whether or not somebody has removed it.
fn ageing() -> Vec<Row> {
    let aged = |name: &str| row(name).given(Given::ageing(1));
    vec![
        aged("a frame for a station whose entry expired is flooded")
            .heard_from(R1, &to(B))
            .given(Given::Expired(A))
            .from_port("p2", &Frame::new(B, A).ipv4(IP_B, IP_A))
            .flooded()
            .copied_to("p1")
            .copied_to("t1")
            .tells([Event::Miss(A)]),
        aged("a frame from the underlay for a station whose entry expired is flooded")
            .heard_on("p1", &to(B))
            .given(Given::Expired(A))
            .from_remote(R1, &Frame::new(C, A).ipv4(IP_B, IP_A))
            .flooded()
            .copied_to("p1")
            .copied_to("p2")
            .copied_to("t1"),
        aged("a station whose entry expired is heard again where it was")
            .heard_from(R1, &to(B))
            .given(Given::Expired(A))
            .from_remote(R1, &to(B))
            .delivered("p2")
            .then(A, R1),
        aged("a station whose entry expired is heard again elsewhere")
            .heard_from(R1, &to(B))
            .given(Given::Expired(A))
            .from_port("p1", &to(B))
            .delivered("p2")
            .then(A, "p1"),
        aged("a permanent entry does not age")
            .station_on(C, "p1")
            .heard_on("p1", &to(B))
            .given(Given::Expired(A))
            .from_port("p2", &Frame::new(B, C).ipv4(IP_B, IP_A))
            .delivered("p1"),
        row("with ageing 0 an entry does not age")
            .given(Given::ageing(1))
            .heard_on("p1", &to(B))
            .given(Given::Expired(A))
            .given(Given::ageing(0))
            .from_port("p2", &Frame::new(B, A).ipv4(IP_B, IP_A))
            .delivered("p1"),
    ]
}

pub(crate) fn rows() -> Vec<Row> {
    [learning(), moving(), pinned(), limits(), ageing()].concat()
}

#[test]
fn learning_moving_ageing() {
    run_over_both(rows);
}
