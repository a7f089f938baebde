//! Reading the values of fields.
//!
//! Stricter than ovs-ofctl(8) in one respect: a value that does not fit into its field is refused, never cut.

use super::fields::{Form, Name};
use super::ports::{LOCAL, OFPORT_MAX, PortNames};
use super::suggest::did_you_mean;
use crate::ofproto::context::TAG_PRESENT;
use crate::ofproto::reserved;
use datapath::flow::{Field, OfPort};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Bits of a field and the values that they have, or shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits {
    pub(crate) field: Field,
    pub(crate) value: u128,
    pub(crate) mask: u128,
}

/// All bits of `vlan_tci` but the priority: what tells a frame without a tag.
const VLAN_PRESENCE_AND_VID: u128 = 0x1fff;
const VLAN_VID_MAX: u128 = 0xfff;
/// What OpenFlow 1.0 writes for "no tag" (section 5.2.3, `OFP_VLAN_NONE`).
const OF10_VLAN_NONE: u128 = 0xffff;

/// The condition that `name=text` stands for.
pub(super) fn read_condition(name: &Name, text: &str, ports: &dyn PortNames) -> Result<Bits, String> {
    let no_tag = Bits { field: Field::VlanTci, value: 0, mask: VLAN_PRESENCE_AND_VID };
    let (value, mask) = read(name, text, ports)?;
    let tci = |value, mask| Bits { field: Field::VlanTci, value, mask };
    match name.form {
        Form::VlanOf10 if value == OF10_VLAN_NONE => Ok(no_tag),
        Form::VlanOf10 if value > VLAN_VID_MAX => {
            Err(format!("{value} is no VLAN identifier: 0 to 4095, or 0xffff for no tag"))
        }
        Form::VlanOf10 => Ok(tci(value | TAG_PRESENT, VLAN_PRESENCE_AND_VID)),
        Form::VlanPcp => Ok(tci(value << 13 | TAG_PRESENT, 0xe000 | TAG_PRESENT)),
        Form::VlanVid | Form::VlanTci if value == 0 && mask == name.field.max() => Ok(no_tag),
        Form::VlanVid | Form::VlanTci
            if mask & TAG_PRESENT != 0 && value & TAG_PRESENT == 0 && value & mask != 0 =>
        {
            Err(format!(
                "no frame fits {text}: bit 0x1000 says that there is a tag; write {:#x}",
                value | 0x1000
            ))
        }
        Form::VlanVid | Form::VlanTci => Ok(tci(value & mask, mask)),
        _ => Ok(Bits { field: name.field, value: value & mask, mask }),
    }
}

/// The value that `text` is, without a mask.
pub(super) fn read_whole(name: &Name, text: &str, ports: &dyn PortNames) -> Result<u128, String> {
    let (value, mask) = read(name, text, ports)?;
    match mask & name.max == name.max && !text.contains('/') {
        true => Ok(value),
        false => Err(format!("{text}: a value without a mask is needed")),
    }
}

/// What `set_field:text->name` writes, in a frame that has a tag or may have none.
pub(super) fn read_setting(
    name: &Name,
    text: &str,
    tagged: bool,
    ports: &dyn PortNames,
) -> Result<Bits, String> {
    let (value, mask) = read(name, text, ports)?;
    if mask == 0 {
        return Err("a mask of zero sets nothing".into());
    }
    if value & !mask != 0 {
        return Err(format!("{text}: the value has bits that the mask does not set"));
    }
    settable(name, Bits { field: name.field, value, mask }, tagged)
}

/// Bits that may be set: a tag is there, or comes with them.
pub(super) fn settable(name: &Name, bits: Bits, tagged: bool) -> Result<Bits, String> {
    let Bits { value, mask, .. } = bits;
    let tag_bit = match name.form {
        Form::VlanTci if !tagged => TAG_PRESENT,
        Form::VlanTci | Form::VlanVid => mask & TAG_PRESENT,
        _ => 0,
    };
    if value & tag_bit != tag_bit {
        let with = value | TAG_PRESENT;
        return Err(format!(
            "bit 0x1000 of {} says that there is a tag: write {with:#x}, or pop_vlan to take the tag away",
            name.names[0]
        ));
    }
    Ok(bits)
}

