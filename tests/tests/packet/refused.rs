//! Frames that ports may not send.

use vxbpf_common::{DropReason, Mac};
use vxbpf_tests::packet::{
    A, B, BROADCAST, Frame, GROUP, Given, IP_A, IP_B, LOCKED, Outer, R1, Row, V, run_over_both,
};

pub(crate) fn rows() -> Vec<Row> {
    let sources = [("zero", Mac::ZERO), ("a group address", GROUP), ("the broadcast address", BROADCAST)];
    let mut rows = Vec::new();
    for (what, src) in sources {
        let frame = Frame::new(src, B).ipv4(IP_A, IP_B).udp(1, 2);
        for learning in [true, false] {
            let when = if learning { "" } else { " though nothing is learned" };
            rows.push(
                Row::new(format!("a frame from a port whose source is {what} is dropped{when}"))
                    .given(Given::learning(learning))
                    .station_at(B, R1)
                    .from_port("p1", &frame)
                    .dropped(DropReason::InvalidSourceMac),
            );
        }
        rows.push(
            Row::new(format!("a frame from the underlay whose source is {what} is dropped"))
                .given(Given::Allow(R1))
                .station_on(B, "p1")
                .from_remote(R1, &frame)
                .dropped(DropReason::InvalidSourceMac),
        );
    }
    let locked = |name: &str, src: Mac| {
        Row::new(name).in_vni(LOCKED).station_at(B, R1).from_port("k1", &Frame::new(src, B).ipv4(IP_A, IP_B))
    };
    rows.push(
        locked("a locked port lets its own station send", A).encapsulated(R1, Outer::to(R1, LOCKED)).learns(),
    );
    let intruder = Mac::new([2, 0, 0, 0, 0, 0x66]);
    rows.push(
        locked("a locked port lets nobody else send", intruder)
            .dropped(DropReason::MacLocked)
            .then_unknown(intruder),
    );
    rows.push(
        Row::new("a locked port lets nobody else broadcast")
            .in_vni(LOCKED)
            .flood_to(R1)
            .from_port("k1", &Frame::new(intruder, BROADCAST).arp_request(IP_A, IP_B))
            .dropped(DropReason::MacLocked),
    );
    rows.push(
        Row::new("a locked port is no lock for what it receives")
            .in_vni(LOCKED)
            .given(Given::Allow(R1))
            .station_on(A, "k1")
            .from_remote(R1, &Frame::new(intruder, A).ipv4(IP_B, IP_A))
            .delivered("k1"),
    );
    rows.push(
        Row::new("the lock of one port is not that of others")
            .station_at(B, R1)
            .from_port("p1", &Frame::new(intruder, B).ipv4(IP_A, IP_B))
            .encapsulated(R1, Outer::to(R1, V)),
    );
    rows
}

#[test]
fn refused() {
    run_over_both(rows);
}
