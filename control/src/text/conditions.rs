//! What stands in front of `actions=`: the match, and the properties of the flow.
//!
//! Open vSwitch lets a later condition on a field replace an earlier one and drops, with a line in the log, conditions
//! whose header may be absent. Here both are refused: a flow does what it says or is not accepted.

use super::fields::{self, NAMES, Name};
use super::options;
use super::ports::PortNames;
use super::properties::{Given, Purpose, Reader};
use super::scan::{Fault, Span, Word, Words};
use super::suggest::did_you_mean;
use super::value::{Bits, read_condition, read_number};
use super::words::{self, Protocol};
use crate::ofproto::context::Context;
use datapath::flow::Field;
use datapath::pipeline::{Match, TABLES, TableId};

/// The priority of a flow that names none (ovs-ofctl(8); `OFP_DEFAULT_PRIORITY`).
pub const PRIORITY_DEFAULT: u16 = 0x8000;

/// What was read.
#[derive(Debug)]
pub(super) struct Conditions {
    pub(super) given: Given,
    pub(super) matching: Match,
}

/// Reads everything in front of `actions=`.
pub(super) fn read_conditions(
    text: Span<'_>,
    purpose: Purpose,
    ports: &dyn PortNames,
) -> Result<Conditions, Fault> {
    let mut reading =
        Reading { ports, properties: Reader::default(), matching: Match::any(), fields: Vec::new() };
    let mut words = Words::of(text);
    while let Some(word) = words.next()? {
        reading.word(word)?;
    }
    reading.finish(purpose)
}

struct Reading<'a> {
    ports: &'a dyn PortNames,
    properties: Reader<'a>,
    matching: Match,
    /// The fields that are given, each with its place, whose prerequisites are looked at in the end.
    fields: Vec<(&'static Name, Span<'a>)>,
}

impl<'a> Reading<'a> {
    fn word(&mut self, word: Word<'a>) -> Result<(), Fault> {
        if let Some(protocol) = words::find_protocol(word.key.text) {
            word.bare()?;
            return self.protocol(protocol, word.key);
        }
        if let Some(name) = fields::find(word.key.text) {
            return self.field(name, word);
        }
        if let Some(mapping) = options::find(word.key, self.ports)? {
            let bits = options::conditions(mapping, word.value, self.ports)?;
            return bits.into_iter().try_for_each(|bits| self.require(bits, word.key, word.key.text));
        }
        if self.properties.word(word, self.ports)? {
            return Ok(());
        }
        match word.key.text {
            statistics if words::STATISTICS.contains(&statistics) => Ok(()),
            unknown => Err(word.key.fault(refusal(unknown))),
        }
    }

    fn protocol(&mut self, protocol: &Protocol, place: Span<'_>) -> Result<(), Fault> {
        let eth_type =
            Bits { field: Field::EthType, value: protocol.eth_type.into(), mask: Field::EthType.max() };
        self.require(eth_type, place, "the Ethernet type")?;
        let Some(number) = protocol.protocol else { return Ok(()) };
        let protocol = Bits { field: Field::NwProto, value: number.into(), mask: Field::NwProto.max() };
        self.require(protocol, place, "the IP protocol")
    }

    fn field(&mut self, name: &'static Name, word: Word<'a>) -> Result<(), Fault> {
        let value = word.argument()?;
        self.fields.push((name, word.key));
        if value.text == "*" {
            return Ok(());
        }
        let bits = read_condition(name, value.text, self.ports).map_err(|message| value.fault(message))?;
        self.require(bits, word.key, word.key.text)
    }

    /// Adds a condition, unless the bits are already asked for otherwise.
    fn require(&mut self, bits: Bits, place: Span<'_>, what: &str) -> Result<(), Fault> {
        let Bits { field, value, mask } = bits;
        let had = self.matching.mask().get(field);
        let differs = (self.matching.key().get(field) ^ value) & had & mask != 0;
        // dl_vlan and dl_vlan_pcp are parts of one field that overlap in the bit that says "there is a tag".
        let again = had & mask != 0 && had != mask && field != Field::VlanTci;
        if differs || again {
            return Err(place.fault(format!("{what} is already given another value in this flow")));
        }
        self.matching.require(field, value, mask);
        Ok(())
    }

    fn finish(self, purpose: Purpose) -> Result<Conditions, Fault> {
        let context = Context::of(&self.matching);
        for (name, place) in &self.fields {
            if context.meets(name.needs) {
                continue;
            }
            if context.hidden_by_fragments(name.needs) {
                return Err(place.fault(format!("{}: later fragments do not carry that header", place.text)));
            }
            return Err(place.fault(format!("{} needs {}", place.text, name.needs.advice())));
        }
        Ok(Conditions { given: self.properties.finish(purpose)?, matching: self.matching })
    }
}

/// The number of a table.
pub(super) fn read_table(text: Span<'_>) -> Result<TableId, Fault> {
    let table = read_number(text.text, u8::MAX.into()).map_err(|message| text.fault(message))? as u8;
    match usize::from(table) < TABLES {
        true => Ok(TableId(table)),
        false => Err(text.fault(format!("there is no table {table}: they are 0 to {}", TABLES - 1))),
    }
}

/// Keeps a value that may be given once.
pub(super) fn once<T: PartialEq>(place: &mut Option<T>, value: T, word: Word<'_>) -> Result<(), Fault> {
    match place {
        Some(had) if *had != value => Err(word.key.fault(format!("{} is given twice", word.key.text))),
        _ => {
            *place = Some(value);
            Ok(())
        }
    }
}

/// Why a word is not accepted.
fn refusal(word: &str) -> String {
    if words::lists(words::FLOW_WORDS_NOT_YET, word) {
        return format!("{word} is not supported yet");
    }
    if words::lists(words::FIELDS_NOT_YET, word) {
        return format!("the field {word} is not supported yet");
    }
    if matches!(word, "add" | "modify" | "modify_strict" | "delete" | "delete_strict") {
        return format!("{word}: a file of flows lists the flows that there shall be; write the flow alone");
    }
    let fields = NAMES.iter().flat_map(|name| name.names.iter().copied());
    let protocols = words::PROTOCOLS.iter().map(|protocol| protocol.name);
    let known = fields.chain(protocols).chain(words::FLOW_WORDS.iter().copied());
    format!("{word:?} is no field and no protocol{}", did_you_mean(word, known))
}
