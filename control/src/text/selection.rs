//! How a group chooses one of its buckets, as ovs-ofctl(8) writes it: `selection_method=hash,selection_method_param=7,fields(ip_src,tcp_src=0xff00)`.

use super::fields::{self, Form, Name};
use super::scan::{Fault, Span, Word, Words};
use super::suggest::did_you_mean;
use super::value::{read_ipv4, read_ipv6, read_mac, read_number};
use super::words;
use crate::openflow::fields::{FIELDS, WireField, of_hashed};
use datapath::pipeline::{GroupKind, HASHED_MAX, HashedField, Selection};
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What was read of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft<'a> {
    /// The method, and whether it is `hash`.
    method: Option<(Span<'a>, bool)>,
    param: Option<(Span<'a>, u64)>,
    fields: Option<(Span<'a>, Vec<HashedField>)>,
}

impl<'a> Draft<'a> {
    /// Reads a word, if it is one of these.
    pub(super) fn word(&mut self, word: Word<'a>) -> Result<bool, Fault> {
        let twice = |was: bool| match was {
            true => Err(word.key.fault(format!("{} is given twice", word.key.text))),
            false => Ok(()),
        };
        match word.key.text {
            "selection_method" => {
                twice(self.method.is_some())?;
                let text = word.argument()?;
                let hash = match text.text {
                    "hash" => true,
                    "dp_hash" => false,
                    other => {
                        return Err(text.fault(format!("{other:?} is no way to choose: hash or dp_hash")));
                    }
                };
                self.method = Some((word.key, hash));
            }
            "selection_method_param" => {
                twice(self.param.is_some())?;
                let text = word.argument()?;
                let param = read_number(text.text, u64::MAX.into()).map_err(|message| text.fault(message))?;
                self.param = Some((word.key, param as u64));
            }
            "fields" => {
                twice(self.fields.is_some())?;
                self.fields = Some((word.key, read_fields(word.argument()?)?));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What all of them say.
    pub(super) fn finish(self, kind: GroupKind) -> Result<Selection, Fault> {
        let Draft { method, param, fields } = self;
        let Some((place, hash)) = method else {
            return match param.map(|(place, _)| place).or(fields.map(|(place, _)| place)) {
                Some(place) => {
                    Err(place.fault(format!("{} needs selection_method=hash or dp_hash", place.text)))
                }
                None => Ok(Selection::Unsaid),
            };
        };
        if kind != GroupKind::Select {
            return Err(place.fault("only groups of type select choose by a method"));
        }
        let param = param.map_or(0, |(_, param)| param);
        match (hash, fields) {
            (true, fields) => {
                Ok(Selection::Hash(param, fields.map(|(_, fields)| fields).unwrap_or_default().into()))
            }
            (false, None) => Ok(Selection::Datapath(param)),
            (false, Some((place, _))) => Err(place.fault("fields stand with selection_method=hash")),
        }
    }
}

fn read_fields(text: Span<'_>) -> Result<Vec<HashedField>, Fault> {
    let (mut fields, mut words): (Vec<HashedField>, _) = (Vec::new(), Words::of(text));
    while let Some(word) = words.next()? {
        let (name, row) = find(word.key)?;
        let mask = match word.value {
            None => row.ones(),
            Some(value) => read_mask(name, row, value)?,
        };
        let hashed = row.hashed(mask);
        if fields.iter().any(|had| (had.field, had.of) == (hashed.field, hashed.of)) {
            return Err(word.key.fault(format!("{} is given twice", word.key.text)));
        }
        if fields.len() == HASHED_MAX {
            return Err(word.key.fault(format!("too many fields: at most {HASHED_MAX}")));
        }
        fields.push(hashed);
    }
    Ok(fields)
}

/// A field under one of its names; `tp_src` is that of TCP, as in Open vSwitch.
fn find(text: Span<'_>) -> Result<(&'static Name, &'static WireField), Fault> {
    let called = match text.text {
        "tp_src" => "tcp_src",
        "tp_dst" => "tcp_dst",
        other => other,
    };
    let name = fields::find(called);
    let row = name.and_then(|name| FIELDS.iter().find(|row| row.name == name.names[0]));
    name.zip(row).ok_or_else(|| match name {
        _ if called.starts_with("tun_metadata") => text.fault("a group cannot choose by Geneve options"),
        Some(_) => text.fault(format!("{called} has no number of its own: vlan_vid or vlan_pcp")),
        None if words::lists(words::FIELDS_NOT_YET, called) => {
            text.fault(format!("the field {called} is not supported yet"))
        }
        None => {
            let near = did_you_mean(called, FIELDS.iter().map(|row| row.name));
            text.fault(format!("{called:?} is no field{near}"))
        }
    })
}

/// A mask, written as a value is.
fn read_mask(name: &Name, row: &WireField, text: Span<'_>) -> Result<u128, Fault> {
    let mask = match name.form {
        Form::Mac => read_mac(text.text).map(u128::from),
        Form::Ipv4 => read_ipv4(text.text).map(|mask| mask.to_bits().into()),
        Form::Ipv6 => read_ipv6(text.text).map(|mask| mask.to_bits()),
        _ => read_number(text.text, row.ones()),
    };
    match mask.map_err(|message| text.fault(message))? {
        0 => Err(text.fault("a mask of zero chooses by nothing")),
        mask if !row.maskable && mask != row.ones() => Err(text.fault(format!("{} takes no mask", row.name))),
        mask => Ok(mask),
    }
}

/// How a group chooses, behind its type.
pub(super) fn write(selection: &Selection, text: &mut String) {
    let (name, fields): (_, &[HashedField]) = match selection {
        Selection::Unsaid => return,
        Selection::Hash(_, fields) => ("hash", fields),
        Selection::Datapath(_) => ("dp_hash", &[]),
    };
    let _ = write!(text, ",selection_method={name}");
    if selection.param() != 0 {
        let _ = write!(text, ",selection_method_param={}", selection.param());
    }
    let fields: Vec<_> = fields.iter().filter_map(write_field).collect();
    let _ = match &fields[..] {
        [] => Ok(()),
        [one] => write!(text, ",fields={one}"),
        all => write!(text, ",fields({})", all.join(",")),
    };
}

fn write_field(hashed: &HashedField) -> Option<String> {
    let row = of_hashed(hashed)?;
    let mask = row.hashed_mask(hashed);
    if mask == row.ones() {
        return Some(row.name.into());
    }
    let form = fields::find(row.name).map(|name| name.form);
    Some(match form {
        Some(Form::Mac) => {
            let bytes = (mask as u64).to_be_bytes();
            let pairs: Vec<_> = bytes[2..].iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{}={}", row.name, pairs.join(":"))
        }
        Some(Form::Ipv4) => format!("{}={}", row.name, Ipv4Addr::from_bits(mask as u32)),
        Some(Form::Ipv6) => format!("{}={}", row.name, Ipv6Addr::from_bits(mask)),
        Some(Form::Decimal) => format!("{}={mask}", row.name),
        _ => format!("{}={mask:#x}", row.name),
    })
}
