//! Answers, as they are written: in as many messages as they need.

use super::super::encode::encode_knowing;
use super::super::{meters, port, queues, tables};
use super::kinds::{Header, Kind, MORE};
use super::{flows, groups, monitors, ports, table_features};
use crate::openflow::frames::HEADER;
use crate::openflow::wire::Writer;
use crate::openflow::{Envelope, FlowUpdate, Message, Reply, Version};
use bytes::Bytes;
use datapath::tunnel::OptionMap;
use std::ops::Range;
use std::sync::Arc;

/// The longest message.
const MESSAGE_MAX: usize = 0xffff;
/// Where the flags are in the header of an answer.
const FLAGS_AT: usize = HEADER + 2;

/// Writes a message for a connection that speaks `version`, an answer that is too long for one in several: all but the last say that more follows.
/// Nothing, if the version has no words for it. A single entry that is too long for any message is left out, as in Open vSwitch.
pub fn parts(version: Version, envelope: &Envelope) -> Vec<Bytes> {
    parts_knowing(version, &Arc::default(), envelope)
}

/// As [`parts`], where Geneve options are called so.
pub fn parts_knowing(version: Version, options: &Arc<OptionMap>, envelope: &Envelope) -> Vec<Bytes> {
    let Message::MultipartReply(reply, more) = &envelope.message else {
        return encode_knowing(version, options, envelope).into_iter().collect();
    };
    let mut head = Writer::new();
    let Some(()) = super::super::encode::begin_reply(version, envelope, &mut head) else { return Vec::new() };
    let Some(nicira) = header(version, envelope.nicira, reply, *more, &mut head) else { return Vec::new() };
    let room = MESSAGE_MAX - head.len();
    let mut body = Body { bytes: Writer::knowing(options.clone()), ends: Vec::new() };
    body.reply(version, nicira, reply);
    let ranges = pieces(&body.ends, room);
    let last = ranges.len() - 1;
    let message = |(at, range): (usize, Range<usize>)| {
        let mut message = head.clone();
        message.bytes(&body.bytes.as_slice()[range]).put_len(2, 0);
        message.put_u16(FLAGS_AT, if at < last || *more { MORE } else { 0 });
        Bytes::from(message.into_bytes())
    };
    ranges.into_iter().enumerate().map(message).collect()
}

/// What goes into which message, of entries that end here; one message at least.
fn pieces(ends: &[usize], room: usize) -> Vec<Range<usize>> {
    let (mut pieces, mut piece) = (Vec::new(), 0..0);
    for end in ends.iter().copied() {
        let entry = piece.end..end;
        if entry.len() > room {
            pieces.push(std::mem::replace(&mut piece, end..end));
        } else if end - piece.start > room {
            pieces.push(std::mem::replace(&mut piece, entry));
        } else {
            piece.end = end;
        }
    }
    pieces.push(piece);
    pieces.retain(|piece| !piece.is_empty());
    if pieces.is_empty() {
        pieces.push(0..0);
    }
    pieces
}

/// Writes an answer into one message.
pub(in super::super) fn encode_reply(
    version: Version,
    nicira: bool,
    reply: &Reply,
    more: bool,
    writer: &mut Writer,
) -> Option<()> {
    let nicira = header(version, nicira, reply, more, writer)?;
    let mut body = Body { bytes: std::mem::take(writer), ends: Vec::new() };
    body.reply(version, nicira, reply);
    *writer = body.bytes;
    Some(())
}

fn header(version: Version, nicira: bool, reply: &Reply, more: bool, writer: &mut Writer) -> Option<bool> {
    let kind = kind(reply);
    let nicira = nicira && version == Version::V10 && matches!(kind, Kind::Flow | Kind::Aggregate);
    Header { kind, nicira, more }.encode(version, writer).map(|()| nicira)
}

