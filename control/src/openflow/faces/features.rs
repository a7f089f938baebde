//! What the switch is, and how it is set (OpenFlow 1.3.5 sections 7.3.1 and 7.3.2).

use super::port;
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, Features, SwitchConfig, Version};

/// `OFPC_FLOW_STATS`, `OFPC_TABLE_STATS`, `OFPC_PORT_STATS`, `OFPC_IP_REASM`, `OFPC_QUEUE_STATS`: in all versions.
const COMMON: u32 = 0b110_0111;
/// `OFPC_ARP_MATCH_IP` (1.0).
const ARP_MATCH_IP: u32 = 1 << 7;
/// `OFPC_GROUP_STATS` and `OFPC_PORT_BLOCKED` (1.3).
const V13: u32 = 1 << 3 | 1 << 8;
/// `OFPC_BUNDLES` and `OFPC_FLOW_MONITORING` (1.4).
const V14: u32 = 1 << 9 | 1 << 10;

fn capabilities(version: Version) -> u32 {
    match version {
        Version::V10 => COMMON | ARP_MATCH_IP,
        Version::V13 => COMMON | V13,
        Version::V14 | Version::V15 => COMMON | V13 | V14,
    }
}

/// Reads what the switch is.
pub(super) fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Features, Code> {
    let (datapath_id, n_buffers, n_tables) = (reader.u64()?, reader.u32()?, reader.u8()?);
    let auxiliary_id = reader.u8()?;
    reader.skip(2)?;
    let capabilities = reader.u32()? & capabilities(version);
    let actions = reader.u32()?;
    let mut features = Features { datapath_id, n_buffers, n_tables, capabilities, ..Features::default() };
    if version == Version::V10 {
        features.actions = actions;
        while !reader.is_empty() {
            features.ports.push(port::decode(version, reader)?);
        }
    } else {
        features.auxiliary_id = auxiliary_id;
    }
    Ok(features)
}

/// Writes what the switch is. Ports for which a message has no room are left out: a multipart request tells them too.
pub(super) fn encode(version: Version, features: &Features, writer: &mut Writer) {
    let v10 = version == Version::V10;
    writer.u64(features.datapath_id).u32(features.n_buffers).u8(features.n_tables);
    writer.u8(if v10 { 0 } else { features.auxiliary_id }).zeros(2);
    writer.u32(features.capabilities & capabilities(version)).u32(if v10 { features.actions } else { 0 });
    if v10 {
        for one in &features.ports {
            if writer.len() + port::V10_LEN > usize::from(u16::MAX) {
                break;
            }
            port::encode(version, one, writer);
        }
    }
}

/// `OFPC_FRAG_MASK`.
const FRAGMENTS: u16 = 3;
/// `OFPC_INVALID_TTL_TO_CONTROLLER`, until 1.2.
const INVALID_TTL: u16 = 1 << 2;

/// Reads how the switch is, or shall be, set.
pub(super) fn decode_config(version: Version, reader: &mut Reader<'_>) -> Result<SwitchConfig, Code> {
    let (flags, miss_send_len) = (reader.u16()?, reader.u16()?);
    let known = if version == Version::V10 { FRAGMENTS | INVALID_TTL } else { FRAGMENTS };
    if flags & !known != 0 {
        return Err(Code::SwitchBadFlags);
    }
    let invalid_ttl = (version == Version::V10).then_some(flags & INVALID_TTL != 0);
    Ok(SwitchConfig { fragments: flags & FRAGMENTS, miss_send_len, invalid_ttl })
}

/// Writes how the switch is, or shall be, set.
pub(super) fn encode_config(version: Version, config: &SwitchConfig, writer: &mut Writer) {
    let told = version == Version::V10 && config.invalid_ttl == Some(true);
    writer.u16(config.fragments & FRAGMENTS | if told { INVALID_TTL } else { 0 }).u16(config.miss_send_len);
}
