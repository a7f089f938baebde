//! What can go wrong while setting up: what was asked, what was found, what to do.

use std::fmt;
use std::io;

/// Why a umem or a socket could not be set up or used.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot work; the text says why and what would.
    Config(&'static str),
    /// The area could not be mapped.
    Memory {
        /// How many bytes were asked for.
        bytes: usize,
        /// What the kernel said.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(what) => f.write_str(what),
            Self::Memory { bytes, source } => {
                write!(f, "mapping {bytes} bytes for the umem: {source}; ask for fewer frames or free memory")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(_) => None,
            Self::Memory { source, .. } => Some(source),
        }
    }
}
