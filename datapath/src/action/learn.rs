//! Flows that frames teach: the `learn` action (ovs-actions(7); `lib/learn.c` of Open vSwitch 3.1).
//!
//! A rule that learns says how to make a flow of a frame ([`Learn`]): bits of fields of the frame, or constants, become conditions, values
//! to write, or the port to send to. A worker does not make the flow. It reads the bits, and where control has not yet taken up what they
//! teach, it tells control ([`Lesson`]), which adds the flow as any other.
//!
//! What is to be told is put together when a flow is translated ([`Teaching`]), as for NORMAL ([`super::report`]): what each frame says for
//! itself is read in its key when the program is done, so that the frames of many stations have one program.

use crate::flow::{FlowKey, Part};
use std::sync::Arc;

/// Most bits of frames, each of one field, that a flow can be made of. Constants come on top.
pub const SOURCES_MAX: usize = 16;
/// Most parts that a flow can be made of in all.
pub const SPECS_MAX: usize = 64;

/// How to make a flow of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Learn {
    /// The table that it is added to.
    pub table: u8,
    /// Its priority.
    pub priority: u16,
    /// Its mark; all ones: one that is there already keeps its own.
    pub cookie: u64,
    /// It goes when no frame took it for so many seconds; 0: it does not.
    pub idle_timeout: u16,
    /// It goes when no frame taught it for so many seconds; 0: it does not.
    pub hard_timeout: u16,
    /// [`Learn::idle_timeout`] once a TCP connection has ended in it; 0: as before.
    pub fin_idle_timeout: u16,
    /// [`Learn::hard_timeout`] once a TCP connection has ended in it; 0: as before.
    pub fin_hard_timeout: u16,
    /// A controller is told when it goes.
    pub send_flow_rem: bool,
    /// When the last rule that learns with this table and cookie and says so is gone, all flows of the table with the cookie go too.
    pub delete_learned: bool,
    /// No flow is added when the table has so many with the cookie; 0: however many there are.
    pub limit: u32,
    /// One bit that is set when the flow is there, or will be, and cleared when there is no room for it.
    pub result: Option<Part>,
    /// What it is made of, in this order.
    pub specs: Box<[Spec]>,
}

/// A part of the flow that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spec {
    /// It takes frames that have this there.
    Match {
        /// Where.
        to: Part,
        /// What; of the same width.
        from: Source,
    },
    /// It writes this there.
    Load {
        /// Where.
        to: Part,
        /// What; of the same width.
        from: Source,
    },
    /// It sends to the port of this number.
    Output(Part),
}

/// What a part of the flow is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Always this.
    Value(u128),
    /// What the frame says there.
    Field(Part),
}

impl Learn {
    /// What is read in a frame, in the order of [`Learn::specs`]. Beyond [`SOURCES_MAX`], which whoever makes such actions refuses, nothing
    /// is.
    pub fn sources(&self) -> impl Iterator<Item = Part> {
        let source = |spec: &Spec| match *spec {
            Spec::Match { from: Source::Field(part), .. }
            | Spec::Load { from: Source::Field(part), .. }
            | Spec::Output(part) => Some(part),
            _ => None,
        };
        self.specs.iter().filter_map(source).take(SOURCES_MAX)
    }
}

/// What a frame teaches: which flow is to be made, of what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lesson {
    /// How the flow is made.
    pub learn: Arc<Learn>,
    /// What was read, right-aligned, in the order of [`Learn::sources`]; zero behind that.
    pub values: [u128; SOURCES_MAX],
}

impl Lesson {
    /// Of a frame of which nothing was read yet.
    pub fn new(learn: Arc<Learn>) -> Lesson {
        Lesson { learn, values: [0; SOURCES_MAX] }
    }
}

/// What the frames of a program teach.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Teaching {
    /// With zero for what each frame says for itself.
    lesson: Lesson,
    /// Which values that is, as bits.
    said: u16,
}

const _: () = assert!(SOURCES_MAX <= u16::BITS as usize);

impl Teaching {
    /// What a frame teaches, and which of the values, as bits, other frames say for themselves.
    pub fn new(mut lesson: Lesson, said: u16) -> Teaching {
        let each = lesson.values.iter_mut().enumerate();
        each.filter(|(at, _)| said & 1 << at != 0).for_each(|(_, value)| *value = 0);
        Teaching { lesson, said }
    }

    /// What a frame with this key teaches.
    pub fn of(&self, key: &FlowKey) -> Lesson {
        let mut lesson = self.lesson.clone();
        let Lesson { learn, values } = &mut lesson;
        for (at, (value, part)) in values.iter_mut().zip(learn.sources()).enumerate() {
            if self.said & 1 << at != 0 {
                *value = (key.get(part.field) & part.mask()) >> part.offset;
            }
        }
        lesson
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Field;

    #[test]
    fn each_frame_says_its_own_and_the_rest_is_the_same_for_all() {
        let to = Part::all(Field::EthDst);
        let port = Part { field: Field::InPort, offset: 0, bits: 16 };
        let register = Part { field: Field::Reg0, offset: 4, bits: 4 };
        let specs = [
            Spec::Match { to, from: Source::Field(Part::all(Field::EthSrc)) },
            Spec::Match { to: Part::all(Field::EthType), from: Source::Value(0x800) },
            Spec::Load { to: register, from: Source::Field(register) },
            Spec::Output(port),
        ];
        let learn = Arc::new(Learn { specs: specs.into(), ..Learn::default() });
        let mut lesson = Lesson::new(learn);
        lesson.values[..3].copy_from_slice(&[1, 5, 2]);
        let teaching = Teaching::new(lesson.clone(), 0b101);
        let mut key = FlowKey::default();
        key.set(Field::EthSrc, 1);
        key.set(Field::InPort, 2);
        key.set(Field::Reg0, 0x90);
        assert_eq!(teaching.of(&key), lesson);
        key.set(Field::EthSrc, 7);
        key.set(Field::InPort, 0xffff_fffe);
        assert_eq!(teaching.of(&key).values[..4], [7, 5, 0xfffe, 0]);
    }
}
