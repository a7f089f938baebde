//! Frames that are told to a controller (OpenFlow 1.3.5 section 7.4.1), and Nicira's two formats for all versions.

use super::matches;
use super::properties::{self, Property};
use crate::openflow::matching::{decode_nxm, decode_oxm, encode_nxm, encode_oxm};
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, PacketIn, PacketInFormat, Version, ports};
use bytes::Bytes;
use datapath::action::punt::{NO_COOKIE, Reason};
use datapath::flow::{Field, FlowKey};
use datapath::pipeline::{Match, TableId};

/// `OFP_NO_BUFFER`.
const NO_BUFFER: u32 = u32::MAX;
/// What a message of 64 KiB leaves for the frame, whatever is said of it.
const DATA_MAX: usize = 60_000;

/// The properties of NXT_PACKET_IN2 (`NXPINT_*`).
mod property {
    pub(super) const PACKET: u16 = 0;
    pub(super) const FULL_LEN: u16 = 1;
    pub(super) const BUFFER_ID: u16 = 2;
    pub(super) const TABLE_ID: u16 = 3;
    pub(super) const COOKIE: u16 = 4;
    pub(super) const REASON: u16 = 5;
    pub(super) const METADATA: u16 = 6;
    pub(super) const USERDATA: u16 = 7;
    pub(super) const CONTINUATION: u16 = 8;
}

fn reason(number: u8) -> Result<Reason, Code> {
    Reason::ALL.get(usize::from(number)).copied().ok_or(Code::NxBadReason)
}

/// What the version calls it: 1.4 has made several reasons of one.
fn reason_number(version: Version, reason: Reason) -> u8 {
    match reason {
        Reason::ActionSet | Reason::Group | Reason::PacketOut if version < Version::V14 => {
            Reason::Action as u8
        }
        _ => reason as u8,
    }
}

/// What is known of a frame beside its bytes, as a match: whatever is not zero.
fn known(says: &FlowKey) -> Match {
    let combined = |field: &&Field| !(Field::Xreg0..=Field::Xxreg3).contains(*field);
    let mut mask = FlowKey::default();
    for field in Field::ALL.iter().filter(combined).filter(|field| says.get(**field) != 0).copied() {
        mask.set(field, Field::max(field));
    }
    Match::of(says, &mask)
}

/// Reads it in the version's own format.
pub(super) fn decode(version: Version, reader: &mut Reader<'_>, whole: &Bytes) -> Result<PacketIn, Code> {
    reader.skip(4)?;
    let total_len = reader.u16()?;
    let (table, cookie, says);
    let why;
    if version == Version::V10 {
        let mut key = FlowKey::default();
        key.set(Field::InPort, ports::from_short(reader.u16()?).0.into());
        why = reason(reader.u8()?)?;
        reader.skip(1)?;
        (table, cookie, says) = (0, NO_COOKIE, key);
    } else {
        why = reason(reader.u8()?)?;
        (table, cookie) = (reader.u8()?, reader.u64()?);
        says = decode_oxm(reader)?.key();
        reader.skip(2)?;
    }
    let data = whole.slice_ref(reader.take_rest());
    Ok(PacketIn {
        format: PacketInFormat::Standard,
        total_len,
        reason: why,
        table: TableId(table),
        cookie,
        says,
        userdata: Bytes::new(),
        data,
    })
}

/// Writes it in the version's own format.
pub(super) fn encode(version: Version, packet: &PacketIn, writer: &mut Writer) {
    let reason = reason_number(version, packet.reason);
    writer.u32(NO_BUFFER).u16(packet.total_len);
    if version == Version::V10 {
        let port = datapath::flow::OfPort(packet.says.get(Field::InPort) as u32);
        writer.u16(ports::to_short(port)).u8(reason).zeros(1);
    } else {
        writer.u8(reason).u8(packet.table.0).u64(packet.cookie);
        encode_oxm(&known(&packet.says), writer, version);
        writer.zeros(2);
    }
    writer.bytes(data(packet));
}

fn data(packet: &PacketIn) -> &[u8] {
    packet.data.get(..DATA_MAX).unwrap_or(&packet.data)
}