fn kind(reply: &Reply) -> Kind {
    match reply {
        Reply::Desc(_) => Kind::Desc,
        Reply::Flow(_) => Kind::Flow,
        Reply::Aggregate(_) => Kind::Aggregate,
        Reply::Table(_) => Kind::Table,
        Reply::PortStats(_) => Kind::PortStats,
        Reply::QueueStats(_) => Kind::QueueStats,
        Reply::GroupStats(_) => Kind::GroupStats,
        Reply::GroupDesc(_) => Kind::GroupDesc,
        Reply::GroupFeatures(_) => Kind::GroupFeatures,
        Reply::MeterStats(_) => Kind::MeterStats,
        Reply::MeterConfig(_) => Kind::MeterConfig,
        Reply::MeterFeatures(_) => Kind::MeterFeatures,
        Reply::TableFeatures(_) => Kind::TableFeatures,
        Reply::PortDesc(_) => Kind::PortDesc,
        Reply::TableDesc(_) => Kind::TableDesc,
        Reply::QueueDesc(_) => Kind::QueueDesc,
        Reply::FlowMonitor(_) => Kind::FlowMonitor,
    }
}

/// What is behind the header, and where each entry ends.
struct Body {
    bytes: Writer,
    ends: Vec<usize>,
}

impl Body {
    fn each<T>(&mut self, all: &[T], mut one: impl FnMut(&T, &mut Writer)) {
        for entry in all {
            one(entry, &mut self.bytes);
            self.ends.push(self.bytes.len());
        }
    }

    fn reply(&mut self, version: Version, nicira: bool, reply: &Reply) {
        match reply {
            Reply::Desc(desc) => self.each(&[desc], |desc, writer| {
                writer.name(&desc.manufacturer, 256).name(&desc.hardware, 256).name(&desc.software, 256);
                writer.name(&desc.serial, 32).name(&desc.datapath, 256);
            }),
            Reply::Flow(all) => self.each(all, |flow, writer| flows::encode(version, nicira, flow, writer)),
            Reply::Aggregate(sums) => {
                self.each(&[sums], |sums, writer| flows::encode_aggregate(version, sums, writer));
            }
            Reply::Table(all) => self.each(all, |stats, writer| tables::encode_stats(version, stats, writer)),
            Reply::PortStats(all) => {
                self.each(all, |stats, writer| ports::encode_stats(version, stats, writer))
            }
            Reply::QueueStats(all) => {
                self.each(all, |stats, writer| queues::encode_stats(version, stats, writer));
            }
            Reply::GroupStats(all) => self.each(all, groups::encode_stats),
            Reply::GroupDesc(all) => {
                self.each(all, |(id, group), writer| groups::encode_desc(version, *id, group, writer));
            }
            Reply::GroupFeatures(features) => {
                self.each(&[features], |features, writer| groups::encode_features(features, writer));
            }
            Reply::MeterStats(all) => self.each(all, meters::encode_stats),
            Reply::MeterConfig(all) => {
                self.each(all, |(id, spec), writer| meters::encode_config(*id, spec, writer));
            }
            Reply::MeterFeatures(features) => {
                self.each(&[features], |features, writer| meters::encode_features(features, writer));
            }
            Reply::TableFeatures(all) => self.each(all, table_features::encode),
            Reply::PortDesc(all) => self.each(all, |one, writer| port::encode(version, one, writer)),
            Reply::TableDesc(all) => {
                self.each(all, tables::encode_desc);
            }
            Reply::QueueDesc(all) => {
                self.each(all, |queue, writer| queues::encode_desc(version, queue, writer))
            }
            Reply::FlowMonitor(all) => {
                self.each(all, |update: &FlowUpdate, writer| {
                    monitors::encode_update(version, update, writer)
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    fn pieces(ends: &[usize], room: usize) -> Vec<(usize, usize)> {
        super::pieces(ends, room).iter().map(|piece| (piece.start, piece.end)).collect()
    }

    #[test]
    fn entries_go_into_as_few_messages_as_they_fit_in_order() {
        assert_eq!(pieces(&[], 10), [(0, 0)]);
        assert_eq!(pieces(&[4, 10], 10), [(0, 10)]);
        assert_eq!(pieces(&[4, 8, 12, 16, 20], 10), [(0, 8), (8, 16), (16, 20)]);
    }

    #[test]
    fn an_entry_that_fits_no_message_is_left_out() {
        assert_eq!(pieces(&[4, 15, 19], 10), [(0, 4), (15, 19)]);
        assert_eq!(pieces(&[11], 10), [(0, 0)]);
    }
}
