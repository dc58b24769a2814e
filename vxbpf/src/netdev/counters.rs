//! What the kernel counted on an interface.

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::link::LinkAttribute;
use vxbpf_common::counters::Counters;

use super::request::{Refusal, request};
use crate::error::{Error, Result};

/// The counters of an interface. Its `rx` is what came out of it into this host, as everywhere in the kernel.
pub fn counters(index: u32) -> Result<Counters> {
    let message = request(async |handle| {
        handle.link().get().match_index(index).execute().try_next().await.map_err(Refusal::from)
    })?
    .map_err(|e| e.doing(format!("counters of interface {index}")))?
    .ok_or_else(|| Error::not_found(format!("interface {index}")))?;
    let stats = message
        .attributes
        .iter()
        .find_map(|attribute| if let LinkAttribute::Stats64(stats) = attribute { Some(*stats) } else { None })
        .unwrap_or_default();
    Ok(Counters {
        rx_packets: stats.rx_packets,
        rx_bytes: stats.rx_bytes,
        tx_packets: stats.tx_packets,
        tx_bytes: stats.tx_bytes,
        rx_dropped: stats.rx_dropped,
        tx_dropped: stats.tx_dropped,
        rx_errors: stats.rx_errors,
        reserved: 0,
    })
}
