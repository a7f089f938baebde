//! Captures as lists of packets.

use anyhow::{Context, Result};
use pcap_file::pcap::PcapReader;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// A packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Since 1970.
    pub time: Duration,
    /// From the first byte of the Ethernet header on.
    pub bytes: Vec<u8>,
}

/// Reads a pcap file.
pub fn read(path: &Path) -> Result<Vec<Packet>> {
    let name = || path.display().to_string();
    let mut reader = PcapReader::new(File::open(path).with_context(name)?).with_context(name)?;
    let mut packets = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet.with_context(name)?;
        packets.push(Packet { time: packet.timestamp(), bytes: packet.into_data().into_owned() });
    }
    Ok(packets)
}
