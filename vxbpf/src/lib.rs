//! vxbpf forwards VXLAN overlay traffic with XDP and TC programs. This library is all of it but the binary's
//! entry: the [`dataplane`] handle on a running instance, what the daemon does beside forwarding, the lab,
//! and the command line.

pub mod cli;
pub mod config;
pub mod daemon;
pub mod dataplane;
pub mod error;
pub mod lab;
pub mod netdev;
pub mod netns;

pub use error::{Error, Result};
