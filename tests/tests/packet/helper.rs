//! On the helper device.

use std::net::IpAddr;

use vxbpf_common::{DropReason, instance::Errand};
use vxbpf_tests::packet::{
    A, B, Frame, IP_A, IP_B, LOCAL, Outer, R1, Row, SILENT, UNREACHABLE, V, outer_len, run_over_both,
};

pub(crate) fn rows() -> Vec<Row> {
    let inner = Frame::new(A, B).ipv4(IP_A, IP_B).udp(1, 2).bytes();
    let waiting = |to: IpAddr| Outer::to(to, V).without_macs().around(&inner);
    vec![
        Row::new(
            "a packet of ours whose neighbour is still unknown goes to the kernel's resolution, unmarked",
        )
        .from_helper(waiting(SILENT), Errand::Resolve.mark())
        .redirected(),
        Row::new("a packet of ours whose neighbour is known by now gets its MAC addresses")
            .from_helper(waiting(R1), Errand::Resolve.mark())
            .redirected()
            .leaving(Outer::to(R1, V).around(&inner)),
        Row::new("a packet of ours whose route is gone is dropped")
            .from_helper(waiting(UNREACHABLE), Errand::Resolve.mark())
            .dropped(DropReason::NoRoute),
        Row::new("a packet that somebody sends to the helper device's VNI is dropped")
            .from_helper(Frame::new(A, B).ipv4(IP_A, LOCAL).bytes(), 0)
            .dropped(DropReason::NotFromUs),
        Row::new("a packet with the mark of somebody else is dropped")
            .from_helper(waiting(R1), 1)
            .dropped(DropReason::NotFromUs)
            .marked(0),
        Row::new("a marked packet that is too short to be ours is dropped")
            .from_helper(waiting(R1).into_iter().take(outer_len() - 1).collect(), Errand::Resolve.mark())
            .dropped(DropReason::NotFromUs),
    ]
}

#[test]
fn helper() {
    run_over_both(rows);
}
