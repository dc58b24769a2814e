//! Counters as columns and as JSON, alike for VNIs, ports and VTEPs.

use serde::Serialize;
use vxbpf_common::counters::Counters;

/// Headers of the columns that [`cells`] fills.
pub(super) const HEADERS: [&str; 7] =
    [">RX-PACKETS", ">RX-BYTES", ">TX-PACKETS", ">TX-BYTES", ">RX-DROPPED", ">TX-DROPPED", ">RX-ERRORS"];

/// One row's numbers.
pub(super) fn cells(counters: &Counters) -> [String; 7] {
    let c = counters;
    [c.rx_packets, c.rx_bytes, c.tx_packets, c.tx_bytes, c.rx_dropped, c.tx_dropped, c.rx_errors]
        .map(|count| count.to_string())
}

/// Counters in a JSON object, to be flattened into it.
#[derive(Serialize)]
pub(super) struct CountersJson {
    rx_packets: u64,
    rx_bytes: u64,
    tx_packets: u64,
    tx_bytes: u64,
    rx_dropped: u64,
    tx_dropped: u64,
    rx_errors: u64,
}

impl From<&Counters> for CountersJson {
    fn from(counters: &Counters) -> Self {
        let Counters {
            rx_packets, rx_bytes, tx_packets, tx_bytes, rx_dropped, tx_dropped, rx_errors, ..
        } = *counters;
        Self { rx_packets, rx_bytes, tx_packets, tx_bytes, rx_dropped, tx_dropped, rx_errors }
    }
}
