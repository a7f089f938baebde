//! What is wrong with a text that somebody wrote, and where.
//!
//! Shown as `file:line:column: message`, and below it the line with a caret under the place. The line is outside input:
//! control characters are replaced and a long line is cut around the place before any of it reaches a terminal.

use serde::Serialize;
use std::fmt;

/// How many characters of a line are shown.
const EXCERPT_CHARS_MAX: usize = 100;
/// How many characters in front of the fault are shown when the line is long.
const EXCERPT_CHARS_BEFORE: usize = 60;

/// One fault in a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The name of the text, as a rule the path of its file.
    pub source: String,
    /// Line, from 1; 0 when the fault belongs to no line.
    pub line: u32,
    /// Column in characters, from 1; 0 when the fault belongs to no line.
    pub column: u32,
    /// What was found and what to do.
    pub message: String,
    #[serde(skip)]
    excerpt: Option<Excerpt>,
}

/// The part of the line that is shown, and where the caret goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    text: String,
    caret: usize,
    width: usize,
}

impl Diagnostic {
    /// A fault of the text as a whole.
    pub fn whole(source: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic { source: source.into(), line: 0, column: 0, message: message.into(), excerpt: None }
    }

    /// A fault at bytes `at .. at + len` of line number `line`, which reads `text`.
    pub fn on_line(
        source: &str,
        line: u32,
        text: &str,
        at: usize,
        len: usize,
        message: impl Into<String>,
    ) -> Diagnostic {
        let before = chars_before(text, at);
        let width = chars_before(text, at.saturating_add(len)).saturating_sub(before).max(1);
        let column = u32::try_from(before + 1).unwrap_or(u32::MAX);
        let excerpt = Some(Excerpt::new(text, before, width));
        Diagnostic { source: source.into(), line, column, message: message.into(), excerpt }
    }

    /// A fault at bytes `at .. at + len` of a text of many lines.
    pub fn in_text(
        source: &str,
        text: &str,
        at: usize,
        len: usize,
        message: impl Into<String>,
    ) -> Diagnostic {
        let at = floor_char(text, at);
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[start..].lines().next().unwrap_or_default();
        let number = u32::try_from(text[..start].matches('\n').count() + 1).unwrap_or(u32::MAX);
        Diagnostic::on_line(source, number, line, at - start, len, message)
    }
}

/// How many characters of `text` lie before byte `at`.
fn chars_before(text: &str, at: usize) -> usize {
    text[..floor_char(text, at)].chars().count()
}

/// The nearest start of a character at or before byte `at`.
fn floor_char(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}

impl Excerpt {
    fn new(text: &str, before: usize, width: usize) -> Excerpt {
        let chars: Vec<char> = text.chars().collect();
        let long = chars.len() > EXCERPT_CHARS_MAX;
        let from = if long { before.saturating_sub(EXCERPT_CHARS_BEFORE) } else { 0 };
        let to = chars.len().min(from + EXCERPT_CHARS_MAX);
        let from = from.min(to);
        let text = chars[from..to].iter().map(|c| printable(*c)).collect();
        let caret = before - from;
        Excerpt { text, caret, width: width.min((to - from).saturating_sub(caret).max(1)) }
    }
}

/// What stands for a character on a terminal: one column, never a control sequence.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '?',
        c => c,
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.source, self.message)?,
            line => write!(f, "{}:{}:{}: {}", self.source, line, self.column, self.message)?,
        }
        let Some(Excerpt { text, caret, width }) = &self.excerpt else { return Ok(()) };
        write!(f, "\n    {}\n    {:caret$}^{}", text.trim_end(), "", "~".repeat(width - 1))
    }
}

impl std::error::Error for Diagnostic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_fault() {
        let fault = Diagnostic::on_line("flows.txt", 3, "ip,nw_srcc=1.2.3.4", 3, 7, "unknown field");
        let shown = "flows.txt:3:4: unknown field\n    ip,nw_srcc=1.2.3.4\n       ^~~~~~~";
        assert_eq!(fault.to_string(), shown);
    }

    #[test]
    fn a_long_line_is_cut_and_a_control_character_is_not_repeated() {
        let text = format!("{}\u{1b}[2J{}", "a".repeat(500), "b".repeat(500));
        let shown = Diagnostic::on_line("f", 1, &text, 500, 4, "no").to_string();
        assert!(!shown.contains('\u{1b}'));
        assert!(shown.lines().all(|line| line.chars().count() < 120), "{shown}");
        assert!(shown.contains("^~~~"));
    }

    #[test]
    fn a_place_in_a_text_is_a_line_and_a_column_in_characters() {
        let fault = Diagnostic::in_text("f", "one\nä = two\n", 9, 3, "no");
        assert_eq!((fault.line, fault.column), (2, 5));
        let beyond = Diagnostic::in_text("f", "one\n", 99, 3, "no");
        assert_eq!((beyond.line, beyond.column), (2, 1));
    }
}
