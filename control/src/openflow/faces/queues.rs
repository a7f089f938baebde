//! Queues: how they are set (OpenFlow 1.3.5 section 7.3.6; since 1.4 by a multipart request) and their counters.

use super::port::{number_or_all, put_number};
use super::properties::{self, Property};
use super::times;
use crate::ofproto::reserved;
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, QueueDesc, QueueStats, Version};
use datapath::flow::OfPort;
use datapath::pipeline::QueueId;

/// `OFPQ_ALL`.
const ALL: u32 = u32::MAX;
/// `OFPQT_MIN_RATE` and `OFPQT_MAX_RATE`.
const MIN_RATE: u16 = 1;
const MAX_RATE: u16 = 2;

/// Reads whose queues are asked for, before 1.4.
pub(super) fn decode_config_request(
    version: Version,
    reader: &mut Reader<'_>,
) -> Result<Option<OfPort>, Code> {
    let port = number_or_all(version, reader, Code::QueueBadPort)?;
    reader.skip(if version == Version::V10 { 2 } else { 4 })?;
    Ok(port)
}

/// Writes whose queues are asked for, before 1.4.
pub(super) fn encode_config_request(version: Version, port: Option<OfPort>, writer: &mut Writer) {
    put_number(version, port.unwrap_or(reserved::ANY), writer);
    writer.zeros(if version == Version::V10 { 2 } else { 4 });
}

/// Reads the queues of a port, before 1.4.
pub(super) fn decode_config(
    version: Version,
    reader: &mut Reader<'_>,
) -> Result<(Option<OfPort>, Vec<QueueDesc>), Code> {
    let port = number_or_all(version, reader, Code::QueueBadPort)?;
    reader.skip(if version == Version::V10 { 6 } else { 4 })?;
    let mut queues = Vec::new();
    while !reader.is_empty() {
        let queue = QueueId(reader.u32()?);
        let of = match version {
            Version::V10 => port.unwrap_or(reserved::ANY),
            _ => number_or_all(version, reader, Code::QueueBadPort)?.unwrap_or(reserved::ANY),
        };
        let head = if version == Version::V10 { 6 } else { 10 };
        let len = usize::from(reader.u16()?).checked_sub(head).ok_or(Code::BadLen)?;
        let mut rest = reader.part(len, Code::BadLen)?;
        rest.skip(if version == Version::V10 { 2 } else { 6 })?;
        let mut desc = QueueDesc { port: of, queue, min_rate: None, max_rate: None };
        while !rest.is_empty() {
            let (kind, len) = (rest.u16()?, usize::from(rest.u16()?));
            let mut value = rest.part(len.checked_sub(4).ok_or(Code::BadLen)?, Code::BadLen)?;
            match kind {
                MIN_RATE => desc.min_rate = rate(&mut value, 4)?,
                MAX_RATE => desc.max_rate = rate(&mut value, 4)?,
                _ => {}
            }
        }
        queues.push(desc);
    }
    Ok((port, queues))
}

/// A rate in tenths of a percent behind padding. More than all is none.
fn rate(value: &mut Reader<'_>, padding: usize) -> Result<Option<u16>, Code> {
    value.skip(padding)?;
    let rate = value.u16()?;
    value.take_rest();
    Ok((rate <= 1000).then_some(rate))
}

/// Writes the queues of a port, before 1.4.
pub(super) fn encode_config(
    version: Version,
    port: Option<OfPort>,
    queues: &[QueueDesc],
    writer: &mut Writer,
) {
    put_number(version, port.unwrap_or(reserved::ANY), writer);
    writer.zeros(if version == Version::V10 { 6 } else { 4 });
    for queue in queues {
        let start = writer.len();
        writer.u32(queue.queue.0);
        if version != Version::V10 {
            put_number(version, queue.port, writer);
        }
        let at = writer.len();
        writer.u16(0).zeros(if version == Version::V10 { 2 } else { 6 });
        for (kind, rate) in [(MIN_RATE, queue.min_rate), (MAX_RATE, queue.max_rate)] {
            // The greatest has come with 1.1; Open vSwitch says it in 1.0, too.
            if let Some(rate) = rate {
                writer.u16(kind).u16(16).zeros(4).u16(rate).zeros(6);
            }
        }
        writer.put_len(at, start);
    }
}

