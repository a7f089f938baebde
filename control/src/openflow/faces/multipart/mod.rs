//! Questions with long answers: multipart messages, once called statistics (OpenFlow 1.0.1 section 5.3.5, 1.3.5 section 7.3.5).

mod flows;
mod groups;
mod kinds;
mod monitors;
mod parts;
mod ports;
mod reply;
mod request;
mod table_features;

pub(super) use parts::encode_reply;
pub use parts::{parts, parts_knowing};
pub(super) use reply::decode as decode_reply;
pub(super) use request::{decode as decode_request, encode as encode_request, encode_cancel};
