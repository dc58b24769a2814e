//! Packet tests: one frame through one program, as table rows. See `vxbpf_tests::packet`.

mod arp;
mod crowd;
mod decap;
mod encap;
mod entropy;
mod flood;
mod groups;
mod helper;
mod learning;
mod local;
mod mixed;
mod multicast;
mod nd;
mod reasons;
mod refused;
mod too_big;
