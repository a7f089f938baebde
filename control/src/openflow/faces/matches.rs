//! Matches in Nicira's messages: their length stands apart from them, and they are padded.

use crate::openflow::Code;
use crate::openflow::matching::encode_nxm;
use crate::openflow::wire::{Reader, Writer};
use datapath::pipeline::Match;

/// `NXM_NX_COOKIE` with its mask: which cookies are meant.
const COOKIE_MASKED: u32 = 0x0001_3d10;

/// The fields of a match of this length, behind which padding is skipped.
pub(super) fn fields<'a>(reader: &mut Reader<'a>, len: u16) -> Result<Reader<'a>, Code> {
    let len = usize::from(len);
    let mut both = reader.part(len.next_multiple_of(8), Code::BadMatchLen).map_err(|_| Code::BadMatchLen)?;
    both.part(len, Code::BadMatchLen)
}

/// Writes the fields of a match and its padding; returns the length without that.
pub(super) fn put(matching: &Match, writer: &mut Writer) -> u16 {
    put_with_cookie(matching, 0, 0, writer)
}

/// As [`put`], with which cookies are meant, if not all are.
pub(super) fn put_with_cookie(matching: &Match, cookie: u64, mask: u64, writer: &mut Writer) -> u16 {
    let start = writer.len();
    let mut len = encode_nxm(matching, writer);
    if mask != 0 {
        writer.u32(COOKIE_MASKED).u64(cookie & mask).u64(mask);
        len += 20;
    }
    writer.pad(start, 8);
    // There are fewer fields than would not fit.
    u16::try_from(len).unwrap_or(u16::MAX)
}
