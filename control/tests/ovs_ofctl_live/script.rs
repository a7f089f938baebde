//! The commands in a file, line by line; the file itself says how they are written.

use super::even::without;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Ask and compare the answers.
    Ask,
    /// Start what goes on.
    Start,
    /// End it and compare what it said.
    End,
}

/// A line of the file, with the lines that belong to it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) verb: Verb,
    /// What comes after `ovs-ofctl`.
    pub(crate) words: Vec<String>,
    pub(crate) stdin: String,
    /// Why the answers are not the same, where they are known not to be.
    pub(crate) differs: Option<Difference>,
}

/// What is known to differ.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    /// How the lines begin that do, or what stands before values that do, up to `=`; without any it is the answer as a whole.
    pub(crate) parts: Vec<String>,
    pub(crate) reason: String,
}

impl Difference {
    /// What is left of an answer without what differs; nothing where all of it does.
    pub(crate) fn rest(&self, answer: &str) -> String {
        let (values, lines): (Vec<_>, Vec<_>) = self.parts.iter().partition(|part| part.ends_with('='));
        let stays = |line: &&str| !lines.iter().any(|start| line.trim_start().starts_with(*start));
        let cut = |line: &str| {
            let start = line.to_owned();
            values.iter().fold(start, |line, value| without(&line, value, &[',', ' '])) + "\n"
        };
        match self.parts.is_empty() {
            true => String::new(),
            false => answer.lines().filter(stays).map(cut).collect(),
        }
    }
}

/// All steps of a file.
pub(crate) fn read(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut differs, mut started) = (None, Vec::new());
    for (line, text) in (1..).zip(text.lines()) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(stdin) = text.strip_prefix('<') {
            let step = steps.last_mut().expect("a command before its standard input");
            step.stdin += stdin;
            step.stdin.push('\n');
            continue;
        }
        if let Some(reason) = text.strip_prefix("differs:") {
            differs = Some(Difference { parts: Vec::new(), reason: reason.trim().to_owned() });
            continue;
        }
        if let Some((parts, reason)) = text.strip_prefix("but ").and_then(|text| text.split_once(": ")) {
            let parts = parts.split('|').map(|part| part.trim().to_owned()).collect();
            differs = Some(Difference { parts, reason: reason.trim().to_owned() });
            continue;
        }
        let split = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (verb, words) = match text.strip_prefix("& ") {
            Some(rest) => (Verb::Start, split(rest)),
            None if text == "end" => (Verb::End, started.clone()),
            None => (Verb::Ask, split(text)),
        };
        if verb == Verb::Start {
            started.clone_from(&words);
        }
        steps.push(Step { line, verb, words, stdin: String::new(), differs: differs.take() });
    }
    steps
}
