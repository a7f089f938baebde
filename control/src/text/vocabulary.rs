//! Every word of the syntax, for whoever documents or completes it.

use super::fields::NAMES;
use super::words;

/// The words, each list in the order in which they are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// What a flow has beside its match: `priority` and the like.
    pub properties: Vec<&'static str>,
    /// Words that stand for a protocol, and their other names.
    pub protocols: Vec<&'static str>,
    /// Fields under each of their names.
    pub fields: Vec<&'static str>,
    /// Actions.
    pub actions: Vec<&'static str>,
    /// What a group has, and its buckets.
    pub groups: Vec<&'static str>,
    /// What a meter has, and its bands.
    pub meters: Vec<&'static str>,
    /// What Open vSwitch has and this version refuses by name. A name that ends with `*` stands for many.
    pub refused: Vec<&'static str>,
}

/// Every word.
pub fn vocabulary() -> Vocabulary {
    let aliases = words::PROTOCOL_ALIASES.iter().map(|(alias, _)| *alias);
    let refused = [words::FLOW_WORDS_NOT_YET, words::FIELDS_NOT_YET, words::ACTIONS_NOT_YET];
    Vocabulary {
        properties: [words::FLOW_WORDS, words::STATISTICS].concat(),
        protocols: words::PROTOCOLS.iter().map(|protocol| protocol.name).chain(aliases).collect(),
        fields: NAMES.iter().flat_map(|name| name.names).copied().collect(),
        actions: words::ACTIONS.to_vec(),
        groups: words::GROUP_WORDS.to_vec(),
        meters: words::METER_WORDS.to_vec(),
        refused: refused.concat(),
    }
}
