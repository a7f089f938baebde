//! Questions.

use super::super::{meters, queues};
use super::kinds::{Header, Kind};
use super::monitors::{self, Wanted};
use super::{flows, groups, ports, table_features};
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, Message, Question, Version};

/// Reads a question, and whether it is in Nicira's words where there are others.
///
/// # Errors
/// What is wrong with its header, its length, or what is in it.
pub(in super::super) fn decode(version: Version, reader: &mut Reader<'_>) -> Result<(Message, bool), Code> {
    let Header { kind, nicira, more } = Header::decode(version, reader)?;
    let question = match kind {
        Kind::Desc => Question::Desc,
        Kind::Flow => Question::Flow(flows::decode_filter(version, nicira, reader)?),
        Kind::Aggregate => Question::Aggregate(flows::decode_filter(version, nicira, reader)?),
        Kind::Table => Question::Table,
        Kind::PortStats => Question::PortStats(ports::decode_request(version, reader)?),
        Kind::QueueStats => {
            let (port, queue) = queues::decode_request(version, reader)?;
            Question::QueueStats(port, queue)
        }
        Kind::GroupStats => Question::GroupStats(groups::decode_request(reader)?),
        // Which one, can be said since 1.5, and in Nicira's question.
        Kind::GroupDesc if matches!(version, Version::V13 | Version::V14) => Question::GroupDesc(None),
        Kind::GroupDesc => Question::GroupDesc(groups::decode_request(reader)?),
        Kind::GroupFeatures => Question::GroupFeatures,
        Kind::MeterStats => Question::MeterStats(meters::decode_request(reader)?),
        Kind::MeterConfig => Question::MeterConfig(meters::decode_request(reader)?),
        Kind::MeterFeatures => Question::MeterFeatures,
        Kind::TableFeatures => {
            let mut all = Vec::new();
            while !reader.is_empty() {
                all.push(table_features::decode(version, true, reader)?);
            }
            Question::TableFeatures(all)
        }
        Kind::PortDesc if version != Version::V15 => Question::PortDesc(None),
        Kind::PortDesc => Question::PortDesc(ports::decode_request(version, reader)?),
        Kind::TableDesc => Question::TableDesc,
        Kind::QueueDesc => {
            let (port, queue) = queues::decode_request(version, reader)?;
            Question::QueueDesc(port, queue)
        }
        Kind::FlowMonitor => return monitor(version, more, reader),
        Kind::Ipfix => return Err(Code::NxNotConfigured),
    };
    reader.end()?;
    Ok((Message::MultipartRequest(question, more), nicira))
}

fn monitor(version: Version, more: bool, reader: &mut Reader<'_>) -> Result<(Message, bool), Code> {
    let mut all = Vec::new();
    while !reader.is_empty() {
        match monitors::decode(version, reader)? {
            Wanted::News(monitor) => all.push(monitor),
            // Alone it is what older versions have a message for; among others it cannot be said here.
            Wanted::Cancel(id) if all.is_empty() && reader.is_empty() && !more => {
                return Ok((Message::FlowMonitorCancel(id), false));
            }
            Wanted::Cancel(_) => return Err(Code::MonitorBadCommand),
        }
    }
    Ok((Message::MultipartRequest(Question::FlowMonitor(all), more), false))
}

/// Writes a question; None if the version does not have it.
pub(in super::super) fn encode(
    version: Version,
    nicira: bool,
    question: &Question,
    more: bool,
    writer: &mut Writer,
) -> Option<()> {
    let mut head = |kind: Kind| {
        let nicira = nicira && version == Version::V10 && matches!(kind, Kind::Flow | Kind::Aggregate);
        Header { kind, nicira, more }.encode(version, writer).map(|()| nicira)
    };
    match question {
        Question::Desc => drop(head(Kind::Desc)?),
        Question::Flow(filter) => {
            let nicira = head(Kind::Flow)?;
            flows::encode_filter(version, nicira, filter, writer);
        }
        Question::Aggregate(filter) => {
            let nicira = head(Kind::Aggregate)?;
            flows::encode_filter(version, nicira, filter, writer);
        }
        Question::Table => drop(head(Kind::Table)?),
        Question::PortStats(port) => {
            head(Kind::PortStats)?;
            ports::encode_request(version, *port, writer);
        }
        Question::QueueStats(port, queue) => {
            head(Kind::QueueStats)?;
            queues::encode_request(version, *port, *queue, writer);
        }
        Question::GroupStats(group) => {
            head(Kind::GroupStats)?;
            groups::encode_request(*group, writer);
        }
        Question::GroupDesc(group) => {
            head(Kind::GroupDesc)?;
            if !matches!(version, Version::V13 | Version::V14) {
                groups::encode_request(*group, writer);
            }
        }
        Question::GroupFeatures => drop(head(Kind::GroupFeatures)?),
        Question::MeterStats(meter) => {
            head(Kind::MeterStats)?;
            meters::encode_request(*meter, writer);
        }
        Question::MeterConfig(meter) => {
            head(Kind::MeterConfig)?;
            meters::encode_request(*meter, writer);
        }
        Question::MeterFeatures => drop(head(Kind::MeterFeatures)?),
        Question::TableFeatures(all) => {
            head(Kind::TableFeatures)?;
            all.iter().for_each(|features| table_features::encode(features, writer));
        }
        Question::PortDesc(port) => {
            head(Kind::PortDesc)?;
            if version == Version::V15 {
                ports::encode_request(version, *port, writer);
            }
        }
        Question::TableDesc => drop(head(Kind::TableDesc)?),
        Question::QueueDesc(port, queue) => {
            head(Kind::QueueDesc)?;
            queues::encode_request(version, *port, *queue, writer);
        }
        Question::FlowMonitor(all) => {
            head(Kind::FlowMonitor)?;
            all.iter().for_each(|monitor| monitors::encode(version, monitor, writer));
        }
    }
    Some(())
}

/// Writes that no news are wanted any more for a number, since 1.4.
pub(in super::super) fn encode_cancel(version: Version, id: u32, writer: &mut Writer) -> Option<()> {
    Header { kind: Kind::FlowMonitor, nicira: false, more: false }.encode(version, writer)?;
    monitors::encode_cancel(version, id, writer);
    Some(())
}
