//! From a message to bytes.

use super::extensions::Extension;
use super::kinds::Kind;
use super::{
    asynchronous, bundles, features, flow_mod, flow_removed, group_mod, hello, meters, multipart, packet_in,
    packet_out, port, queues, refusals, roles, tables, tlv,
};
use crate::openflow::wire::Writer;
use crate::openflow::{Envelope, FlowUpdate, Message, PacketInFormat, Reply, Version};
use bytes::Bytes;
use datapath::tunnel::OptionMap;
use std::sync::Arc;

/// Writes a message for a connection that speaks `version`; None if the version has no words for it, or a message no room. Answers to
/// multipart requests can be too long for one message: [`super::parts`] writes them in several.
pub fn encode(version: Version, envelope: &Envelope) -> Option<Bytes> {
    encode_knowing(version, &Arc::default(), envelope)
}

/// As [`encode`], where Geneve options are called so.
pub(super) fn encode_knowing(
    version: Version,
    options: &Arc<OptionMap>,
    envelope: &Envelope,
) -> Option<Bytes> {
    let number = match &envelope.message {
        Message::Hello(versions) => hello::version(versions),
        _ => version as u8,
    };
    let mut out = Out { version, writer: Writer::knowing(options.clone()) };
    out.writer.u8(number).u8(0).u16(0).u32(envelope.xid);
    out.message(envelope)?;
    let mut writer = out.writer;
    if writer.len() > usize::from(u16::MAX) {
        return None;
    }
    writer.put_len(2, 0);
    Some(writer.into_bytes().into())
}

/// Writes the header of an answer to a multipart request.
pub(super) fn begin_reply(version: Version, envelope: &Envelope, writer: &mut Writer) -> Option<()> {
    writer.u8(version as u8).u8(Kind::MultipartReply.number(version)?).u16(0).u32(envelope.xid);
    Some(())
}

/// A message that is being written: its kind is set in the header when it is known.
struct Out {
    version: Version,
    writer: Writer,
}

impl Out {
    /// It is of this kind.
    fn kind(&mut self, kind: Kind) -> Option<&mut Writer> {
        let number = kind.number(self.version)?;
        self.writer.put_u8(1, number);
        Some(&mut self.writer)
    }

    /// It is of this kind, which an experimenter defines.
    fn extension(&mut self, extension: Extension) -> Option<&mut Writer> {
        let (who, number) = extension.number(self.version)?;
        Some(self.kind(Kind::Experimenter)?.u32(who).u32(number))
    }

    /// It is of this kind, or where the version does not have that, of that which an experimenter defines.
    fn kind_or(&mut self, kind: Kind, extension: Extension) -> Option<&mut Writer> {
        match kind.number(self.version) {
            Some(_) => self.kind(kind),
            None => self.extension(extension),
        }
    }

