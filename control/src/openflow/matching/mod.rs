//! Matches on the wire: fields with values and masks ([`oxm`], in the numbers of OpenFlow 1.2 and later or of Nicira), and the fixed match of
//! OpenFlow 1.0 ([`v10`]).
//!
//! A match that is read is refused, with the error that Open vSwitch gives, for a field that there is not, a value or mask that the
//! field cannot have, a condition whose header frames need not have, and a field that is given twice.

mod familiar;
mod oxm;
mod v10;
mod values;

pub use oxm::{decode_nxm, decode_nxm_with_cookie, decode_oxm, encode_nxm, encode_oxm};
pub(crate) use oxm::{decode_oxm_in_context, write_field};
pub use v10::{LEN as V10_LEN, decode_v10, encode_v10, fits_v10};
pub(crate) use values::{Value, read_option, read_value};
