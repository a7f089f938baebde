//! Ports: what they are, what happened to them, and how they shall be (OpenFlow 1.3.5 sections 7.2.1, 7.3.4.3 and 7.4.3).

use super::properties::{self, Property};
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, PortChange, PortDesc, PortMod, Version, ports};

/// Bytes of a port in 1.0.
pub(super) const V10_LEN: usize = 48;
const NAME_LEN: usize = 16;
/// `OFPPC_PORT_DOWN`, `_NO_RECV`, `_NO_FWD`, `_NO_PACKET_IN`.
const CONFIG: u32 = 0x65;
/// Those, and `OFPPC_NO_STP`, `_NO_RECV_STP`, `_NO_FLOOD` of 1.0.
const CONFIG_10: u32 = 0x7f;
/// `OFPPS_LINK_DOWN`, `_BLOCKED`, `_LIVE`.
const STATE: u32 = 7;
/// `OFPPS_LINK_DOWN` and `OFPPS_STP_*` of 1.0.
const STATE_10: u32 = 0x301;

fn config_bits(version: Version) -> u32 {
    if version == Version::V10 { CONFIG_10 } else { CONFIG }
}

/// `OFPPF_*`: up to 10 Gbit/s they are the same. Where 1.0 has the medium, 1.3 has faster rates.
fn features_from_v10(bits: u32) -> u32 {
    bits & 0x7f | (bits & 0xf80) << 4
}

fn features_to_v10(bits: u32) -> u32 {
    bits & 0x7f | bits >> 4 & 0xf80
}

/// A port's number in the version's width. One that cannot be one is `wrong`.
pub(super) fn number(
    version: Version,
    reader: &mut Reader<'_>,
    wrong: Code,
) -> Result<datapath::flow::OfPort, Code> {
    match version {
        Version::V10 => Ok(ports::from_short(reader.u16()?)),
        _ => ports::from_wide(reader.u32()?).map_err(|_| wrong),
    }
}

/// A port's number in the version's width, or None for all of them (`OFPP_NONE`, `OFPP_ANY`).
pub(super) fn number_or_all(
    version: Version,
    reader: &mut Reader<'_>,
    wrong: Code,
) -> Result<Option<datapath::flow::OfPort>, Code> {
    Ok(Some(number(version, reader, wrong)?).filter(|port| *port != crate::ofproto::reserved::ANY))
}

/// Writes a port's number in the version's width.
pub(super) fn put_number(version: Version, port: datapath::flow::OfPort, writer: &mut Writer) {
    match version {
        Version::V10 => writer.u16(ports::to_short(port)),
        _ => writer.u32(ports::to_wide(port)),
    };
}

/// Reads a port.
pub(super) fn decode(version: Version, reader: &mut Reader<'_>) -> Result<PortDesc, Code> {
    match version {
        Version::V10 => decode_v10(reader),
        Version::V13 => decode_v13(reader),
        Version::V14 | Version::V15 => decode_v14(reader),
    }
}

fn decode_v10(reader: &mut Reader<'_>) -> Result<PortDesc, Code> {
    let port = PortDesc {
        number: ports::from_short(reader.u16()?),
        mac: reader.array()?,
        name: reader.name::<NAME_LEN>()?,
        config: reader.u32()? & CONFIG_10,
        state: reader.u32()? & STATE_10,
        current: features_from_v10(reader.u32()?),
        advertised: features_from_v10(reader.u32()?),
        supported: features_from_v10(reader.u32()?),
        peer: features_from_v10(reader.u32()?),
        current_speed: 0,
        max_speed: 0,
    };
    // 1.0 does not say speeds: they follow from the rates, as in Open vSwitch (`lib/ofp-port.c`).
    let (current_speed, max_speed) = (kbps(port.current), kbps(port.supported));
    Ok(PortDesc { current_speed, max_speed, ..port })
}

/// The fastest of the rates, in kbit/s.
fn kbps(features: u32) -> u32 {
    const RATES: [(u32, u32); 7] = [
        (1 << 9, 1_000_000_000),
        (1 << 8, 100_000_000),
        (1 << 7, 40_000_000),
        (1 << 6, 10_000_000),
        (3 << 4, 1_000_000),
        (3 << 2, 100_000),
        (3, 10_000),
    ];
    RATES.iter().find(|(bits, _)| features & bits != 0).map_or(0, |(_, kbps)| *kbps)
}

fn decode_v13(reader: &mut Reader<'_>) -> Result<PortDesc, Code> {
    let number = ports::from_wide(reader.u32()?)?;
    reader.skip(4)?;
    let mac = reader.array()?;
    reader.skip(2)?;
    Ok(PortDesc {
        number,
        mac,
        name: reader.name::<NAME_LEN>()?,
        config: reader.u32()? & CONFIG,
        state: reader.u32()? & STATE,
        current: reader.u32()?,
        advertised: reader.u32()?,
        supported: reader.u32()?,
        peer: reader.u32()?,
        current_speed: reader.u32()?,
        max_speed: reader.u32()?,
    })
}