/// Reads it as NXT_PACKET_IN.
pub(super) fn decode_nxt(reader: &mut Reader<'_>, whole: &Bytes) -> Result<PacketIn, Code> {
    reader.skip(4)?;
    let (total_len, reason) = (reader.u16()?, reason(reader.u8()?)?);
    let (table, cookie, match_len) = (TableId(reader.u8()?), reader.u64()?, reader.u16()?);
    reader.skip(6)?;
    let says = decode_nxm(&mut matches::fields(reader, match_len)?)?.key();
    reader.skip(2)?;
    let data = whole.slice_ref(reader.take_rest());
    let format = PacketInFormat::Nxt;
    Ok(PacketIn { format, total_len, reason, table, cookie, says, userdata: Bytes::new(), data })
}

/// Writes it as NXT_PACKET_IN.
pub(super) fn encode_nxt(version: Version, packet: &PacketIn, writer: &mut Writer) {
    writer.u32(NO_BUFFER).u16(packet.total_len).u8(reason_number(version, packet.reason));
    writer.u8(packet.table.0).u64(packet.cookie);
    let at = writer.len();
    writer.u16(0).zeros(6);
    let len = matches::put(&known(&packet.says), writer);
    writer.put_u16(at, len);
    writer.zeros(2).bytes(data(packet));
}

/// Reads it as NXT_PACKET_IN2.
///
/// # Errors
/// `OFPBPC_*` for properties; `OFPBRC_BAD_LEN` for one that has no frame, or says that it was shorter than it is.
pub(super) fn decode_nxt2(reader: &mut Reader<'_>, whole: &Bytes) -> Result<PacketIn, Code> {
    let mut packet = PacketIn {
        format: PacketInFormat::Nxt2,
        total_len: 0,
        reason: Reason::NoMatch,
        table: TableId(0),
        cookie: NO_COOKIE,
        says: FlowKey::default(),
        userdata: Bytes::new(),
        data: Bytes::new(),
    };
    let mut total = 0;
    while let Some((property, mut value)) = properties::next(reader)? {
        let Property::Standard(kind) = property else { return Err(property.unknown()) };
        match kind {
            property::PACKET => packet.data = whole.slice_ref(value.take_rest()),
            property::FULL_LEN => total = value.u32()?,
            // There are no buffers here, and frames cannot be continued.
            property::BUFFER_ID | property::CONTINUATION => {
                value.take_rest();
            }
            property::TABLE_ID => {
                packet.table = TableId(value.u8()?);
                value.take_rest();
            }
            property::COOKIE => {
                value.skip(4)?;
                packet.cookie = value.u64()?;
            }
            property::REASON => {
                packet.reason = reason(value.u8()?)?;
                value.take_rest();
            }
            property::METADATA => packet.says = decode_nxm(&mut value)?.key(),
            property::USERDATA => packet.userdata = whole.slice_ref(value.take_rest()),
            _ => return Err(Code::BadPropertyType),
        }
        value.end()?;
    }
    let len = u32::try_from(packet.data.len()).map_err(|_| Code::BadLen)?;
    let total = if total == 0 { len } else { total };
    if len == 0 || total < len {
        return Err(Code::BadLen);
    }
    packet.total_len = u16::try_from(total).map_err(|_| Code::BadLen)?;
    Ok(packet)
}

/// Writes it as NXT_PACKET_IN2.
pub(super) fn encode_nxt2(version: Version, packet: &PacketIn, writer: &mut Writer) {
    let data = data(packet);
    properties::put(writer, property::PACKET, |writer| {
        writer.bytes(data);
    });
    if usize::from(packet.total_len) != data.len() {
        properties::put(writer, property::FULL_LEN, |writer| {
            writer.u32(packet.total_len.into());
        });
    }
    properties::put(writer, property::TABLE_ID, |writer| {
        writer.u8(packet.table.0);
    });
    if packet.cookie != NO_COOKIE {
        properties::put(writer, property::COOKIE, |writer| {
            writer.zeros(4).u64(packet.cookie);
        });
    }
    properties::put(writer, property::REASON, |writer| {
        writer.u8(reason_number(version, packet.reason));
    });
    properties::put(writer, property::METADATA, |writer| {
        encode_nxm(&known(&packet.says), writer);
    });
    if !packet.userdata.is_empty() {
        properties::put(writer, property::USERDATA, |writer| {
            writer.bytes(&packet.userdata);
        });
    }
}
