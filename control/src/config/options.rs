//! `tlv_map` of `[bridge]`: which Geneve options are fields, in the words of `ovs-ofctl add-tlv-map`.

use super::section::{Faults, Section};
use crate::text::parse_mapping;
use datapath::tunnel::OptionMap;

/// More than there is room for.
const MAPPINGS_MAX: usize = 64;

pub(super) fn map(section: &mut Section<'_>, faults: &mut Faults<'_>) -> OptionMap {
    let mut map = OptionMap::default();
    for value in section.array("tlv_map", MAPPINGS_MAX, faults).unwrap_or_default() {
        let Some(text) = value.get_ref().as_str() else {
            let example = "\"{class=0x102,type=0x80,len=4}->tun_metadata0\"";
            faults.at(&value.span(), format!("an option is mapped by a string, as in {example}"));
            continue;
        };
        let mapped = parse_mapping(text).and_then(|one| map.add(one).map_err(|error| error.to_string()));
        if let Err(message) = mapped {
            faults.at(&value.span(), message);
        }
    }
    map
}
