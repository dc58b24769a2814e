//! Every way to lose a frame is one that a test provokes.

use std::collections::HashSet;

use vxbpf_common::DropReason;
use vxbpf_tests::packet::reasons;

use crate::{arp, decap, encap, flood, helper, learning, local, mixed, nd, refused, too_big};

#[test]
fn each_drop_reason_is_provoked_by_a_row() {
    let tables = [
        arp::rows(),
        decap::rows(),
        encap::rows(),
        flood::rows(),
        helper::rows(),
        learning::rows(),
        local::rows(),
        mixed::rows(),
        nd::rows(),
        refused::rows(),
        too_big::rows(),
    ];
    let provoked: HashSet<_> = tables.iter().flat_map(|rows| reasons(rows)).collect();
    let missing: Vec<_> = DropReason::ALL.iter().filter(|reason| !provoked.contains(reason)).collect();
    assert!(missing.is_empty(), "no row provokes {missing:?}");
}
