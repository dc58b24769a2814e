//! The benchmark: every contender carries the same traffic between two pods, in turns, and what arrives is counted.

pub mod contender;
pub mod measure;
