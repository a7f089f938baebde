//! Commands that ask a running switch about its flows and groups, and change them: `adit flows`, `adit groups`.

pub mod flows;
pub mod groups;
mod input;
