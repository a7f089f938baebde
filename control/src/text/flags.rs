//! Sets of TCP flags: `syn|ack` for exactly these, `+syn-ack` for some that are set and some that are not.

use super::value::read_number;

/// RFC 9293 section 3.1 and RFC 3540; the three bits without a name are written as Open vSwitch writes them.
const FLAGS: [(&str, u128); 12] = [
    ("fin", 0x001),
    ("syn", 0x002),
    ("rst", 0x004),
    ("psh", 0x008),
    ("ack", 0x010),
    ("urg", 0x020),
    ("ece", 0x040),
    ("cwr", 0x080),
    ("ns", 0x100),
    ("[200]", 0x200),
    ("[400]", 0x400),
    ("[800]", 0x800),
];
const ALL: u128 = 0xfff;

/// The flags of a text and which of them matter.
pub(super) fn read_flags(text: &str) -> Result<(u128, u128), String> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let (value, mask) = text.split_once('/').map_or((text, None), |(value, mask)| (value, Some(mask)));
        return Ok((read_number(value, ALL)?, mask.map_or(Ok(ALL), |mask| read_number(mask, ALL))?));
    }
    if !text.starts_with(['+', '-']) {
        let value = text.split('|').try_fold(0, |value, name| Ok::<_, String>(value | bit(name)?))?;
        return Ok((value, ALL));
    }
    let (mut value, mut mask) = (0, 0);
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let end = rest[1..].find(['+', '-']).map_or(rest.len(), |end| end + 1);
        let bit = bit(&rest[1..end])?;
        if mask & bit != 0 {
            return Err(format!("{} is given twice", &rest[1..end]));
        }
        mask |= bit;
        if sign == '+' {
            value |= bit;
        }
        rest = &rest[end..];
    }
    Ok((value, mask))
}

fn bit(name: &str) -> Result<u128, String> {
    let found = FLAGS.iter().find(|(known, _)| *known == name);
    found.map(|(_, bit)| *bit).ok_or_else(|| {
        let known = FLAGS.map(|(name, _)| name);
        format!("{name:?} is no TCP flag; there are {}", known.join(", "))
    })
}

/// The flags under a mask, in the shorter of the two ways.
pub(super) fn write_flags(value: u128, mask: u128) -> String {
    let of = |bits: u128| FLAGS.iter().filter(move |(_, bit)| bits & bit != 0);
    if mask != ALL {
        return of(mask)
            .map(|(name, bit)| format!("{}{name}", if value & bit != 0 { '+' } else { '-' }))
            .collect();
    }
    match value {
        0 => "0".into(),
        _ => of(value).map(|(name, _)| *name).collect::<Vec<_>>().join("|"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_flags_is_read_as_it_was_written() {
        for mask in 1..=ALL {
            let value = 0xa5a & mask;
            assert_eq!(read_flags(&write_flags(value, mask)), Ok((value, mask)));
        }
    }

    #[test]
    fn a_flag_is_known_and_given_once() {
        for text in ["+foo", "syn|", "+", "+syn-syn", "0x1000", "2/x", ""] {
            assert!(read_flags(text).is_err(), "{text}");
        }
    }
}