/// A value and its mask.
fn read(name: &Name, text: &str, ports: &dyn PortNames) -> Result<(u128, u128), String> {
    match name.form {
        Form::Fragment => return read_fragment(text),
        Form::Flags(flags) => return flags.read(text),
        _ => {}
    }
    let (value, mask) = match text.split_once('/') {
        None => (text, None),
        Some(_) if !name.maskable => return Err(format!("{} takes no mask", name.names[0])),
        Some((value, mask)) => (value, Some(mask)),
    };
    match name.form {
        Form::Port => Ok((u128::from(read_port(value, ports)?.0), name.field.max())),
        Form::AnyPort => Ok((u128::from(read_any_port(value, ports)?.0), name.field.max())),
        Form::Mac => {
            let mask = mask.map_or(Ok(name.field.max()), |mask| read_mac(mask).map(u128::from))?;
            Ok((read_mac(value)?.into(), mask))
        }
        Form::Ipv4 => {
            let mask = mask.map_or(Ok(name.field.max()), read_ipv4_mask)?;
            Ok((read_ipv4(value)?.to_bits().into(), mask))
        }
        Form::Ipv6 => {
            let mask = mask.map_or(Ok(name.field.max()), read_ipv6_mask)?;
            Ok((read_ipv6(value)?.to_bits(), mask))
        }
        Form::Tos => match read_number(value, name.max)? {
            tos if tos & 3 != 0 => {
                Err(format!("{tos}: the two lower bits of nw_tos are nw_ecn; leave them zero"))
            }
            tos => Ok((tos, 0xfc)),
        },
        Form::VlanOf10 => Ok((read_number(value, OF10_VLAN_NONE)?, name.field.max())),
        _ => {
            let mask = mask.map_or(Ok(name.field.max()), |mask| read_number(mask, name.max))?;
            Ok((read_number(value, name.max)?, mask))
        }
    }
}

/// A number, decimal or hexadecimal.
pub(super) fn read_number(text: &str, max: u128) -> Result<u128, String> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((text, 10), |digits| (digits, 16));
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(format!("{text:?} is no number"));
    }
    if radix == 10 && digits.len() > 1 && digits.starts_with('0') {
        return Err(format!("{text}: a leading zero means octal to some; write the number without it"));
    }
    match u128::from_str_radix(digits, radix) {
        Ok(number) if number <= max => Ok(number),
        _ => Err(format!("{text} is too large: at most {max}")),
    }
}

/// A port, by name or by number.
pub(super) fn read_port(text: &str, ports: &dyn PortNames) -> Result<OfPort, String> {
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let name = quoted.unwrap_or(text);
    if let Some(port) = ports.number(name) {
        return Ok(port);
    }
    if quoted.is_none() && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse() {
            Ok(number @ 1..=OFPORT_MAX) => Ok(OfPort(number)),
            Ok(number) if OfPort(number) == LOCAL => Ok(LOCAL),
            _ => Err(format!("{text} is no port number: 1 to {OFPORT_MAX}")),
        };
    }
    if quoted.is_none() && name.eq_ignore_ascii_case("local") {
        return Ok(LOCAL);
    }
    const RESERVED: [&str; 9] =
        ["in_port", "table", "normal", "flood", "all", "controller", "any", "none", "unset"];
    if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(format!("the reserved port {} is not supported yet here", name.to_ascii_uppercase()));
    }
    Err(format!("no port is named {name:?}{}", did_you_mean(name, ports.names())))
}

/// A port, by name or by number, or one that OpenFlow reserves, by its name.
pub(super) fn read_any_port(text: &str, ports: &dyn PortNames) -> Result<OfPort, String> {
    let reserved = RESERVED.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    match reserved.filter(|_| ports.number(text).is_none()) {
        Some((_, port)) => Ok(*port),
        None => read_port(text, ports),
    }
}

/// The ports that OpenFlow reserves and that an action set can lead to (OpenFlow 1.5.1 section 7.2.1), under the names that Open vSwitch
/// shows.
pub(super) const RESERVED: [(&str, OfPort); 6] = [
    ("IN_PORT", reserved::IN_PORT),
    ("NORMAL", reserved::NORMAL),
    ("FLOOD", reserved::FLOOD),
    ("ALL", reserved::ALL),
    ("CONTROLLER", reserved::CONTROLLER),
    ("UNSET", OfPort::UNSET),
];

/// A MAC address.
pub(crate) fn read_mac(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("{text:?} is no MAC address: six pairs of hexadecimal digits, as in 02:00:00:00:00:01");
    let mut address = 0;
    let mut pairs = 0;
    for pair in text.split(':') {
        if !matches!(pair.len(), 1 | 2) || !pair.bytes().all(|byte| byte.is_ascii_hexdigit()) || pairs == 6 {
            return Err(wrong());
        }
        address = address << 8 | u64::from_str_radix(pair, 16).map_err(|_| wrong())?;
        pairs += 1;
    }
    if pairs == 6 { Ok(address) } else { Err(wrong()) }
}

