//! From bytes to a message.

use super::extensions::Extension;
use super::kinds::Kind;
use super::{
    asynchronous, bundles, features, flow_mod, flow_removed, group_mod, hello, meters, multipart, packet_in,
    packet_out, port, queues, refusals, roles, tables, tlv,
};
use crate::openflow::frames::HEADER;
use crate::openflow::wire::Reader;
use crate::openflow::{Code, Envelope, Message, NICIRA, ONF, PacketInFormat, Version};
use bytes::Bytes;
use datapath::tunnel::OptionMap;

/// Reads a message of a connection that speaks `version`. Hello, errors and echoes are read in any version: they come before one has been
/// agreed on.
///
/// # Errors
/// The message's number and why it is refused; nothing has been done then.
pub fn decode(version: Version, message: &Bytes) -> Result<Envelope, (u32, Code)> {
    decode_knowing(version, OptionMap::EMPTY, message)
}

/// As [`decode`], where Geneve options are called so.
///
/// # Errors
/// As [`decode`].
pub fn decode_knowing(
    version: Version,
    options: &OptionMap,
    message: &Bytes,
) -> Result<Envelope, (u32, Code)> {
    let mut reader = Reader::new(message, Code::BadLen).knowing(options);
    let mut header = || Ok((reader.u8()?, reader.u8()?, reader.u16()?, reader.u32()?));
    let (number, kind, len, xid) = header().map_err(|code| (0, code))?;
    let body = |reader| {
        if usize::from(len) != message.len() {
            return Err(Code::BadLen);
        }
        Body { version, number, kind, xid, whole: message, reader }.decode()
    };
    let (message, nicira) = body(reader).map_err(|code| (xid, code))?;
    Ok(Envelope { xid, nicira, message })
}

/// Whether a message of this kind can wait in a bundle with others. Its type is looked at, not what is in it.
pub(super) fn can_wait(version: Version, kind: u8, raw: &[u8]) -> bool {
    match Kind::of(version, kind) {
        Some(Kind::FlowMod | Kind::GroupMod | Kind::PortMod | Kind::PacketOut | Kind::MeterMod) => true,
        Some(Kind::Experimenter) => {
            let mut reader = Reader::new(raw.get(HEADER..).unwrap_or_default(), Code::BadLen);
            let (Ok(who), Ok(number)) = (reader.u32(), reader.u32()) else { return false };
            matches!(Extension::of(version, who, number), Some(Extension::FlowMod | Extension::GroupMod))
        }
        _ => false,
    }
}

/// A message whose header has been read.
struct Body<'a> {
    version: Version,
    /// The version in the header.
    number: u8,
    kind: u8,
    xid: u32,
    whole: &'a Bytes,
    reader: Reader<'a>,
}

