//! Answers, as they are read.

use super::super::{meters, port, queues, tables};
use super::kinds::{Header, Kind};
use super::{flows, groups, monitors, ports, table_features};
use crate::openflow::wire::Reader;
use crate::openflow::{Code, FlowUpdate, Message, Reply, SwitchDesc, Version};

/// Reads an answer, or part of one, and whether it is in Nicira's words where there are others.
///
/// # Errors
/// What is wrong with its header, its length, or what is in it.
pub(in super::super) fn decode(version: Version, reader: &mut Reader<'_>) -> Result<(Message, bool), Code> {
    let Header { kind, nicira, more } = Header::decode(version, reader)?;
    let reply = match kind {
        Kind::Desc => Reply::Desc(SwitchDesc {
            manufacturer: reader.name::<256>()?,
            hardware: reader.name::<256>()?,
            software: reader.name::<256>()?,
            serial: reader.name::<32>()?,
            datapath: reader.name::<256>()?,
        }),
        Kind::Flow => Reply::Flow(all(reader, |reader| flows::decode(version, nicira, reader))?),
        Kind::Aggregate => Reply::Aggregate(flows::decode_aggregate(version, reader)?),
        Kind::Table => Reply::Table(all(reader, |reader| tables::decode_stats(version, reader))?),
        Kind::PortStats => Reply::PortStats(all(reader, |reader| ports::decode_stats(version, reader))?),
        Kind::QueueStats => Reply::QueueStats(all(reader, |reader| queues::decode_stats(version, reader))?),
        Kind::GroupStats => Reply::GroupStats(all(reader, groups::decode_stats)?),
        Kind::GroupDesc => Reply::GroupDesc(all(reader, |reader| groups::decode_desc(version, reader))?),
        Kind::GroupFeatures => Reply::GroupFeatures(groups::decode_features(reader)?),
        Kind::MeterStats => Reply::MeterStats(all(reader, meters::decode_stats)?),
        Kind::MeterConfig => Reply::MeterConfig(all(reader, meters::decode_config)?),
        Kind::MeterFeatures => Reply::MeterFeatures(meters::decode_features(reader)?),
        Kind::TableFeatures => {
            Reply::TableFeatures(all(reader, |reader| table_features::decode(version, false, reader))?)
        }
        Kind::PortDesc => Reply::PortDesc(all(reader, |reader| port::decode(version, reader))?),
        Kind::TableDesc => Reply::TableDesc(all(reader, tables::decode_desc)?),
        Kind::QueueDesc => Reply::QueueDesc(all(reader, |reader| queues::decode_desc(version, reader))?),
        Kind::FlowMonitor => {
            let updates = all(reader, |reader| monitors::decode_update(version, reader))?;
            match updates[..] {
                // These are messages of their own before 1.4.
                [FlowUpdate::Paused] => return Ok((Message::FlowMonitorPaused, false)),
                [FlowUpdate::Resumed] => return Ok((Message::FlowMonitorResumed, false)),
                _ => Reply::FlowMonitor(updates),
            }
        }
        Kind::Ipfix => return Err(Code::NxNotConfigured),
    };
    reader.end()?;
    Ok((Message::MultipartReply(reply, more), nicira))
}

/// As many as there are.
fn all<'a, T>(
    reader: &mut Reader<'a>,
    one: impl Fn(&mut Reader<'a>) -> Result<T, Code>,
) -> Result<Vec<T>, Code> {
    let mut all = Vec::new();
    while !reader.is_empty() {
        all.push(one(reader)?);
    }
    Ok(all)
}
