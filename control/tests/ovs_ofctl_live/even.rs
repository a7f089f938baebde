//! Evens out what two switches cannot say alike: durations, transaction numbers, MAC addresses of ports, the moment of a message, the
//! folder of the sockets, the speed of devices, and the order of entries where none is promised.

/// The same text without all that. With `sort`, entries come in the order of their text.
pub(crate) fn even(said: &str, sort: bool) -> String {
    // How fast a port is adit does not tell.
    let speed = |line: &str| ["current:", "speed:"].iter().any(|start| line.trim_start().starts_with(start));
    let lines: Vec<_> = said.lines().filter(|line| !speed(line)).map(line).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let lines = if sort { sorted(&lines) } else { lines.into_iter().map(str::to_owned).collect() };
    lines.into_iter().map(|line| line + "\n").collect()
}

/// A line with those that are indented further is an entry; entries are sorted, and what is in them.
fn sorted(lines: &[&str]) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let Some(least) = lines.iter().map(|line| indent(line)).min() else { return Vec::new() };
    let mut entries: Vec<Vec<&str>> = Vec::new();
    for line in lines {
        match entries.last_mut() {
            Some(entry) if indent(line) > least => entry.push(line),
            _ => entries.push(vec![line]),
        }
    }
    let mut entries: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| match entry.split_first() {
            Some((head, rest)) => [vec![(*head).to_owned()], sorted(rest)].concat(),
            None => Vec::new(),
        })
        .collect();
    entries.sort();
    entries.concat()
}

fn line(line: &str) -> String {
    // "2026-01-01T00:00:00Z|00001|vconn|WARN|..." of the program's own log; monitor puts the moment before what it tells.
    let line = match line.split_once("|WARN|").or_else(|| line.split_once("|ERR|")) {
        Some((_, rest)) => rest,
        None => line,
    };
    let mut line = line.trim_end().to_owned();
    for (start, end) in [
        ("duration=", &[',', ' ', ';'][..]),
        ("duration_sec=", &[',', ' ']),
        ("duration:", &[',', ' ']),
        // As flow-removed messages are printed: a letter is missing there.
        (" duration", &[',', ' ', '=']),
        ("idle_age=", &[',', ' ']),
        ("hard_age=", &[',', ' ']),
        ("xid=", &[')', ' ', ',', ':']),
        ("addr:", &[' ', ',']),
        ("dpid:", &[' ', ',']),
        ("unix:", &[':', ' ']),
        ("time=", &[' ']),
        (": 8 bytes from ", &[' ']),
    ] {
        line = without(&line, start, end);
    }
    // Told only if it is not as old as the entry, in seconds.
    line.replace(" hard_age=X,", "")
}

/// The text with `X` for what stands between `start` and one of `ends`.
pub(crate) fn without(text: &str, start: &str, ends: &[char]) -> String {
    let mut parts = text.split(start);
    let mut evened = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(ends).unwrap_or(part.len());
        evened += start;
        evened.push('X');
        evened += &part[end..];
    }
    evened
}
