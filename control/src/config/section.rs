//! One table of a TOML text, read key by key. Whatever is wrong is noted with its place, and reading goes on.

use crate::text::suggest::did_you_mean;
use crate::text::{Diagnostic, FAULTS_MAX};
use std::ops::{Range, RangeInclusive};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The faults of a text so far.
pub(super) struct Faults<'a> {
    source: &'a str,
    text: &'a str,
    found: Vec<Diagnostic>,
}

impl<'a> Faults<'a> {
    pub(super) fn of(source: &'a str, text: &'a str) -> Faults<'a> {
        Faults { source, text, found: Vec::new() }
    }

    /// Notes a fault at these bytes of the text.
    pub(super) fn at(&mut self, span: &Range<usize>, message: impl Into<String>) {
        if self.found.len() < FAULTS_MAX {
            let len = span.end.saturating_sub(span.start);
            self.found.push(Diagnostic::in_text(self.source, self.text, span.start, len, message));
        }
    }

    /// Notes a fault of the text as a whole.
    pub(super) fn whole(&mut self, message: impl Into<String>) {
        self.found.push(Diagnostic::whole(self.source, message));
    }

    /// Whether nothing is wrong so far.
    pub(super) fn none(&self) -> bool {
        self.found.is_empty()
    }

    /// The line of a place, to refer to it.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        1 + before.matches('\n').count()
    }

    /// All faults, in the order of the text.
    pub(super) fn into_found(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|fault| (fault.line, fault.column));
        self.found
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A table: `[bridge]`, or one of the `[[port]]`.
pub(super) struct Section<'a> {
    /// As it is written in the file, for messages.
    name: &'static str,
    table: &'a DeTable<'a>,
    pub(super) span: Range<usize>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn new(name: &'static str, table: &'a DeTable<'a>, span: Range<usize>) -> Section<'a> {
        Section { name, table, span, known: Vec::new() }
    }

    /// Itself, for sections within it.
    pub(super) fn table(&self) -> &'a DeTable<'a> {
        self.table
    }

    /// The value of a key, whatever it is.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.table.get(key)
    }

    /// Whether a key is given.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// A string.
    pub(super) fn string(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Option<At<&'a str>> {
        let value = self.value(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            faults.at(&value.span(), format!("{key} is a string, as in {key} = \"...\""));
        }
        text.map(|text| At { value: text, span: value.span() })
    }

    /// A whole number of a range.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        faults: &mut Faults<'_>,
    ) -> Option<At<u64>> {
        let value = self.value(key)?;
        number(key, value, range, faults).map(|number| At { value: number, span: value.span() })
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Option<At<bool>> {
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            faults.at(&value.span(), format!("{key} is true or false"));
        }
        flag.map(|flag| At { value: flag, span: value.span() })
    }

    /// The elements of an array.
    pub(super) fn array(
        &mut self,
        key: &'static str,
        len_max: usize,
        faults: &mut Faults<'_>,
    ) -> Option<&'a [Spanned<DeValue<'a>>]> {
        let value = self.value(key)?;
        match value.get_ref().as_array() {
            Some(array) if array.len() > len_max => {
                faults.at(&value.span(), format!("{key} has too many elements: at most {len_max}"));
                None
            }
            Some(array) => Some(array),
            None => {
                faults.at(&value.span(), format!("{key} is a list, as in {key} = [...]"));
                None
            }
        }
    }

    /// A key that must be there.
    pub(super) fn needed<T>(
        &self,
        key: &str,
        value: Option<T>,
        example: &str,
        faults: &mut Faults<'_>,
    ) -> Option<T> {
        if value.is_none() && !self.table.contains_key(key) {
            faults.at(&self.span, format!("{} needs {key}, as in {key} = {example}", self.name));
        }
        value
    }

    /// Refuses every key that nobody asked for. `not_yet` are those that Open vSwitch has.
    pub(super) fn finish(self, not_yet: &[&str], faults: &mut Faults<'_>) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let message = if not_yet.contains(&name) {
                format!("{name} is not supported yet")
            } else {
                format!("{} has no key {name:?}{}", self.name, did_you_mean(name, self.known.iter().copied()))
            };
            faults.at(&key.span(), message);
        }
    }
}

/// A whole number of a range.
pub(super) fn number(
    what: &str,
    value: &Spanned<DeValue<'_>>,
    range: RangeInclusive<u64>,
    faults: &mut Faults<'_>,
) -> Option<u64> {
    let read = value.get_ref().as_integer();
    let read = read.map(|number| u64::from_str_radix(number.as_str(), number.radix()));
    match read {
        Some(Ok(number)) if range.contains(&number) => Some(number),
        _ => {
            faults.at(&value.span(), format!("{what} is a number from {} to {}", range.start(), range.end()));
            None
        }
    }
}
