//! The benchmark: every contender carries the same traffic between two pods, in turns, and what arrives is counted.

pub mod bed;
pub mod code;
pub mod contender;
pub mod counter;
pub mod cpu;
pub mod fdb_size;
pub mod forward;
pub mod frames;
pub mod generator;
pub mod limit;
pub mod measure;
pub mod offer;
pub mod replication;
pub mod vnis;
