//! The frames of a row that failed, as a file for Wireshark.

use std::{env, fs::File, path::PathBuf, time::Duration};

use anyhow::Result;
use pcap_file::pcap::{PcapPacket, PcapWriter};

/// Writes frames to a file named after the row, in their order; returns its path.
pub(super) fn write<'a>(row: &str, frames: impl IntoIterator<Item = &'a [u8]>) -> Result<PathBuf> {
    let name: String =
        row.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(80).collect();
    let path = env::temp_dir().join(format!("vxbpf-failed-{name}.pcap"));
    let mut writer = PcapWriter::new(File::create(&path)?)?;
    for (second, frame) in (0..).zip(frames) {
        let packet = PcapPacket::new(Duration::from_secs(second), u32::try_from(frame.len())?, frame)?;
        writer.write_packet(&packet)?;
    }
    writer.flush()?;
    Ok(path)
}
