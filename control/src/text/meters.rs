//! The meter syntax of ovs-ofctl(8): text to meters and back. One meter a line.

use super::actions::read_meter_id;
use super::diagnostic::Diagnostic;
use super::groups::behind;
use super::scan::{Fault, Span, Word, Words};
use super::suggest::did_you_mean;
use super::value::read_number;
use super::{FAULTS_MAX, bounded, words};
use datapath::pipeline::{BANDS_MAX, Band, BandKind, METER_ID_MAX, MeterId, MeterSpec, MeterUnit};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many meters a text may have: one of each number.
pub const METERS_MAX: usize = METER_ID_MAX as usize;

/// Reads a text of meters. All faults are reported, one a line, in order.
pub fn parse_meters(source_name: &str, text: &str) -> Result<Vec<(MeterId, MeterSpec)>, Vec<Diagnostic>> {
    let (mut meters, mut faults) = (Vec::new(), Vec::new());
    let mut seen = BTreeMap::new();
    for (line, number) in text.lines().zip(1u32..) {
        let meter = line.split('#').next().unwrap_or_default();
        if meter.trim().is_empty() {
            continue;
        }
        let place = Span { text: meter, at: 0 };
        let read = read_meter(place).and_then(|(id, meter)| match seen.insert(id, number) {
            Some(first) => Err(place.fault(format!("line {first} has the same meter"))),
            None => Ok((id, meter)),
        });
        match read {
            Ok(meter) => meters.push(meter),
            Err(Fault { at, len, message }) => {
                faults.push(Diagnostic::on_line(source_name, number, line, at, len, message));
            }
        }
        if faults.len() == FAULTS_MAX {
            break;
        }
    }
    if faults.is_empty() { Ok(meters) } else { Err(faults) }
}

/// A band on its way.
struct Draft<'a> {
    place: Span<'a>,
    remarks: bool,
    rate: Option<u32>,
    burst_size: Option<u32>,
    prec_level: Option<u8>,
}

fn read_meter(text: Span<'_>) -> Result<(MeterId, MeterSpec), Fault> {
    bounded(text.text)?;
    let (mut id, mut unit, mut burst, mut stats) = (None, None, false, false);
    let mut bands: Vec<Draft<'_>> = Vec::new();
    let mut inside = false;
    let mut words = Words::of(text);
    while let Some(word) = words.next()? {
        let key = word.key.text;
        if inside {
            band_word(word, &mut bands)?;
            continue;
        }
        match key {
            "meter" if id.is_none() => id = Some(read_meter_id(word.argument()?)?),
            "kbps" | "pktps" if unit.is_none() => {
                word.bare()?;
                unit = Some(if key == "kbps" { MeterUnit::Kbps } else { MeterUnit::Pktps });
            }
            "kbps" | "pktps" => return Err(word.key.fault("a meter counts either kbps or pktps, once")),
            "burst" => {
                word.bare()?;
                burst = true;
            }
            "stats" => {
                word.bare()?;
                stats = true;
            }
            "band" | "bands" => {
                words = behind(text, &word)?;
                inside = true;
            }
            _ => return Err(word.key.fault(refusal(key))),
        }
    }
    let Some(id) = id else { return Err(text.fault("a meter needs meter=NUMBER")) };
    let Some(unit) = unit else { return Err(text.fault("a meter needs kbps or pktps")) };
    if bands.is_empty() {
        return Err(text.fault("a meter needs bands, for example bands=type=drop rate=1000"));
    }
    let bands = bands.iter().map(|band| finish(band, burst)).collect::<Result<_, _>>()?;
    Ok((id, MeterSpec { unit, burst, stats, bands }))
}

fn refusal(word: &str) -> String {
    match word {
        "meter" => "meter is given twice".into(),
        "type" | "rate" | "burst_size" | "prec_level" => format!("{word} stands in a band, behind bands="),
        _ => {
            let near = did_you_mean(word, words::METER_WORDS.iter().copied());
            format!("{word:?} is no property of a meter{near}")
        }
    }
}

