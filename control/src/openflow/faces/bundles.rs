//! Bundles: their steps, and the messages that are put into them (OpenFlow 1.4.1 section 7.3.9; for 1.3 the extension of the Open Networking
//! Foundation, EXT-230).

use super::decode::decode_knowing;
use crate::openflow::frames::HEADER;
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{BundleAdd, BundleControl, Code, Version};
use bytes::Bytes;

/// Reads a step. Properties could only be experimenters', and there are none.
pub(super) fn decode_control(reader: &mut Reader<'_>) -> Result<BundleControl, Code> {
    let control = BundleControl { bundle: reader.u32()?, kind: reader.u16()?, flags: reader.u16()? };
    reader.take_rest();
    Ok(control)
}

/// Writes a step.
pub(super) fn encode_control(control: &BundleControl, writer: &mut Writer) {
    writer.u32(control.bundle).u16(control.kind).u16(control.flags);
}

/// Reads a message that is put into a bundle, with the message in it.
///
/// # Errors
/// `OFPBFC_MSG_BAD_LEN`, `OFPBFC_MSG_BAD_XID`, `OFPBFC_BAD_VERSION` of Nicira; `OFPBFC_MSG_UNSUP` for one of a kind that cannot wait, as in Open
/// vSwitch (`lib/ofp-bundle.c`). What is wrong inside of one that can is told as if it had come alone.
pub(super) fn decode_add(
    version: Version,
    xid: u32,
    reader: &mut Reader<'_>,
    whole: &Bytes,
) -> Result<BundleAdd, Code> {
    let bundle = reader.u32()?;
    reader.skip(2)?;
    let flags = reader.u16()?;
    let mut inner = reader.rest_as(Code::BundleMsgBadLen);
    let raw = inner.rest();
    let (number, kind, len, inner_xid) = (inner.u8()?, inner.u8()?, usize::from(inner.u16()?), inner.u32()?);
    if number != version as u8 {
        return Err(Code::BundleBadVersion);
    }
    let raw = raw.get(..len).filter(|raw| raw.len() >= HEADER).ok_or(Code::BundleMsgBadLen)?;
    if inner_xid != xid {
        return Err(Code::BundleMsgBadXid);
    }
    let raw = whole.slice_ref(raw);
    if !super::decode::can_wait(version, kind, &raw) {
        return Err(Code::BundleMsgUnsup);
    }
    let inner = decode_knowing(version, inner.options(), &raw).map_err(|(_, code)| code)?;
    Ok(BundleAdd { bundle, flags, inner: Box::new(inner), raw })
}

/// Writes a message that is put into a bundle.
pub(super) fn encode_add(add: &BundleAdd, writer: &mut Writer) {
    writer.u32(add.bundle).zeros(2).u16(add.flags).bytes(&add.raw);
}
