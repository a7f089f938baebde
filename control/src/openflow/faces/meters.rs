//! Meters: changes, and what is said of them (OpenFlow 1.3.5 sections 7.3.4.4 and 7.3.5.11 to 7.3.5.13).

use super::times;
use crate::ofproto::MeterMod;
use crate::openflow::wire::{Reader, Writer};
use crate::openflow::{Code, MeterFeatures, MeterStats};
use datapath::pipeline::{Band, BandKind, MeterId, MeterSpec, MeterUnit};

/// `OFPM_ALL`.
const ALL: u32 = u32::MAX;
/// Bytes of a band of any type.
const BAND_LEN: u16 = 16;

/// `OFPMF_*`.
mod flag {
    pub(super) const KBPS: u16 = 1;
    pub(super) const PKTPS: u16 = 1 << 1;
    pub(super) const BURST: u16 = 1 << 2;
    pub(super) const STATS: u16 = 1 << 3;
}

/// Which meter is asked for; None: all.
pub(super) fn decode_request(reader: &mut Reader<'_>) -> Result<Option<MeterId>, Code> {
    let id = reader.u32()?;
    reader.skip(4)?;
    Ok((id != ALL).then_some(MeterId(id)))
}

/// Writes which meter is asked for.
pub(super) fn encode_request(meter: Option<MeterId>, writer: &mut Writer) {
    writer.u32(meter.map_or(ALL, |meter| meter.0)).zeros(4);
}

fn decode_spec(flags: u16, reader: &mut Reader<'_>) -> Result<MeterSpec, Code> {
    let both = flag::KBPS | flag::PKTPS;
    if flags & both == both || flags >> 4 != 0 {
        return Err(Code::MeterBadFlags);
    }
    let unit = if flags & flag::PKTPS != 0 { MeterUnit::Pktps } else { MeterUnit::Kbps };
    let mut bands = Vec::new();
    while !reader.is_empty() {
        let (kind, len) = (reader.u16()?, reader.u16()?);
        if len != BAND_LEN {
            return Err(Code::BadLen);
        }
        let (rate, burst_size, prec_level) = (reader.u32()?, reader.u32()?, reader.u8()?);
        reader.skip(3)?;
        let kind = match kind {
            1 => BandKind::Drop,
            2 => BandKind::DscpRemark { prec_level },
            _ => return Err(Code::BadBand),
        };
        bands.push(Band { kind, rate, burst_size });
    }
    Ok(MeterSpec { unit, burst: flags & flag::BURST != 0, stats: flags & flag::STATS != 0, bands })
}

fn flags(spec: &MeterSpec) -> u16 {
    let unit = match spec.unit {
        MeterUnit::Kbps => flag::KBPS,
        MeterUnit::Pktps => flag::PKTPS,
    };
    unit | if spec.burst { flag::BURST } else { 0 } | if spec.stats { flag::STATS } else { 0 }
}

fn encode_bands(spec: &MeterSpec, writer: &mut Writer) {
    for band in &spec.bands {
        let (kind, prec_level) = match band.kind {
            BandKind::Drop => (1, 0),
            BandKind::DscpRemark { prec_level } => (2, prec_level),
        };
        writer.u16(kind).u16(BAND_LEN).u32(band.rate).u32(band.burst_size).u8(prec_level).zeros(3);
    }
}

/// Reads a change.
///
/// # Errors
/// `OFPMMFC_*`; `OFPBRC_BAD_LEN` for a band of another length than bands have.
pub(super) fn decode_mod(reader: &mut Reader<'_>) -> Result<MeterMod, Code> {
    let (command, flags, id) = (reader.u16()?, reader.u16()?, reader.u32()?);
    match command {
        0 => Ok(MeterMod::Add(MeterId(id), decode_spec(flags, reader)?)),
        1 => Ok(MeterMod::Modify(MeterId(id), decode_spec(flags, reader)?)),
        2 => {
            // What a meter to delete does is not looked at.
            reader.take_rest();
            Ok(MeterMod::Delete((id != ALL).then_some(MeterId(id))))
        }
        _ => Err(Code::MeterBadCommand),
    }
}

/// Writes a change.
pub(super) fn encode_mod(change: &MeterMod, writer: &mut Writer) {
    match change {
        MeterMod::Add(id, spec) => {
            encode_bands(spec, writer.u16(0).u16(flags(spec)).u32(id.0));
        }
        MeterMod::Modify(id, spec) => {
            encode_bands(spec, writer.u16(1).u16(flags(spec)).u32(id.0));
        }
        MeterMod::Delete(id) => {
            writer.u16(2).u16(0).u32(id.map_or(ALL, |id| id.0));
        }
    }
}

/// Reads a meter as it was set.
pub(super) fn decode_config(reader: &mut Reader<'_>) -> Result<(MeterId, MeterSpec), Code> {
    let len = usize::from(reader.u16()?);
    let mut rest = reader.part(len.checked_sub(2).ok_or(Code::BadLen)?, Code::BadLen)?;
    let (flags, id) = (rest.u16()?, rest.u32()?);
    Ok((MeterId(id), decode_spec(flags, &mut rest)?))
}

/// Writes a meter as it was set.
pub(super) fn encode_config(id: MeterId, spec: &MeterSpec, writer: &mut Writer) {
    let start = writer.len();
    writer.u16(0).u16(flags(spec)).u32(id.0);
    encode_bands(spec, writer);
    writer.put_len(start, start);
}

/// Reads a meter's counters.
pub(super) fn decode_stats(reader: &mut Reader<'_>) -> Result<MeterStats, Code> {
    let (id, len) = (reader.u32()?, usize::from(reader.u16()?));
    let mut rest = reader.part(len.checked_sub(6).ok_or(Code::BadLen)?, Code::BadLen)?;
    rest.skip(6)?;
    let (users, seen) = (rest.u32()?, (rest.u64()?, rest.u64()?));
    let duration_ms = times::decode(&mut rest)?;
    let mut bands = Vec::new();
    while !rest.is_empty() {
        bands.push((rest.u64()?, rest.u64()?));
    }
    Ok(MeterStats { meter: MeterId(id), users, seen, duration_ms, bands })
}

/// Writes a meter's counters.
pub(super) fn encode_stats(stats: &MeterStats, writer: &mut Writer) {
    let start = writer.len();
    writer.u32(stats.meter.0).u16(0).zeros(6);
    writer.u32(stats.users).u64(stats.seen.0).u64(stats.seen.1);
    times::encode(stats.duration_ms, writer);
    for (packets, bytes) in &stats.bands {
        writer.u64(*packets).u64(*bytes);
    }
    writer.put_len(start + 4, start);
}

/// Reads what meters can do.
pub(super) fn decode_features(reader: &mut Reader<'_>) -> Result<MeterFeatures, Code> {
    let features = MeterFeatures {
        max_meters: reader.u32()?,
        band_types: reader.u32()?,
        capabilities: reader.u32()?,
        max_bands: reader.u8()?,
        max_color: reader.u8()?,
    };
    reader.skip(2)?;
    Ok(features)
}

/// Writes what meters can do.
pub(super) fn encode_features(features: &MeterFeatures, writer: &mut Writer) {
    writer.u32(features.max_meters).u32(features.band_types).u32(features.capabilities);
    writer.u8(features.max_bands).u8(features.max_color).zeros(2);
}
