//! Ports' counters (OpenFlow 1.3.5 section 7.3.5.6; since 1.4 with properties).

use super::super::properties::{self, Property};
use super::super::{port, times};
use crate::ofproto::reserved;
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, PortStats, Version};
use datapath::flow::OfPort;

/// `OFPPSPT_ETHERNET`.
const ETHERNET: u16 = 0;

/// Reads whose counters are asked for; None: all.
pub(super) fn decode_request(version: Version, reader: &mut Reader<'_>) -> Result<Option<OfPort>, Code> {
    let port = port::number_or_all(version, reader, Code::BadPort)?;
    reader.skip(if version == Version::V10 { 6 } else { 4 })?;
    Ok(port)
}

/// Writes whose counters are asked for.
pub(super) fn encode_request(version: Version, of: Option<OfPort>, writer: &mut Writer) {
    port::put_number(version, of.unwrap_or(reserved::ANY), writer);
    writer.zeros(if version == Version::V10 { 6 } else { 4 });
}

/// Reads a port's counters.
pub(super) fn decode_stats(version: Version, reader: &mut Reader<'_>) -> Result<PortStats, Code> {
    if version >= Version::V14 {
        return decode_stats_14(reader);
    }
    let port = port::number(version, reader, Code::BadPort)?;
    reader.skip(if version == Version::V10 { 6 } else { 4 })?;
    let mut stats = decode_counters(port, reader)?;
    decode_errors(&mut stats, reader)?;
    if version != Version::V10 {
        stats.duration_ms = times::decode(reader)?;
    }
    Ok(stats)
}

fn decode_counters(port: OfPort, reader: &mut Reader<'_>) -> Result<PortStats, Code> {
    Ok(PortStats {
        port,
        rx_packets: reader.u64()?,
        tx_packets: reader.u64()?,
        rx_bytes: reader.u64()?,
        tx_bytes: reader.u64()?,
        rx_dropped: reader.u64()?,
        tx_dropped: reader.u64()?,
        rx_errors: reader.u64()?,
        tx_errors: reader.u64()?,
        rx_frame_err: u64::MAX,
        rx_over_err: u64::MAX,
        rx_crc_err: u64::MAX,
        collisions: u64::MAX,
        duration_ms: 0,
    })
}

fn decode_errors(stats: &mut PortStats, reader: &mut Reader<'_>) -> Result<(), Code> {
    stats.rx_frame_err = reader.u64()?;
    stats.rx_over_err = reader.u64()?;
    stats.rx_crc_err = reader.u64()?;
    stats.collisions = reader.u64()?;
    Ok(())
}

fn decode_stats_14(reader: &mut Reader<'_>) -> Result<PortStats, Code> {
    let len = usize::from(reader.u16()?);
    let mut rest = reader.part(len.checked_sub(2).ok_or(Code::BadLen)?, Code::BadLen)?;
    rest.skip(2)?;
    let port = port::number(Version::V14, &mut rest, Code::BadPort)?;
    let duration_ms = times::decode(&mut rest)?;
    let mut stats = PortStats { duration_ms, ..decode_counters(port, &mut rest)? };
    while let Some((property, mut value)) = properties::next(&mut rest)? {
        if property == Property::Standard(ETHERNET) {
            value.skip(4)?;
            decode_errors(&mut stats, &mut value)?;
        }
    }
    Ok(stats)
}

/// Writes a port's counters.
pub(super) fn encode_stats(version: Version, stats: &PortStats, writer: &mut Writer) {
    let start = writer.len();
    match version {
        Version::V10 => {
            port::put_number(version, stats.port, writer);
            writer.zeros(6);
        }
        Version::V13 => {
            port::put_number(version, stats.port, writer);
            writer.zeros(4);
        }
        Version::V14 | Version::V15 => {
            writer.u16(0).zeros(2);
            port::put_number(version, stats.port, writer);
            times::encode(stats.duration_ms, writer);
        }
    }
    writer.u64(stats.rx_packets).u64(stats.tx_packets).u64(stats.rx_bytes).u64(stats.tx_bytes);
    writer.u64(stats.rx_dropped).u64(stats.tx_dropped).u64(stats.rx_errors).u64(stats.tx_errors);
    let errors = [stats.rx_frame_err, stats.rx_over_err, stats.rx_crc_err, stats.collisions];
    if version >= Version::V14 {
        properties::put(writer, ETHERNET, |writer| {
            writer.zeros(4);
            put_all(&errors, writer);
        });
        writer.put_len(start, start);
    } else {
        put_all(&errors, writer);
        if version == Version::V13 {
            times::encode(stats.duration_ms, writer);
        }
    }
}

fn put_all(numbers: &[u64], writer: &mut Writer) {
    for number in numbers {
        writer.u64(*number);
    }
}