/// Reads which queues are asked for, in a multipart request: None where it is all.
pub(super) fn decode_request(
    version: Version,
    reader: &mut Reader<'_>,
) -> Result<(Option<OfPort>, Option<QueueId>), Code> {
    let port = number_or_all(version, reader, Code::QueueBadPort)?
        // 1.0 asks for all ports by `OFPP_ALL`.
        .filter(|port| version != Version::V10 || *port != reserved::ALL);
    if version == Version::V10 {
        reader.skip(2)?;
    }
    let queue = reader.u32()?;
    Ok((port, (queue != ALL).then_some(QueueId(queue))))
}

/// Writes which queues are asked for, in a multipart request.
pub(super) fn encode_request(
    version: Version,
    port: Option<OfPort>,
    queue: Option<QueueId>,
    writer: &mut Writer,
) {
    let all = if version == Version::V10 { reserved::ALL } else { reserved::ANY };
    put_number(version, port.unwrap_or(all), writer);
    writer.zeros(if version == Version::V10 { 2 } else { 0 }).u32(queue.map_or(ALL, |queue| queue.0));
}

/// Reads a queue as it is set, since 1.4.
pub(super) fn decode_desc(version: Version, reader: &mut Reader<'_>) -> Result<QueueDesc, Code> {
    let port = number_or_all(version, reader, Code::QueueBadPort)?.unwrap_or(reserved::ANY);
    let (queue, len) = (QueueId(reader.u32()?), usize::from(reader.u16()?));
    let mut rest = reader.part(len.checked_sub(10).ok_or(Code::BadLen)?, Code::BadLen)?;
    rest.skip(6)?;
    let mut desc = QueueDesc { port, queue, min_rate: None, max_rate: None };
    while let Some((property, mut value)) = properties::next(&mut rest)? {
        match property {
            Property::Standard(MIN_RATE) => desc.min_rate = rate(&mut value, 0)?,
            Property::Standard(MAX_RATE) => desc.max_rate = rate(&mut value, 0)?,
            _ => {}
        }
    }
    Ok(desc)
}

/// Writes a queue as it is set, since 1.4.
pub(super) fn encode_desc(version: Version, queue: &QueueDesc, writer: &mut Writer) {
    let start = writer.len();
    put_number(version, queue.port, writer);
    writer.u32(queue.queue.0).u16(0).zeros(6);
    for (kind, rate) in [(MIN_RATE, queue.min_rate), (MAX_RATE, queue.max_rate)] {
        if let Some(rate) = rate {
            properties::put(writer, kind, |writer| {
                writer.u16(rate).zeros(2);
            });
        }
    }
    writer.put_len(start + 8, start);
}

/// Reads a queue's counters.
pub(super) fn decode_stats(version: Version, reader: &mut Reader<'_>) -> Result<QueueStats, Code> {
    if version >= Version::V14 {
        let len = usize::from(reader.u16()?).checked_sub(2).ok_or(Code::BadLen)?;
        let mut rest = reader.part(len, Code::BadLen)?;
        rest.skip(6)?;
        // No property is known here.
        return decode_counters(version, &mut rest);
    }
    decode_counters(version, reader)
}

fn decode_counters(version: Version, reader: &mut Reader<'_>) -> Result<QueueStats, Code> {
    let port = number_or_all(version, reader, Code::QueueBadPort)?.unwrap_or(reserved::ANY);
    if version == Version::V10 {
        reader.skip(2)?;
    }
    Ok(QueueStats {
        port,
        queue: QueueId(reader.u32()?),
        tx_bytes: reader.u64()?,
        tx_packets: reader.u64()?,
        tx_errors: reader.u64()?,
        duration_ms: if version == Version::V10 { 0 } else { times::decode(reader)? },
    })
}

/// Writes a queue's counters.
pub(super) fn encode_stats(version: Version, stats: &QueueStats, writer: &mut Writer) {
    let start = writer.len();
    if version >= Version::V14 {
        writer.u16(0).zeros(6);
    }
    put_number(version, stats.port, writer);
    writer.zeros(if version == Version::V10 { 2 } else { 0 }).u32(stats.queue.0);
    writer.u64(stats.tx_bytes).u64(stats.tx_packets).u64(stats.tx_errors);
    if version != Version::V10 {
        times::encode(stats.duration_ms, writer);
    }
    if version >= Version::V14 {
        writer.put_len(start, start);
    }
}