    fn message(&mut self, envelope: &Envelope) -> Option<()> {
        let (version, nicira) = (self.version, envelope.nicira);
        match &envelope.message {
            Message::Hello(versions) => hello::encode(versions, self.kind(Kind::Hello)?),
            Message::Error(refusal) => refusals::encode(version, refusal, self.kind(Kind::Error)?),
            Message::EchoRequest(data) => {
                self.kind(Kind::EchoRequest)?.bytes(data);
            }
            Message::EchoReply(data) => {
                self.kind(Kind::EchoReply)?.bytes(data);
            }
            Message::FeaturesRequest => {
                self.kind(Kind::FeaturesRequest)?;
            }
            Message::FeaturesReply(of) => features::encode(version, of, self.kind(Kind::FeaturesReply)?),
            Message::GetConfigRequest => {
                self.kind(Kind::GetConfigRequest)?;
            }
            Message::GetConfigReply(config) => {
                features::encode_config(version, config, self.kind(Kind::GetConfigReply)?);
            }
            Message::SetConfig(config) => {
                features::encode_config(version, config, self.kind(Kind::SetConfig)?);
            }
            Message::PortStatus(change, port) => {
                port::encode_status(version, *change, port, self.kind(Kind::PortStatus)?);
            }
            Message::PortMod(change) => port::encode_mod(version, change, self.kind(Kind::PortMod)?),
            Message::BarrierRequest => {
                self.kind(Kind::BarrierRequest)?;
            }
            Message::BarrierReply => {
                self.kind(Kind::BarrierReply)?;
            }
            Message::RoleRequest(role) if nicira || version == Version::V10 => {
                roles::encode_nicira(role, self.extension(Extension::RoleRequest)?);
            }
            Message::RoleReply(role) if nicira || version == Version::V10 => {
                roles::encode_nicira(role, self.extension(Extension::RoleReply)?);
            }
            Message::RoleRequest(role) => roles::encode_request(role, self.kind(Kind::RoleRequest)?),
            Message::RoleReply(role) => roles::encode_reply(role, self.kind(Kind::RoleReply)?),
            Message::TableStatus(event, desc) => {
                tables::encode_status(*event, desc, self.kind(Kind::TableStatus)?);
            }
            Message::RoleStatus(role) => {
                roles::encode_status(role, self.kind_or(Kind::RoleStatus, Extension::RoleStatus)?);
            }
            // 1.0 can set them, by an extension, and not ask for them.
            Message::GetAsyncRequest | Message::GetAsyncReply(_) if version == Version::V10 => return None,
            Message::GetAsyncRequest => {
                self.kind(Kind::GetAsyncRequest)?;
            }
            Message::GetAsyncReply(of) => {
                let (all, writer) = (asynchronous::all(of), self.kind(Kind::GetAsyncReply)?);
                match version {
                    Version::V10 | Version::V13 => asynchronous::encode_masks(version, &all, writer),
                    Version::V14 | Version::V15 => asynchronous::encode_properties(version, &all, writer),
                }
            }
            Message::SetAsync(change) => match version {
                Version::V10 | Version::V13 if nicira => {
                    let writer = self.extension(Extension::SetAsyncProperties)?;
                    asynchronous::encode_properties(version, change, writer);
                }
                Version::V10 | Version::V13 => {
                    let writer = self.kind_or(Kind::SetAsync, Extension::SetAsync)?;
                    asynchronous::encode_masks(version, change, writer);
                }
                Version::V14 | Version::V15 => {
                    asynchronous::encode_properties(version, change, self.kind(Kind::SetAsync)?);
                }
            },
            Message::RequestForward(request) => {
                let request = encode_knowing(version, &self.writer.options(), request)?;
                self.kind_or(Kind::RequestForward, Extension::RequestForward)?.bytes(&request);
            }
            Message::BundleControl(control) => {
                let writer = self.kind_or(Kind::BundleControl, Extension::BundleControl)?;
                bundles::encode_control(control, writer);
            }
            Message::BundleAdd(add) => {
                bundles::encode_add(add, self.kind_or(Kind::BundleAdd, Extension::BundleAdd)?);
            }
            Message::FlowModTableId(set) => {
                self.extension(Extension::FlowModTableId)?.u8((*set).into()).zeros(7);
            }
            Message::SetFlowFormat(format) => {
                self.extension(Extension::SetFlowFormat)?.u32(*format);
            }
            Message::SetPacketInFormat(format) => {
                let number = match format {
                    PacketInFormat::Standard => 0,
                    PacketInFormat::Nxt => 1,
                    PacketInFormat::Nxt2 => 2,
                };
                self.extension(Extension::SetPacketInFormat)?.u32(number);
            }
            Message::SetControllerId(id) => {
                self.extension(Extension::SetControllerId)?.zeros(6).u16(*id);
            }
            Message::TlvTableMod(change) => {
                tlv::encode_mod(change, self.extension(Extension::TlvTableMod)?);
            }
            Message::TlvTableRequest => {
                self.extension(Extension::TlvTableRequest)?;
            }
            Message::TlvTableReply(table) => {
                tlv::encode_table(table, self.extension(Extension::TlvTableReply)?);
            }
            Message::FlowMonitorCancel(id) if version >= Version::V14 => {
                return multipart::encode_cancel(version, *id, self.kind(Kind::MultipartRequest)?);
            }
            Message::FlowMonitorCancel(id) => {
                self.extension(Extension::MonitorCancel)?.u32(*id);
            }
            Message::FlowMonitorPaused if version >= Version::V14 => self.update(FlowUpdate::Paused)?,
            Message::FlowMonitorPaused => {
                self.extension(Extension::MonitorPaused)?;
            }
            Message::FlowMonitorResumed if version >= Version::V14 => self.update(FlowUpdate::Resumed)?,
            Message::FlowMonitorResumed => {
                self.extension(Extension::MonitorResumed)?;
            }
            Message::PacketIn(packet) => match packet.format {
                PacketInFormat::Standard => packet_in::encode(version, packet, self.kind(Kind::PacketIn)?),
                PacketInFormat::Nxt => {
                    packet_in::encode_nxt(version, packet, self.extension(Extension::PacketIn)?);
                }
                PacketInFormat::Nxt2 => {
                    packet_in::encode_nxt2(version, packet, self.extension(Extension::PacketIn2)?);
                }
            },
            Message::FlowRemoved(removed) if nicira => {
                flow_removed::encode_nicira(version, removed, self.extension(Extension::FlowRemoved)?);
            }
            Message::FlowRemoved(removed) => {
                flow_removed::encode(version, removed, self.kind(Kind::FlowRemoved)?);
            }
            Message::PacketOut(packet) => packet_out::encode(version, packet, self.kind(Kind::PacketOut)?),
            Message::FlowMod(change, buffer) if nicira && version == Version::V10 => {
                flow_mod::encode_nicira(change, *buffer, self.extension(Extension::FlowMod)?);
            }
            Message::FlowMod(change, buffer) => {
                flow_mod::encode(version, change, *buffer, self.kind(Kind::FlowMod)?);
            }
            Message::GroupMod(change) => {
                group_mod::encode(version, change, self.kind_or(Kind::GroupMod, Extension::GroupMod)?);
            }
            Message::BucketMod(change) if matches!(version, Version::V10 | Version::V15) => {
                let writer = self.kind_or(Kind::GroupMod, Extension::GroupMod)?;
                group_mod::encode_buckets(version, change, writer);
            }
            // Single buckets can be changed since 1.5.
            Message::BucketMod(_) => return None,
            Message::TableMod(change) => tables::encode_mod(version, change, self.kind(Kind::TableMod)?),
            Message::MeterMod(change) => meters::encode_mod(change, self.kind(Kind::MeterMod)?),
            Message::MultipartRequest(question, more) => {
                let writer = self.kind(Kind::MultipartRequest)?;
                multipart::encode_request(version, nicira, question, *more, writer)?;
            }
            Message::MultipartReply(reply, more) => {
                let writer = self.kind(Kind::MultipartReply)?;
                multipart::encode_reply(version, nicira, reply, *more, writer)?;
            }
            Message::QueueConfigRequest(port) => {
                let writer = self.kind(Kind::QueueConfigRequest)?;
                queues::encode_config_request(version, *port, writer);
            }
            Message::QueueConfigReply(port, queues) => {
                let writer = self.kind(Kind::QueueConfigReply)?;
                queues::encode_config(version, *port, queues, writer);
            }
            Message::FlowAge => {
                self.extension(Extension::FlowAge)?;
            }
        }
        Some(())
    }

    /// News of flows that are one piece.
    fn update(&mut self, update: FlowUpdate) -> Option<()> {
        let (version, writer) = (self.version, self.kind(Kind::MultipartReply)?);
        multipart::encode_reply(version, false, &Reply::FlowMonitor(vec![update]), false, writer)
    }
}
