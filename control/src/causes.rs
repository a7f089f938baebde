//! An error and its causes in one line, for people.

use anyhow::Error;

/// The error, then each cause that says something new: many repeat what they were made from.
pub(crate) fn in_one_line(error: &Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string().replace('\n', " ");
        if line.contains(&cause) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&cause);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn no_cause_is_told_twice() {
        let error = anyhow!("map error: no room").context("map error: no room").context("eth1: cannot bind");
        assert_eq!(in_one_line(&error), "eth1: cannot bind: map error: no room");
        assert_eq!(in_one_line(&anyhow!("two\nlines")), "two lines");
    }
}
