//! What the tests of this crate share. Everything that a test makes on the host belongs to a guard that removes it,
//! also when the test panics.

pub mod bench;
pub mod command;
pub mod daemon;
pub mod packet;
pub mod pod;
pub mod pulse;
pub mod raw;
pub mod reaper;
pub mod scratch;
pub mod stage;
pub mod tap;
pub mod topology;
pub mod traffic;
pub mod wait;
