//! The benchmark: every contender carries the same traffic between two pods, in turns, and what arrives is counted.

pub mod archive;
pub mod bed;
pub mod blast;
pub mod chart;
pub mod contender;
pub mod counter;
pub mod cpu;
pub mod document;
pub mod environment;
pub mod fdb_size;
pub mod figures;
pub mod forward;
pub mod frames;
pub mod generator;
pub mod groups;
pub mod header;
pub mod interrupt;
pub mod iperf;
pub mod limit;
pub mod measure;
pub mod model;
pub mod notes;
pub mod offer;
pub mod pingpong;
pub mod programs;
pub mod progress;
pub mod replication;
pub mod rr;
pub mod runner;
#[cfg(test)]
mod sample;
pub mod stats;
pub mod suite;
pub mod table;
pub mod targets;
pub mod tcp;
pub mod udp;
