//! Multicast MACs with remotes of their own.

use vxbpf_common::{DropReason, Mac};
use vxbpf_tests::packet::{
    A, B, BROADCAST, Event, Frame, GROUP, IP_A, IP_B, LOCKED, Outer, R1, R2, Row, V, Xdp, run_over_both,
};

/// A group without a list.
const OTHER: Mac = Mac::new([1, 0, 0x5e, 0, 0, 2]);

fn to(dst: Mac) -> Frame {
    Frame::new(A, dst).ipv4(IP_A, IP_B).udp(67, 68)
}

/// A frame from `p1`, in a VNI that floods to the first remote.
fn row(name: &str, frame: &Frame) -> Row {
    Row::new(name).flood_to(R1).from_port("p1", frame).flooded().copied_to("p2").copied_to("t1")
}

fn rows() -> Vec<Row> {
    vec![
        row(
            "a frame to a group with a list goes to the ports and to the remotes of the list alone",
            &to(GROUP),
        )
        .group_to(GROUP, R2)
        .replicated_to(R2, Outer::to(R2, V))
        .tells([Event::Learn(A)]),
        row("a group that has the same remotes as the flood list gets each frame once", &to(GROUP))
            .group_to(GROUP, R1)
            .group_to(GROUP, R2)
            .replicated_to(R1, Outer::to(R1, V))
            .replicated_to(R2, Outer::to(R2, V)),
        row("each remote of a group has its own VNI and UDP port", &to(GROUP))
            .group_in(GROUP, R2, 7, 8472)
            .group_to(GROUP, R1)
            .replicated_to(R2, Outer::to(R2, 7).dstport(8472))
            .replicated_to(R1, Outer::to(R1, V)),
        row("a group without a list is flooded while another has one", &to(OTHER))
            .group_to(GROUP, R2)
            .replicated_to(R1, Outer::to(R1, V)),
        row("the broadcast address may have a list like any group", &to(BROADCAST))
            .group_to(BROADCAST, R2)
            .replicated_to(R2, Outer::to(R2, V)),
        row("a frame for an unknown station asks no group's list", &to(B))
            .group_to(GROUP, R2)
            .group_to(BROADCAST, R2)
            .replicated_to(R1, Outer::to(R1, V)),
        Row::new("a list is a destination where there are no ports and no flood list")
            .in_vni(LOCKED)
            .group_to(GROUP, R2)
            .from_port("k1", &to(GROUP))
            .flooded()
            .replicated_to(R2, Outer::to(R2, LOCKED)),
        Row::new("another group's list is no destination")
            .in_vni(LOCKED)
            .group_to(GROUP, R2)
            .from_port("k1", &to(OTHER))
            .xdp(Xdp::Passes)
            .dropped(DropReason::NoDestination),
        Row::new("a frame from the underlay to a group with a list goes to all ports and to no remote")
            .flood_to(R1)
            .group_to(GROUP, R2)
            .from_remote(R1, &to(GROUP))
            .flooded()
            .copied_to("p1")
            .copied_to("p2")
            .copied_to("t1")
            .learns(),
        Row::new("the remotes of a group are known senders")
            .group_to(GROUP, R2)
            .from_remote(R2, &to(BROADCAST))
            .flooded()
            .copied_to("p1")
            .copied_to("p2")
            .copied_to("t1"),
    ]
}

#[test]
fn groups() {
    run_over_both(rows);
}
