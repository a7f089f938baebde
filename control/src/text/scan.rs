//! Cutting a flow into words, the way ovs-ofctl(8) does: `key`, `key=value`, `key:value`, `key(value)` or `key(value)->value`, with
//! commas or white space between them. Every word remembers where it stands, so that a fault can be shown.

/// A part of a line, and the byte where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// What is wrong, and at which bytes of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) len: usize,
    pub(super) message: String,
}

impl<'a> Span<'a> {
    /// The bytes `from .. to` of it.
    pub(super) fn cut(self, from: usize, to: usize) -> Span<'a> {
        Span { text: &self.text[from..to], at: self.at + from }
    }

    /// The same without white space around it.
    pub(super) fn trim(self) -> Span<'a> {
        let from = self.text.len() - self.text.trim_start().len();
        self.cut(from, from + self.text.trim().len())
    }

    /// A fault at this place.
    pub(super) fn fault(self, message: impl Into<String>) -> Fault {
        Fault { at: self.at, len: self.text.len(), message: message.into() }
    }

    /// What stands between separators.
    pub(super) fn split(self, separates: impl Fn(char) -> bool) -> impl Iterator<Item = Span<'a>> {
        let start = self.text.as_ptr() as usize;
        self.text
            .split(separates)
            .map(move |text| Span { text, at: self.at + (text.as_ptr() as usize - start) })
    }

    /// What stands before and after the first `separator`.
    pub(super) fn split_once(self, separator: &str) -> Option<(Span<'a>, Span<'a>)> {
        let found = self.text.find(separator)?;
        Some((self.cut(0, found), self.cut(found + separator.len(), self.text.len())))
    }
}

/// A word of a flow and its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) key: Span<'a>,
    pub(super) value: Option<Span<'a>>,
}

impl<'a> Word<'a> {
    /// The argument, which the word must have.
    pub(super) fn argument(&self) -> Result<Span<'a>, Fault> {
        match self.value {
            Some(value) if !value.text.is_empty() => Ok(value),
            _ => Err(self.key.fault(format!("{} needs a value", self.key.text))),
        }
    }

    /// Makes sure that the word has no argument.
    pub(super) fn bare(&self) -> Result<(), Fault> {
        match self.value {
            None => Ok(()),
            Some(value) => Err(value.fault(format!("{} takes no value", self.key.text))),
        }
    }
}

/// The words of a text, from the left.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    rest: Span<'a>,
}

/// Whether a character ends a word.
fn separates(c: char) -> bool {
    matches!(c, ',' | ' ' | '\t' | '\r' | '\n')
}

impl<'a> Words<'a> {
    pub(super) fn of(text: Span<'a>) -> Words<'a> {
        Words { rest: text }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> Span<'a> {
        self.rest
    }

    /// The next word, or nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Word<'a>>, Fault> {
        let start = self.rest.text.find(|c| !separates(c)).unwrap_or(self.rest.text.len());
        let text = self.rest.cut(start, self.rest.text.len());
        if text.text.is_empty() {
            self.rest = text;
            return Ok(None);
        }
        let end = text.text.find(|c| separates(c) || matches!(c, ':' | '=' | '(')).unwrap_or(text.text.len());
        if end == 0 {
            return Err(text.cut(0, 1).fault("a word is missing here"));
        }
        let key = text.cut(0, end);
        let (value, used) = match text.text.as_bytes().get(end) {
            Some(b'(') => {
                let length =
                    closing(&text.text[end..]).ok_or_else(|| text.fault("this ( is never closed"))?;
                let behind = &text.text[end + length + 1..];
                if behind.starts_with("->") {
                    // The answer of what is in the parentheses goes there.
                    let length = end + length + 1 + behind.find(separates).unwrap_or(behind.len());
                    (Some(text.cut(end + 1, length)), length)
                } else {
                    (Some(text.cut(end + 1, end + length)), end + length + 1)
                }
            }
            Some(b':' | b'=') => {
                let after = end + 1;
                let length = text.text[after..].find(separates).unwrap_or(text.text.len() - after);
                (Some(text.cut(after, after + length)), after + length)
            }
            _ => (None, end),
        };
        self.rest = text.cut(used, text.text.len());
        Ok(Some(Word { key, value }))
    }
}

/// Where the parenthesis that opens at the start of `text` closes.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 1 => return Some(at),
            b')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A line, cut into what comes before `actions=` and what comes after it.
pub(super) fn split_actions(line: Span<'_>) -> Result<(Span<'_>, Span<'_>), Fault> {
    let mut words = Words::of(line);
    loop {
        let before = words.rest();
        let Some(word) = words.next()? else {
            let end = line.cut(line.text.trim_end().len(), line.text.trim_end().len());
            return Err(
                end.fault("a flow ends with actions=..., for example actions=output:2 or actions=drop")
            );
        };
        if !matches!(word.key.text, "actions" | "action") {
            continue;
        }
        let after = line.cut(word.key.at - line.at + word.key.text.len(), line.text.len());
        let Some(list) = after.text.trim_start().strip_prefix('=') else {
            return Err(word.key.fault("actions is followed by =, for example actions=output:2"));
        };
        let list = after.cut(after.text.len() - list.len(), after.text.len());
        return Ok((line.cut(0, before.at - line.at), list));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(&str, Option<&str>)> {
        let mut words = Words::of(Span { text, at: 0 });
        std::iter::from_fn(|| words.next().unwrap())
            .map(|word| (word.key.text, word.value.map(|value| value.text)))
            .collect()
    }

    #[test]
    fn commas_and_white_space_separate_words() {
        let expected = [("ip", None), ("a", Some("1")), ("b", Some("00:01")), ("c", Some("x(1,2)"))];
        assert_eq!(words(" ip,,a=1 \tb:00:01, c(x(1,2))"), expected);
    }

    #[test]
    fn what_an_arrow_leads_to_belongs_to_the_word() {
        assert_eq!(words("x(1)->reg0[0],b"), [("x", Some("1)->reg0[0]")), ("b", None)]);
    }

    #[test]
    fn actions_may_stand_apart_from_their_sign() {
        let line = Span { text: "ip ,actions = 1,2", at: 0 };
        let (conditions, actions) = split_actions(line).unwrap();
        assert_eq!((conditions.text.trim(), actions.text, actions.at), ("ip", " 1,2", 13));
    }

    #[test]
    fn a_parenthesis_must_close_and_a_word_must_have_a_name() {
        assert!(Words::of(Span { text: "ct(commit", at: 0 }).next().is_err());
        assert!(Words::of(Span { text: "=5", at: 0 }).next().is_err());
    }
}
