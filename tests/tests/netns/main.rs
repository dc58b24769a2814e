//! Nodes and pods in network namespaces, the real binary, real traffic. See `vxbpf_tests::topology`.

#![allow(clippy::unwrap_used, reason = "a panic is the report, in what tests share as well")]

mod anywhere;
mod batch;
mod beside;
mod counters;
mod fdb;
mod flood;
mod group;
mod inner;
mod lab;
mod large;
mod learning;
mod life;
mod names;
mod neighbours;
mod others;
mod policy;
mod ports;
mod too_big;
mod tutorial;
mod underlay;
mod wrong;
mod xdp;