fn band_word<'a>(word: Word<'a>, bands: &mut Vec<Draft<'a>>) -> Result<(), Fault> {
    let key = word.key.text;
    if key == "type" {
        if bands.len() == BANDS_MAX {
            return Err(word.key.fault(format!("too many bands: at most {BANDS_MAX}")));
        }
        let kind = word.argument()?;
        let remarks = match kind.text {
            "drop" => false,
            "dscp_remark" => true,
            other => {
                let near = did_you_mean(other, ["drop", "dscp_remark"]);
                return Err(kind.fault(format!("{other:?} is no type of band: drop or dscp_remark{near}")));
            }
        };
        bands.push(Draft { place: word.key, remarks, rate: None, burst_size: None, prec_level: None });
        return Ok(());
    }
    if !["rate", "burst_size", "prec_level"].contains(&key) {
        let near = did_you_mean(key, words::METER_WORDS.iter().copied());
        return Err(word.key.fault(format!("{key:?} is no property of a band{near}")));
    }
    let Some(band) = bands.last_mut() else {
        return Err(word.key.fault("a band begins with its type, as in type=drop rate=1000"));
    };
    let twice = || word.key.fault(format!("{key} is given twice"));
    let number = |max: u32| {
        let text = word.argument()?;
        match read_number(text.text, max.into()) {
            Ok(0) => Err(text.fault(format!("{key} is at least 1"))),
            Ok(number) => Ok(number as u32),
            Err(message) => Err(text.fault(message)),
        }
    };
    match key {
        "rate" => band.rate.replace(number(u32::MAX)?).map_or(Ok(()), |_| Err(twice())),
        "burst_size" => band.burst_size.replace(number(u32::MAX)?).map_or(Ok(()), |_| Err(twice())),
        _ => band.prec_level.replace(number(u8::MAX.into())? as u8).map_or(Ok(()), |_| Err(twice())),
    }
}

fn finish(band: &Draft<'_>, burst: bool) -> Result<Band, Fault> {
    let refuse = |message: &str| Err(band.place.fault(message));
    let kind = match (band.remarks, band.prec_level) {
        (false, None) => BandKind::Drop,
        (true, Some(prec_level)) => BandKind::DscpRemark { prec_level },
        (false, Some(_)) => return refuse("only a band of type dscp_remark has a prec_level"),
        (true, None) => {
            return refuse("a band of type dscp_remark needs prec_level=..., how far to raise it");
        }
    };
    let Some(rate) = band.rate else { return refuse("a band needs rate=...") };
    let burst_size = match (burst, band.burst_size) {
        (true, Some(size)) => size,
        (false, None) => 0,
        (true, None) => return refuse("with burst every band needs burst_size=..."),
        (false, Some(_)) => return refuse("a band has a burst_size only when the meter has burst"),
    };
    Ok(Band { kind, rate, burst_size })
}

/// A meter as text.
pub fn format_meter(id: MeterId, meter: &MeterSpec) -> String {
    let unit = match meter.unit {
        MeterUnit::Kbps => "kbps",
        MeterUnit::Pktps => "pktps",
    };
    let mut text = format!("meter={} {unit}", id.0);
    text.push_str(if meter.burst { " burst" } else { "" });
    text.push_str(if meter.stats { " stats" } else { "" });
    text.push_str(" bands=");
    for (at, band) in meter.bands.iter().enumerate() {
        let space = if at == 0 { "" } else { " " };
        let kind = if band.kind == BandKind::Drop { "drop" } else { "dscp_remark" };
        let _ = write!(text, "{space}type={kind} rate={}", band.rate);
        if band.burst_size != 0 {
            let _ = write!(text, " burst_size={}", band.burst_size);
        }
        if let BandKind::DscpRemark { prec_level } = band.kind {
            let _ = write!(text, " prec_level={prec_level}");
        }
    }
    text
}
