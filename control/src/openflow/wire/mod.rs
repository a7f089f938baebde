//! Bytes as OpenFlow has them on the wire: big-endian, padded, with lengths that a stranger has written.

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;
