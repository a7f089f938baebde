//! Counters as OpenFlow 1.5 has them: fields with a header each (section 7.2.4). Those that are not kept are left out.

use super::times;
use crate::openflow::Code;
use crate::openflow::wire::{Reader, Writer};

/// `OFPXSC_OPENFLOW_BASIC`.
const BASIC: u16 = 0x8002;
/// `OFPXSC_EXPERIMENTER`.
const EXPERIMENTER: u16 = 0xffff;

/// The counters of flow entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Milliseconds since the entry was added.
    pub(super) duration_ms: Option<u64>,
    /// Milliseconds since a frame came.
    pub(super) idle_ms: Option<u64>,
    /// Entries.
    pub(super) flows: Option<u32>,
    /// Frames.
    pub(super) packets: Option<u64>,
    /// Their bytes.
    pub(super) bytes: Option<u64>,
}

/// Reads counters and the padding behind them. Fields that nobody knows here are passed over.
///
/// # Errors
/// `OFPBMC_BAD_LEN`, as in Open vSwitch (`lib/ox-stat.c`).
pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Counters, Code> {
    let short = |_| Code::BadMatchLen;
    let mut head = reader.ahead(Code::BadMatchLen);
    head.skip(2)?;
    let len = usize::from(head.u16()?);
    let mut all = reader.part(len.next_multiple_of(8), Code::BadMatchLen).map_err(short)?;
    let mut fields = all.part(len, Code::BadMatchLen)?;
    fields.skip(4)?;
    let mut counters = Counters::default();
    while !fields.is_empty() {
        let (class, field, len) = (fields.u16()?, fields.u8()? >> 1, fields.u8()?);
        let mut value = fields.part(len.into(), Code::BadMatchLen)?;
        match (class, field, len) {
            (BASIC, 0, 8) => counters.duration_ms = Some(times::decode(&mut value)?),
            (BASIC, 1, 8) => counters.idle_ms = Some(times::decode(&mut value)?),
            (BASIC, 3, 4) => counters.flows = Some(value.u32()?),
            (BASIC, 4, 8) => counters.packets = Some(value.u64()?),
            (BASIC, 5, 8) => counters.bytes = Some(value.u64()?),
            // Who defines it stands first.
            (EXPERIMENTER, _, _) => value.skip(4)?,
            _ => {}
        }
    }
    Ok(counters)
}

/// Writes counters, padded.
pub(super) fn encode(counters: &Counters, writer: &mut Writer) {
    let start = writer.len();
    writer.u16(0).u16(0);
    let mut field = |number: u8, len: u8, value: &dyn Fn(&mut Writer)| {
        writer.u16(BASIC).u8(number << 1).u8(len);
        value(writer);
    };
    if let Some(duration) = counters.duration_ms {
        field(0, 8, &|writer| times::encode(duration, writer));
    }
    if let Some(idle) = counters.idle_ms {
        field(1, 8, &|writer| times::encode(idle, writer));
    }
    for (number, value) in [(4, counters.packets), (5, counters.bytes)] {
        if let Some(value) = value {
            field(number, 8, &|writer| {
                writer.u64(value);
            });
        }
    }
    if let Some(flows) = counters.flows {
        field(3, 4, &|writer| {
            writer.u32(flows);
        });
    }
    writer.put_len(start + 2, start);
    writer.pad(start, 8);
}
