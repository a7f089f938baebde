//! Geneve options by the letter: each is a list of bytes, in pieces of a key.

use datapath::flow::{Field, FlowKey};

/// An option of the map.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) class: u16,
    pub(crate) kind: u8,
    pub(crate) len: usize,
    /// The bit that says that it is there.
    pub(crate) presence: u128,
    /// Where its data lie in a key, the first bytes first.
    pub(crate) pieces: Vec<Field>,
}

fn width(piece: Field) -> usize {
    usize::from(piece.slot().bits) / 8
}

/// What else happens when a field is set: an option that is set is there, one that is taken away is nothing.
pub(crate) fn follow(known: &[Known], says: &mut FlowKey, set: Field) {
    for option in known {
        if option.pieces.contains(&set) {
            let present = says.get(Field::OptionPresence) | option.presence;
            says.set(Field::OptionPresence, present);
        }
        if set == Field::OptionPresence && says.get(Field::OptionPresence) & option.presence == 0 {
            option.pieces.iter().for_each(|piece| says.set(*piece, 0));
        }
    }
}

/// The options that are put into a header, and whether one is critical.
pub(crate) fn emitted(known: &[Known], says: &FlowKey) -> (Vec<u8>, bool) {
    let (mut bytes, mut critical) = (Vec::new(), false);
    for option in known {
        if says.get(Field::OptionPresence) & option.presence == 0 {
            continue;
        }
        critical |= option.kind >= 0x80;
        bytes.extend(option.class.to_be_bytes());
        bytes.extend([option.kind, option.len as u8 / 4]);
        for piece in &option.pieces {
            bytes.extend(&says.get(*piece).to_be_bytes()[16 - width(*piece)..]);
        }
    }
    (bytes, critical)
}

/// Reads the options of a header into the key of what it carries. None: the packet must be dropped.
pub(crate) fn read(known: &[Known], mut bytes: &[u8], says: &mut FlowKey) -> Option<()> {
    while !bytes.is_empty() {
        let (class, kind, len) = match *bytes {
            [a, b, kind, len, ..] => (u16::from(a) << 8 | u16::from(b), kind, usize::from(len % 32) * 4),
            _ => return None,
        };
        let mut data = bytes.get(4..4 + len)?;
        bytes = &bytes[4 + len..];
        match known.iter().find(|option| (option.class, option.kind) == (class, kind)) {
            None if kind >= 0x80 => return None,
            None => {}
            Some(option) if option.len != len => return None,
            Some(option) => {
                let present = says.get(Field::OptionPresence) | option.presence;
                says.set(Field::OptionPresence, present);
                for piece in &option.pieces {
                    let (first, rest) = data.split_at(width(*piece));
                    says.set(*piece, first.iter().fold(0, |all, byte| all << 8 | u128::from(*byte)));
                    data = rest;
                }
            }
        }
    }
    Some(())
}
