//! Sets of flags, of TCP and of IPv6's extension headers: `syn|ack` for exactly these, `+syn-ack` for some that are set and
//! some that are not.

use super::value::read_number;

/// Flags of one field, by name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flags {
    what: &'static str,
    names: &'static [(&'static str, u128)],
    all: u128,
}

/// RFC 9293 section 3.1 and RFC 3540; the three bits without a name are written as Open vSwitch writes them.
pub(super) const TCP: Flags = Flags {
    what: "TCP flag",
    names: &[
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
    ],
    all: 0xfff,
};

/// OpenFlow 1.3.5 section 7.2.3.8, `ofp_ipv6exthdr_flags`.
pub(super) const EXTENSION_HEADERS: Flags = Flags {
    what: "flag of extension headers",
    names: &[
        ("nonext", 0x001),
        ("esp", 0x002),
        ("auth", 0x004),
        ("dest", 0x008),
        ("frag", 0x010),
        ("router", 0x020),
        ("hop", 0x040),
        ("unrep", 0x080),
        ("unseq", 0x100),
    ],
    all: 0x1ff,
};

/// ovs-fields(7), `tun_flags`.
pub(super) const TUNNEL: Flags = Flags { what: "flag of tunnels", names: &[("oam", 1)], all: 1 };

impl Flags {
    /// The flags of a text and which of them matter.
    pub(super) fn read(&self, text: &str) -> Result<(u128, u128), String> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let (value, mask) =
                text.split_once('/').map_or((text, None), |(value, mask)| (value, Some(mask)));
            return Ok((
                read_number(value, self.all)?,
                mask.map_or(Ok(self.all), |mask| read_number(mask, self.all))?,
            ));
        }
        if !text.starts_with(['+', '-']) {
            let value =
                text.split('|').try_fold(0, |value, name| Ok::<_, String>(value | self.bit(name)?))?;
            return Ok((value, self.all));
        }
        let (mut value, mut mask) = (0, 0);
        let mut rest = text;
        while let Some(sign) = rest.chars().next() {
            let end = rest[1..].find(['+', '-']).map_or(rest.len(), |end| end + 1);
            let bit = self.bit(&rest[1..end])?;
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

    fn bit(&self, name: &str) -> Result<u128, String> {
        let found = self.names.iter().find(|(known, _)| *known == name);
        found.map(|(_, bit)| *bit).ok_or_else(|| {
            let known: Vec<_> = self.names.iter().map(|(name, _)| *name).collect();
            format!("{name:?} is no {}; there are {}", self.what, known.join(", "))
        })
    }

    /// The flags under a mask, each with its sign.
    pub(super) fn write_signed(&self, value: u128, mask: u128) -> String {
        let named = self.names.iter().filter(|(_, bit)| mask & bit != 0);
        named.map(|(name, bit)| format!("{}{name}", if value & bit != 0 { '+' } else { '-' })).collect()
    }

    /// The flags under a mask, in the shorter of the two ways.
    pub(super) fn write(&self, value: u128, mask: u128) -> String {
        let of = |bits: u128| self.names.iter().filter(move |(_, bit)| bits & bit != 0);
        if mask & self.all != self.all {
            return self.write_signed(value, mask);
        }
        match value {
            0 => "0".into(),
            _ => of(value).map(|(name, _)| *name).collect::<Vec<_>>().join("|"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_flags_is_read_as_it_was_written() {
        for flags in [TCP, EXTENSION_HEADERS, TUNNEL] {
            for mask in 1..=flags.all {
                let value = 0xa5a & mask;
                assert_eq!(flags.read(&flags.write(value, mask)), Ok((value, mask)));
            }
        }
    }

    #[test]
    fn a_flag_is_known_and_given_once() {
        for text in ["+foo", "syn|", "+", "+syn-syn", "0x1000", "2/x", "", "hop"] {
            assert!(TCP.read(text).is_err(), "{text}");
        }
        for text in ["syn", "0x200", "+hop+hop", "hop|"] {
            assert!(EXTENSION_HEADERS.read(text).is_err(), "{text}");
        }
    }
}