fn decode_v14(reader: &mut Reader<'_>) -> Result<PortDesc, Code> {
    let number = ports::from_wide(reader.u32()?)?;
    let len = usize::from(reader.u16()?);
    let mut rest = reader.part(len.checked_sub(6).ok_or(Code::BadLen)?, Code::BadLen)?;
    rest.skip(2)?;
    let mac = rest.array()?;
    rest.skip(2)?;
    let mut port = PortDesc::named(number, mac, rest.name::<NAME_LEN>()?);
    (port.config, port.state) = (rest.u32()? & CONFIG, rest.u32()? & STATE);
    while let Some((property, mut value)) = properties::next(&mut rest)? {
        // Optical and other properties say nothing that is wanted here.
        if property == Property::Standard(0) {
            value.skip(4)?;
            (port.current, port.advertised) = (value.u32()?, value.u32()?);
            (port.supported, port.peer) = (value.u32()?, value.u32()?);
            (port.current_speed, port.max_speed) = (value.u32()?, value.u32()?);
        }
    }
    Ok(port)
}

/// Writes a port.
pub(super) fn encode(version: Version, port: &PortDesc, writer: &mut Writer) {
    let start = writer.len();
    put_number(version, port.number, writer);
    match version {
        Version::V10 => writer.bytes(&port.mac),
        Version::V13 => writer.zeros(4).bytes(&port.mac).zeros(2),
        Version::V14 | Version::V15 => writer.u16(0).zeros(2).bytes(&port.mac).zeros(2),
    };
    let state = if version == Version::V10 { STATE_10 } else { STATE };
    writer.name(&port.name, NAME_LEN).u32(port.config & config_bits(version)).u32(port.state & state);
    let features = [port.current, port.advertised, port.supported, port.peer];
    match version {
        Version::V10 => features.iter().for_each(|bits| {
            writer.u32(features_to_v10(*bits));
        }),
        Version::V13 => {
            features.iter().for_each(|bits| {
                writer.u32(*bits);
            });
            writer.u32(port.current_speed).u32(port.max_speed);
        }
        Version::V14 | Version::V15 => {
            properties::put(writer, 0, |writer| {
                writer.zeros(4);
                features.iter().for_each(|bits| {
                    writer.u32(*bits);
                });
                writer.u32(port.current_speed).u32(port.max_speed);
            });
            writer.put_len(start + 4, start);
        }
    }
}

/// Reads what happened to a port.
pub(super) fn decode_status(
    version: Version,
    reader: &mut Reader<'_>,
) -> Result<(PortChange, PortDesc), Code> {
    let change = match reader.u8()? {
        0 => PortChange::Add,
        1 => PortChange::Delete,
        2 => PortChange::Modify,
        _ => return Err(Code::NxBadReason),
    };
    reader.skip(7)?;
    Ok((change, decode(version, reader)?))
}

/// Writes what happened to a port.
pub(super) fn encode_status(version: Version, change: PortChange, port: &PortDesc, writer: &mut Writer) {
    let reason = match change {
        PortChange::Add => 0,
        PortChange::Delete => 1,
        PortChange::Modify => 2,
    };
    writer.u8(reason).zeros(7);
    encode(version, port, writer);
}

/// Reads how a port shall be.
///
/// # Errors
/// `OFPPMFC_BAD_CONFIG` for bits that the version does not have.
pub(super) fn decode_mod(version: Version, reader: &mut Reader<'_>) -> Result<PortMod, Code> {
    let port = number(version, reader, Code::BadPortNumber)?;
    if version != Version::V10 {
        reader.skip(4)?;
    }
    let mac = reader.array()?;
    if version != Version::V10 {
        reader.skip(2)?;
    }
    let (config, mask) = (reader.u32()?, reader.u32()?);
    let advertise = match version {
        Version::V10 => features_from_v10(reader.u32()?),
        Version::V13 => reader.u32()?,
        Version::V14 | Version::V15 => decode_advertise(reader)?,
    };
    if version <= Version::V13 {
        reader.skip(4)?;
    }
    if mask & !config_bits(version) != 0 {
        return Err(Code::BadConfig);
    }
    Ok(PortMod { port, mac, config: config & mask, mask, advertise })
}

fn decode_advertise(reader: &mut Reader<'_>) -> Result<u32, Code> {
    let mut advertise = 0;
    while let Some((property, mut value)) = properties::next(reader)? {
        match property {
            Property::Standard(0) => {
                advertise = value.u32()?;
                value.end()?;
            }
            other => return Err(other.unknown()),
        }
    }
    Ok(advertise)
}

/// Writes how a port shall be.
pub(super) fn encode_mod(version: Version, change: &PortMod, writer: &mut Writer) {
    put_number(version, change.port, writer);
    match version {
        Version::V10 => writer.bytes(&change.mac),
        _ => writer.zeros(4).bytes(&change.mac).zeros(2),
    };
    let bits = config_bits(version);
    writer.u32(change.config & bits).u32(change.mask & bits);
    match version {
        Version::V10 => {
            writer.u32(features_to_v10(change.advertise)).zeros(4);
        }
        Version::V13 => {
            writer.u32(change.advertise).zeros(4);
        }
        Version::V14 | Version::V15 if change.advertise == 0 => {}
        Version::V14 | Version::V15 => {
            properties::put(writer, 0, |writer| {
                writer.u32(change.advertise);
            });
        }
    }
}
