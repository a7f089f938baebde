//! The fields by which a group chooses, in the datapath's words and back.

use super::{FIELDS, Form, WireField};
use crate::ofproto::context::Needs;
use datapath::pipeline::{HashedField, Header};

impl WireField {
    /// This field, or these bits of it, as something that is hashed.
    pub(crate) fn hashed(&self, mask: u128) -> HashedField {
        HashedField { field: self.field, mask: mask & self.kept(), of: header(self.needs) }
    }

    /// Of a hashed field, all bits of its bytes where all of the field are meant.
    pub(crate) fn hashed_mask(&self, hashed: &HashedField) -> u128 {
        if hashed.mask == self.kept() { self.ones() } else { hashed.mask }
    }
}

/// The field that is hashed. A number of the port that a frame came in by is not known apart from the other.
pub(crate) fn of_hashed(hashed: &HashedField) -> Option<&'static WireField> {
    let same = |row: &&WireField| {
        row.field == hashed.field && header(row.needs) == hashed.of && row.form != Form::Port
            || row.form == Form::Port && row.field == hashed.field && row.name != "in_port_oxm"
    };
    FIELDS.iter().find(same)
}

/// What the datapath does not see by the field itself.
fn header(needs: Needs) -> Header {
    match needs {
        Needs::Tag => Header::Tag,
        Needs::Arp => Header::Arp,
        Needs::Ip => Header::Ip,
        Needs::Ip4 => Header::Ip4,
        Needs::Ip6 => Header::Ip6,
        Needs::Tcp => Header::Tcp,
        Needs::Udp => Header::Udp,
        Needs::Sctp => Header::Sctp,
        Needs::Icmp => Header::Icmp,
        Needs::Icmp6 => Header::Icmp6,
        // Neighbour discovery, labels and backbone tags have bits of their own in a key.
        Needs::Nothing
        | Needs::Ip4OrArp
        | Needs::IpOrArp
        | Needs::Transport
        | Needs::AnyIcmp
        | Needs::Nd
        | Needs::NdSolicit
        | Needs::NdAdvert
        | Needs::Mpls
        | Needs::Backbone => Header::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_again() {
        for row in FIELDS {
            let hashed = row.hashed(row.ones());
            let found = of_hashed(&hashed).unwrap();
            assert!(found.name == row.name || row.name == "in_port_oxm", "{} is {}", row.name, found.name);
            assert_eq!(row.hashed_mask(&hashed), row.ones(), "{}", row.name);
        }
    }
}