/// An IPv4 address.
pub(super) fn read_ipv4(text: &str) -> Result<Ipv4Addr, String> {
    text.parse().map_err(|_| format!("{text:?} is no IPv4 address: four numbers, as in 10.0.0.1"))
}

pub(super) fn read_ipv6(text: &str) -> Result<Ipv6Addr, String> {
    text.parse().map_err(|_| format!("{text:?} is no IPv6 address"))
}

fn read_ipv4_mask(text: &str) -> Result<u128, String> {
    if text.contains('.') {
        return Ok(read_ipv4(text)?.to_bits().into());
    }
    let prefix =
        read_number(text, 32).map_err(|_| format!("/{text}: an IPv4 prefix is 0 to 32 bits long"))?;
    Ok((u64::from(u32::MAX) << (32 - prefix) & u64::from(u32::MAX)).into())
}

fn read_ipv6_mask(text: &str) -> Result<u128, String> {
    if text.contains(':') {
        return Ok(read_ipv6(text)?.to_bits());
    }
    let prefix =
        read_number(text, 128).map_err(|_| format!("/{text}: an IPv6 prefix is 0 to 128 bits long"))?;
    Ok(u128::MAX.checked_shl(128 - prefix as u32).unwrap_or(0))
}

/// The kinds of fragments, as ovs-fields(7) names them: bit 0 any fragment, bit 1 a later one.
pub(super) const FRAGMENTS: [(&str, u128, u128); 5] =
    [("no", 0, 3), ("yes", 1, 1), ("first", 1, 3), ("later", 3, 3), ("not_later", 0, 2)];

fn read_fragment(text: &str) -> Result<(u128, u128), String> {
    let found = FRAGMENTS.iter().find(|(name, ..)| *name == text);
    let known = || FRAGMENTS.iter().map(|(name, ..)| *name);
    found.map(|(_, value, mask)| (*value, *mask)).ok_or_else(|| {
        format!(
            "{text:?} is no kind of fragment: no, yes, first, later or not_later{}",
            did_you_mean(text, known())
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::{NoNames, fields};
    use super::*;

    fn condition(name: &str, text: &str) -> Result<(Field, u128, u128), String> {
        let bits = read_condition(fields::find(name).unwrap(), text, &NoNames)?;
        Ok((bits.field, bits.value, bits.mask))
    }

    #[test]
    fn addresses_have_masks_of_either_kind() {
        assert_eq!(condition("nw_src", "10.1.2.3/8"), Ok((Field::NwSrc, 0x0a00_0000, 0xff00_0000)));
        assert_eq!(condition("nw_src", "10.1.2.3/255.0.255.0"), Ok((Field::NwSrc, 0x0a00_0200, 0xff00_ff00)));
        assert_eq!(condition("nw_src", "10.1.2.3/0"), Ok((Field::NwSrc, 0, 0)));
        assert_eq!(condition("ipv6_src", "::1/0"), Ok((Field::Ipv6Src, 0, 0)));
        assert_eq!(condition("ipv6_src", "::1/128"), Ok((Field::Ipv6Src, 1, u128::MAX)));
        assert!(condition("nw_src", "10.1.2.3/33").is_err());
        assert!(condition("dl_src", "00:00:00:00:00:01/24").is_err());
    }

    #[test]
    fn the_words_for_vlan_meet_in_one_field() {
        assert_eq!(condition("dl_vlan", "5"), Ok((Field::VlanTci, 0x1005, 0x1fff)));
        assert_eq!(condition("vlan_vid", "0x1005"), Ok((Field::VlanTci, 0x1005, 0x1fff)));
        assert_eq!(condition("dl_vlan_pcp", "3"), Ok((Field::VlanTci, 0x7000, 0xf000)));
        assert_eq!(condition("dl_vlan", "0xffff"), condition("vlan_tci", "0"));
        assert!(condition("vlan_vid", "5").unwrap_err().contains("write 0x1005"));
        assert!(condition("dl_vlan", "4096").is_err());
    }

    #[test]
    fn numbers_fit_their_fields_or_are_refused() {
        assert_eq!(condition("tun_id", "0xffffffffffffffff").unwrap().1, u128::from(u64::MAX));
        for (name, text) in [
            ("tun_id", "18446744073709551616"),
            ("nw_ttl", "256"),
            ("nw_ttl", "010"),
            ("nw_ttl", "-1"),
            ("nw_ttl", "+1"),
            ("nw_ttl", ""),
            ("nw_ttl", "0x"),
            ("icmp_type", "256"),
            ("ip_dscp", "64"),
            ("nw_tos", "5"),
            ("in_port", "0"),
            ("in_port", "65280"),
            ("in_port", "65533"),
        ] {
            assert!(condition(name, text).is_err(), "{name}={text}");
        }
    }
}
