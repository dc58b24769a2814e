//! The data path of vxbpf. [`main.rs`](../src/vxbpf-prog/main.rs.html) holds the hooks and the table from
//! verdicts to actions; here is the path between them, generic over [`packet::Packet`], so that both
//! hooks walk the same code.
#![no_std]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "registers have 64 bits, and the helpers take and return less of them than their C types say"
)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

pub mod account;
mod arp;
pub mod decap;
pub mod decision;
mod deliver;
pub mod encap;
pub mod events;
pub mod flood;
mod flow;
mod learn;
mod maps;
mod nd;
mod nexthop;
pub mod packet;
mod proxy;
mod quote;
pub mod resolve;
pub mod tc;
mod too_big;
pub mod verdict;
pub mod write;
pub mod xdp;

#[cfg(test)]
extern crate std;