impl Body<'_> {
    /// What it says, and whether it does so in Nicira's words where there are others.
    fn decode(mut self) -> Result<(Message, bool), Code> {
        let kind = Kind::of(self.version, self.kind).ok_or(Code::BadType);
        let message = match kind {
            // These four have been the same ever since.
            Ok(Kind::Hello) => Message::Hello(hello::decode(self.number, self.reader)),
            Ok(Kind::Error) => Message::Error(refusals::decode(&mut self.reader, self.whole)?),
            Ok(Kind::EchoRequest) => Message::EchoRequest(self.rest()),
            Ok(Kind::EchoReply) => Message::EchoReply(self.rest()),
            _ if self.number != self.version as u8 => return Err(Code::BadVersion),
            Ok(Kind::Experimenter) => return self.extension(),
            Ok(Kind::MultipartRequest) => return multipart::decode_request(self.version, &mut self.reader),
            Ok(Kind::MultipartReply) => return multipart::decode_reply(self.version, &mut self.reader),
            kind => {
                let message = self.standard(kind?)?;
                self.reader.end()?;
                message
            }
        };
        Ok((message, false))
    }

    fn rest(&mut self) -> Bytes {
        self.whole.slice_ref(self.reader.take_rest())
    }

    /// A request of another controller, as it came (OpenFlow 1.4.1 section 7.4.6).
    fn forwarded(&mut self) -> Result<Envelope, Code> {
        let raw = self.rest();
        let kind = Reader::new(&raw, Code::BadLen).array::<2>().map(|[_, kind]| kind)?;
        // Only these are forwarded, and no other can be inside of itself.
        match Kind::of(self.version, kind) {
            Some(Kind::GroupMod | Kind::MeterMod) => {}
            Some(Kind::Experimenter) if can_wait(self.version, kind, &raw) => {}
            _ => return Err(Code::BadType),
        }
        decode(self.version, &raw).map_err(|(_, code)| code)
    }

    fn standard(&mut self, kind: Kind) -> Result<Message, Code> {
        let (version, reader, whole) = (self.version, &mut self.reader, self.whole);
        Ok(match kind {
            Kind::PacketIn => Message::PacketIn(Box::new(packet_in::decode(version, reader, whole)?)),
            Kind::FlowRemoved => Message::FlowRemoved(flow_removed::decode(version, reader)?),
            Kind::PacketOut => Message::PacketOut(packet_out::decode(version, reader, whole)?),
            Kind::FlowMod => {
                let (change, buffer) = flow_mod::decode(version, reader)?;
                Message::FlowMod(change, buffer)
            }
            Kind::GroupMod => group_mod::decode(version, reader)?,
            Kind::MeterMod => Message::MeterMod(meters::decode_mod(reader)?),
            Kind::TableMod => Message::TableMod(tables::decode_mod(version, reader)?),
            Kind::QueueConfigRequest => {
                Message::QueueConfigRequest(queues::decode_config_request(version, reader)?)
            }
            Kind::QueueConfigReply => {
                let (port, queues) = queues::decode_config(version, reader)?;
                Message::QueueConfigReply(port, queues)
            }
            Kind::FeaturesRequest => Message::FeaturesRequest,
            Kind::FeaturesReply => Message::FeaturesReply(features::decode(version, reader)?),
            Kind::GetConfigRequest => Message::GetConfigRequest,
            Kind::GetConfigReply => Message::GetConfigReply(features::decode_config(version, reader)?),
            Kind::SetConfig => Message::SetConfig(features::decode_config(version, reader)?),
            Kind::PortStatus => {
                let (change, port) = port::decode_status(version, reader)?;
                Message::PortStatus(change, port)
            }
            Kind::PortMod => Message::PortMod(port::decode_mod(version, reader)?),
            Kind::BarrierRequest => Message::BarrierRequest,
            Kind::BarrierReply => Message::BarrierReply,
            Kind::RoleRequest => Message::RoleRequest(roles::decode_request(reader)?),
            Kind::RoleReply => Message::RoleReply(roles::decode_reply(reader)?),
            Kind::TableStatus => {
                let (event, desc) = tables::decode_status(reader)?;
                Message::TableStatus(event, desc)
            }
            Kind::RoleStatus => Message::RoleStatus(roles::decode_status(reader)?),
            Kind::GetAsyncRequest => Message::GetAsyncRequest,
            Kind::GetAsyncReply => {
                let change = match version {
                    Version::V10 | Version::V13 => asynchronous::decode_masks(version, reader)?,
                    Version::V14 | Version::V15 => asynchronous::decode_properties(version, reader)?,
                };
                Message::GetAsyncReply(asynchronous::whole(&change))
            }
            Kind::SetAsync => Message::SetAsync(match version {
                Version::V10 | Version::V13 => asynchronous::decode_masks(version, reader)?,
                Version::V14 | Version::V15 => asynchronous::decode_properties(version, reader)?,
            }),
            Kind::RequestForward => Message::RequestForward(self.forwarded()?.into()),
            Kind::BundleControl => Message::BundleControl(bundles::decode_control(reader)?),
            Kind::BundleAdd => {
                Message::BundleAdd(bundles::decode_add(version, self.xid, reader, self.whole)?)
            }
            _ => return Err(Code::BadType),
        })
    }

    fn extension(mut self) -> Result<(Message, bool), Code> {
        let (who, number) = (self.reader.u32()?, self.reader.u32()?);
        if who != NICIRA && who != ONF {
            return Err(Code::BadExperimenter);
        }
        let kind = Extension::of(self.version, who, number).ok_or(Code::BadExperimenterType)?;
        let message = self.extended(kind)?;
        self.reader.end()?;
        // Where the version has no words of its own, these are its.
        let nicira = match kind {
            Extension::RoleRequest | Extension::RoleReply => self.version != Version::V10,
            Extension::SetAsyncProperties | Extension::FlowMod | Extension::FlowRemoved => true,
            _ => false,
        };
        Ok((message, nicira))
    }

    fn extended(&mut self, kind: Extension) -> Result<Message, Code> {
        let (version, reader) = (self.version, &mut self.reader);
        Ok(match kind {
            Extension::RoleRequest => Message::RoleRequest(roles::decode_nicira(reader)?),
            Extension::RoleReply => Message::RoleReply(roles::decode_nicira(reader)?),
            Extension::RoleStatus => Message::RoleStatus(roles::decode_status(reader)?),
            Extension::FlowMod => {
                let (change, buffer) = flow_mod::decode_nicira(version, reader)?;
                Message::FlowMod(change, buffer)
            }
            Extension::FlowRemoved => Message::FlowRemoved(flow_removed::decode_nicira(reader)?),
            Extension::PacketIn => Message::PacketIn(Box::new(packet_in::decode_nxt(reader, self.whole)?)),
            Extension::PacketIn2 => Message::PacketIn(Box::new(packet_in::decode_nxt2(reader, self.whole)?)),
            Extension::GroupMod => group_mod::decode(version, reader)?,
            Extension::FlowAge => Message::FlowAge,
            Extension::SetFlowFormat => Message::SetFlowFormat(reader.u32()?),
            Extension::FlowModTableId => {
                let [set, ..] = reader.array::<8>()?;
                Message::FlowModTableId(set != 0)
            }
            Extension::SetPacketInFormat => Message::SetPacketInFormat(match reader.u32()? {
                0 => PacketInFormat::Standard,
                1 => PacketInFormat::Nxt,
                2 => PacketInFormat::Nxt2,
                _ => return Err(Code::Eperm),
            }),
            Extension::SetControllerId => {
                if reader.array::<6>()? != [0; 6] {
                    return Err(Code::NxMustBeZero);
                }
                Message::SetControllerId(reader.u16()?)
            }
            Extension::SetAsync => Message::SetAsync(asynchronous::decode_masks(version, reader)?),
            Extension::SetAsyncProperties => {
                Message::SetAsync(asynchronous::decode_properties(version, reader)?)
            }
            Extension::MonitorCancel => Message::FlowMonitorCancel(reader.u32()?),
            Extension::MonitorPaused => Message::FlowMonitorPaused,
            Extension::MonitorResumed => Message::FlowMonitorResumed,
            Extension::TlvTableMod => Message::TlvTableMod(tlv::decode_mod(reader)?),
            Extension::TlvTableRequest => Message::TlvTableRequest,
            Extension::TlvTableReply => Message::TlvTableReply(tlv::decode_table(reader)?),
            Extension::RequestForward => Message::RequestForward(self.forwarded()?.into()),
            Extension::BundleControl => Message::BundleControl(bundles::decode_control(reader)?),
            Extension::BundleAdd => {
                Message::BundleAdd(bundles::decode_add(version, self.xid, reader, self.whole)?)
            }
            // Frames are not held back here, so none can go on.
            Extension::Resume => return Err(Code::NxResumeNotSupported),
        })
    }
}
