//! Actions that do nothing to a frame: `conjunction`, which says what the rule stands for, and `note`.

use super::actions::{Place, Reading};
use super::scan::{Fault, Span, Word};
use super::value::read_number;
use datapath::pipeline::{CLAUSES_MAX, Clause, RuleAction};

/// Bytes that a note may have.
const NOTE_MAX: usize = 4096;
/// Bytes in front of a note's own in its message, which is as long as a multiple of [`NOTE_UNIT`].
const NOTE_HEADER: usize = 10;
const NOTE_UNIT: usize = 8;

impl Reading<'_> {
    /// `conjunction(ID,NUMBER/OF)`.
    pub(super) fn conjunction(&mut self, word: Word<'_>) -> Result<(), Fault> {
        self.not_in_a_set(&word)?;
        if self.depth > 0 {
            return Err(word.key.fault("conjunction stands in a flow, and not inside of anything"));
        }
        let parts = word.argument()?.split_once(",");
        let Some((id, (number, of))) = parts.and_then(|(id, rest)| Some((id, rest.split_once("/")?))) else {
            return Err(word
                .key
                .fault("conjunction is written conjunction(ID,NUMBER/OF), as in conjunction(7,1/2)"));
        };
        let read = |text: Span<'_>, max: u32| {
            let text = text.trim();
            read_number(text.text, max.into())
                .map(|number| number as u32)
                .map_err(|message| text.fault(message))
        };
        let clauses = read(of, CLAUSES_MAX.into())?;
        if clauses < 2 {
            return Err(of.fault(format!("a conjunction has 2 to {CLAUSES_MAX} clauses")));
        }
        let clause = read(number, clauses)?;
        if clause == 0 {
            return Err(number.fault(format!("clauses are numbered from 1 to {clauses}")));
        }
        let clause = Clause { id: read(id, u32::MAX)?, of: clauses as u8, number: clause as u8 };
        self.push_action(RuleAction::Conjunction(clause));
        Ok(())
    }

    /// `note:HH.HH.HH`, filled up with zeros to the length that its message has (ovs-actions(7)).
    pub(super) fn note(&mut self, word: Word<'_>) -> Result<(), Fault> {
        if self.place == Place::ActionSet {
            return Err(word.key.fault("an action set has no note"));
        }
        let mut bytes = word.value.map_or(Ok(Vec::new()), |text| read_bytes(text, "a note"))?;
        if bytes.len() > NOTE_MAX {
            return Err(word.key.fault(format!("a note has at most {NOTE_MAX} bytes")));
        }
        bytes.resize((NOTE_HEADER + bytes.len().max(1)).next_multiple_of(NOTE_UNIT) - NOTE_HEADER, 0);
        self.push_action(RuleAction::Note(bytes.into()));
        Ok(())
    }

    /// Refuses other actions beside a conjunction: they would never be done.
    pub(super) fn conjunction_alone(&self, place: Span<'_>) -> Result<(), Fault> {
        let is_other =
            |action: &RuleAction| !matches!(action, RuleAction::Conjunction(_) | RuleAction::Note(_));
        match self.actions.iter().any(is_other) {
            true => self.no_conjunction(place),
            false => Ok(()),
        }
    }

    /// Refuses what would stand beside a conjunction.
    pub(super) fn no_conjunction(&self, place: Span<'_>) -> Result<(), Fault> {
        match self.actions.iter().any(|action| matches!(action, RuleAction::Conjunction(_))) {
            true => Err(place.fault("beside conjunction stands nothing but note: it would never be done")),
            false => Ok(()),
        }
    }
}

/// Pairs of hexadecimal digits, with points between them or not.
pub(super) fn read_bytes(text: Span<'_>, what: &str) -> Result<Vec<u8>, Fault> {
    let wrong = || text.fault(format!("{what} is pairs of hexadecimal digits, as in 01.af"));
    let digits = text.text.chars().filter(|c| *c != '.').map(|c| c.to_digit(16));
    let digits: Vec<u32> = digits.collect::<Option<_>>().ok_or_else(wrong)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    match rest {
        [] => Ok(pairs.iter().map(|[high, low]| (high << 4 | low) as u8).collect()),
        _ => Err(wrong()),
    }
}

/// Bytes as text.
pub(super) fn write_bytes(bytes: &[u8]) -> String {
    let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(".")
}

/// A note as text.
pub(super) fn write_note(bytes: &[u8]) -> String {
    format!("note:{}", write_bytes(bytes))
}
