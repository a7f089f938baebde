//! Frames that a controller sends (OpenFlow 1.3.5 section 7.3.7, 1.5.1 section 7.3.6).

use super::port;
use crate::ofproto::reserved;
use crate::openflow::matching::{encode_oxm, read_value};
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, PacketOut, Version, actions};
use bytes::Bytes;
use datapath::flow::{Field, OfPort};
use datapath::pipeline::Match;

/// `OFPMT_OXM`.
const OXM: u16 = 1;
/// `OFP_NO_BUFFER`.
const NO_BUFFER: u32 = u32::MAX;

/// Reads a frame to send. Whether one can come in by the port that it says is the switch's affair.
///
/// # Errors
/// `OFPBRC_BAD_PORT` for what is no port; `OFPBRC_BAD_LEN` for actions that are not there, and what is wrong with those that are.
pub(super) fn decode(version: Version, reader: &mut Reader<'_>, whole: &Bytes) -> Result<PacketOut, Code> {
    let buffer_id = Some(reader.u32()?).filter(|buffer| *buffer != NO_BUFFER);
    let (says, actions_len);
    if version == Version::V15 {
        actions_len = reader.u16()?;
        reader.skip(2)?;
        says = known(reader)?;
        if says.mask().get(Field::InPort) == 0 {
            return Err(Code::BadPort);
        }
    } else {
        let port = port::number(version, reader, Code::BadPort)?;
        says = Match::any().exact(Field::InPort, port.0.into());
        actions_len = reader.u16()?;
        if version != Version::V10 {
            reader.skip(6)?;
        }
    }
    let mut list = reader.part(actions_len.into(), Code::BadActionLen)?;
    let actions = actions::decode_packet_out(version, &mut list)?;
    let data = whole.slice_ref(reader.take_rest());
    Ok(PacketOut { buffer_id, says, actions, data: if buffer_id.is_some() { Bytes::new() } else { data } })
}

/// What is said of the frame beside its bytes. Fields that nobody knows here are passed over, as in Open vSwitch (`lib/ofp-packet.c`); whether those
/// that are known are no part of the frame is looked at when it is sent.
fn known(reader: &mut Reader<'_>) -> Result<Match, Code> {
    let (kind, len) = (reader.u16()?, usize::from(reader.u16()?));
    if kind != OXM {
        return Err(Code::BadMatchType);
    }
    let rest = len.next_multiple_of(8).checked_sub(4).ok_or(Code::BadMatchLen)?;
    let mut fields = reader.part(rest, Code::BadMatchLen).map_err(|_| Code::BadMatchLen)?;
    fields = fields.part(len.checked_sub(4).ok_or(Code::BadMatchLen)?, Code::BadMatchLen)?;
    let mut says = Match::any();
    while !fields.is_empty() {
        match read_value(&mut fields, Code::BadField, Code::BadField) {
            Err(Code::BadField) => continue,
            value => {
                let value = value?;
                value.check()?;
                let (field, value, mask) = value.bits();
                says.require(field, value, mask);
            }
        }
    }
    Ok(says)
}

/// Writes a frame to send.
pub(super) fn encode(version: Version, packet: &PacketOut, writer: &mut Writer) {
    writer.u32(packet.buffer_id.unwrap_or(NO_BUFFER));
    let len_at;
    if version == Version::V15 {
        len_at = writer.len();
        writer.u16(0).zeros(2);
        encode_oxm(&packet.says, writer, version);
    } else {
        let port = match packet.says.mask().get(Field::InPort) {
            0 => reserved::ANY,
            _ => OfPort(packet.says.key().get(Field::InPort) as u32),
        };
        port::put_number(version, port, writer);
        len_at = writer.len();
        writer.u16(0).zeros(if version == Version::V10 { 0 } else { 6 });
    }
    let start = writer.len();
    actions::encode(version, &packet.actions, writer);
    writer.put_len(len_at, start);
    writer.bytes(&packet.data);
}
