//! Commands that ask a running switch about its flows, groups and meters, and change them: `adit flows`, `adit groups`,
//! `adit meters`.

pub mod flows;
pub mod groups;
mod input;
pub mod meters;
pub mod monitor;
pub mod tlv_map;
