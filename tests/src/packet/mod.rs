//! Packet tests: one frame through one program of the data path with `BPF_PROG_TEST_RUN`, as table rows.
//!
//! A [`Row`] says what is there, what frame meets which program, how it ends, how it leaves and **which counters
//! move; all others must stand still**. The [`Bed`] is the host that rows run on.

mod answer;
mod bed;
mod counts;
mod crowd;
mod frame;
mod given;
mod outer;
mod pcap;
mod row;
pub(crate) mod run;
mod table;
mod version;
mod wire;

pub use answer::{fragmentation_needed, packet_too_big};
pub use bed::*;
pub use counts::{Counter, Counts};
pub use crowd::Crowd;
pub use frame::{Frame, group_mac, solicited_node};
pub use given::Given;
pub use outer::Outer;
pub use row::{Action, Event, Row, Xdp};
pub use run::{Hook, Outcome, Program};
pub use table::{reasons, run_over_both, run_rows};
pub use version::{longest_frame, other_version, outer_len, over, twin, version};
