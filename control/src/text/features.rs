//! What the flow tables can do (OpenFlow 1.3.5 section A.3.5.5). All of them can do the same; a table that has no flows is
//! like any other.

use super::fields::{NAMES, Set};
use super::words;
use crate::ofproto::ENTRIES_MAX;
use datapath::flow::Field;
use datapath::pipeline::TABLES;
use serde::Serialize;

/// What each of the tables can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Features {
    /// How many tables there are, from 0 on.
    pub tables: usize,
    /// How many flows each of them takes.
    pub max_entries: usize,
    /// The bits of the metadata that can be matched, and written.
    pub metadata: u64,
    /// Instructions, in the order in which they are done (section 5.9). `goto_table` leads to any later table.
    pub instructions: Vec<&'static str>,
    /// Actions, by their words in flows.
    pub actions: Vec<&'static str>,
    /// Fields, by their first names in flows.
    pub fields: Vec<FieldFeatures>,
}

/// What can be done with a field. Every field can be left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FieldFeatures {
    /// Its name in flows.
    pub name: &'static str,
    /// How many bits it has.
    pub bits: u32,
    /// Whether some of its bits can be matched without the others.
    pub maskable: bool,
    /// Whether `set_field` can write it.
    pub settable: bool,
}

/// What each of the tables can do.
pub fn features() -> Features {
    let plain = |word: &&str| !words::INSTRUCTIONS.contains(word) && *word != "meter";
    let field = |name: &super::fields::Name| FieldFeatures {
        name: name.names[0],
        bits: 128 - name.max.leading_zeros(),
        maskable: name.maskable,
        settable: matches!(name.set, Set::When(_)),
    };
    let other_name = |set: Set| matches!(set, Set::Instead(_));
    Features {
        tables: TABLES,
        max_entries: ENTRIES_MAX,
        metadata: Field::Metadata.max() as u64,
        instructions: [&["meter", "apply_actions"][..], &words::INSTRUCTIONS].concat(),
        actions: words::ACTIONS.iter().copied().filter(plain).collect(),
        fields: NAMES.iter().filter(|name| !other_name(name.set)).map(field).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OpenFlow 1.3.5 section 7.2.3.7, table 12: the fields that every switch has, and whether they can be masked.
    #[test]
    fn the_fields_that_openflow_requires_are_there() {
        let features = features();
        let required = [
            ("in_port", false),
            ("eth_dst", true),
            ("eth_src", true),
            ("eth_type", false),
            ("nw_proto", false),
            ("ip_src", true),
            ("ip_dst", true),
            ("ipv6_src", true),
            ("ipv6_dst", true),
            ("tcp_src", false),
            ("tcp_dst", false),
            ("udp_src", false),
            ("udp_dst", false),
        ];
        for (name, maskable) in required {
            let found = features.fields.iter().find(|field| field.name == name);
            let field = found.unwrap_or_else(|| panic!("{name} in {:?}", features.fields));
            assert!(field.maskable || !maskable, "{name}");
        }
    }
}
