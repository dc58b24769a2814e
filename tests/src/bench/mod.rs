//! The benchmark: every contender carries the same traffic between two pods, in turns, and what arrives is counted.

pub mod blast;
pub mod contender;
pub mod iperf;
pub mod measure;
pub mod pin;
pub mod pingpong;
