//! Roles (OpenFlow 1.3.5 sections 6.3.4 and 7.3.9; Nicira's extension for 1.0).

use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, Role, RoleKind};

/// In replies: there has been no election.
const NONE: u64 = u64::MAX;

fn kind(number: u32) -> Result<RoleKind, Code> {
    match number {
        0 => Ok(RoleKind::NoChange),
        1 => Ok(RoleKind::Equal),
        2 => Ok(RoleKind::Master),
        3 => Ok(RoleKind::Slave),
        _ => Err(Code::BadRole),
    }
}

fn number(kind: RoleKind) -> u32 {
    match kind {
        RoleKind::NoChange => 0,
        RoleKind::Equal => 1,
        RoleKind::Master => 2,
        RoleKind::Slave => 3,
    }
}

/// Reads a request. Only master and slave are elected (section 6.3.5): for others the number is not looked at.
pub(super) fn decode_request(reader: &mut Reader<'_>) -> Result<Role, Code> {
    let role = kind(reader.u32()?)?;
    reader.skip(4)?;
    let generation = reader.u64()?;
    let elected = matches!(role, RoleKind::Master | RoleKind::Slave);
    Ok(Role { role, generation: elected.then_some(generation), reason: 0 })
}

/// Reads a reply.
pub(super) fn decode_reply(reader: &mut Reader<'_>) -> Result<Role, Code> {
    let role = kind(reader.u32()?)?;
    reader.skip(4)?;
    let generation = Some(reader.u64()?).filter(|generation| *generation != NONE);
    Ok(Role { role, generation, reason: 0 })
}

/// Reads that a role has changed. Properties could only be experimenters'.
pub(super) fn decode_status(reader: &mut Reader<'_>) -> Result<Role, Code> {
    let (role, reason) = (kind(reader.u32()?)?, reader.u8()?);
    reader.skip(3)?;
    let generation = Some(reader.u64()?).filter(|generation| *generation != NONE);
    reader.take_rest();
    Ok(Role { role, generation, reason })
}

/// Writes a request.
pub(super) fn encode_request(role: &Role, writer: &mut Writer) {
    writer.u32(number(role.role)).zeros(4).u64(role.generation.unwrap_or(0));
}

/// Writes a reply.
pub(super) fn encode_reply(role: &Role, writer: &mut Writer) {
    writer.u32(number(role.role)).zeros(4).u64(role.generation.unwrap_or(NONE));
}

/// Writes that a role has changed.
pub(super) fn encode_status(role: &Role, writer: &mut Writer) {
    writer.u32(number(role.role)).u8(role.reason).zeros(3).u64(role.generation.unwrap_or(NONE));
}

/// Reads a request or a reply in Nicira's words (`NX_ROLE_*`): other, master, slave. There are no elections.
pub(super) fn decode_nicira(reader: &mut Reader<'_>) -> Result<Role, Code> {
    let role = match reader.u32()? {
        0 => RoleKind::Equal,
        1 => RoleKind::Master,
        2 => RoleKind::Slave,
        _ => return Err(Code::BadRole),
    };
    Ok(Role { role, generation: None, reason: 0 })
}

/// Writes a request or a reply in Nicira's words, which have none for a request that changes nothing.
pub(super) fn encode_nicira(role: &Role, writer: &mut Writer) {
    writer.u32(number(role.role).saturating_sub(1));
}
