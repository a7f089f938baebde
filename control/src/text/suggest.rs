//! The nearest known word, for one that is not known.

/// `; did you mean X?` when a known word is near, else nothing.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(word, known) {
        Some(near) => format!("; did you mean {near}?"),
        None => String::new(),
    }
}

/// Words longer than this are nobody's slip of the finger.
const WORD_CHARS_MAX: usize = 40;

/// The known word that is the fewest slips away: at most a third of the word, and not all of it.
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().take(WORD_CHARS_MAX + 1).collect();
    if word.len() > WORD_CHARS_MAX {
        return None;
    }
    let far = word.len().div_ceil(3).min(word.len().saturating_sub(1));
    let slips = known.into_iter().map(|near| (slips(&word, near), near));
    slips.filter(|(slips, _)| *slips <= far).min_by_key(|(slips, _)| *slips).map(|(_, near)| near)
}

/// How many characters must be put in, taken out or replaced (Levenshtein's distance).
fn slips(word: &[char], other: &str) -> usize {
    let mut row: Vec<usize> = (0..=word.len()).collect();
    for (i, there) in other.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, here) in word.iter().enumerate() {
            let replaced = diagonal + usize::from(*here != there);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[word.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let known = ["nw_src", "nw_dst", "tp_src"];
        assert_eq!(did_you_mean("nw_scr", known), "; did you mean nw_src?");
        assert_eq!(did_you_mean("NW_DST", known), "; did you mean nw_dst?");
        assert_eq!(did_you_mean("colour", known), "");
        assert_eq!(did_you_mean("x", ["y"]), "");
        assert_eq!(did_you_mean("", known), "");
    }
}
