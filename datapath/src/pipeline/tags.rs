//! VLAN tags behind the two that a key has room for: rules have pushed others in front of them.

/// Most of them.
const TAGS_MAX: usize = 64;

/// The tags, the outermost last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buried {
    tags: [u16; TAGS_MAX],
    len: usize,
    /// Those of the frame that is in front begin here; the ones before are of the customer's frame behind it.
    start: usize,
    /// Those of the customer's frame begin here; the ones before are of frames that do not come to the front again.
    customer: usize,
}

impl Buried {
    pub(super) const NONE: Buried = Buried { tags: [0; TAGS_MAX], len: 0, start: 0, customer: 0 };

    /// False when there is no room.
    pub(super) fn push(&mut self, tag: u16) -> bool {
        let place = self.tags.get_mut(self.len);
        place.is_some_and(|place| {
            *place = tag;
            self.len += 1;
            true
        })
    }

    /// How many of them are of the frame that is in front.
    pub(super) fn in_front(&self) -> usize {
        self.len - self.start
    }

    /// Zero when there are none.
    pub(super) fn pop(&mut self) -> u16 {
        if self.len == self.start {
            return 0;
        }
        self.len -= 1;
        self.tags[self.len]
    }

    /// The frame becomes the customer's of another one, which has no tags.
    pub(super) fn wrap(&mut self) {
        (self.customer, self.start) = (self.start, self.len);
    }

    /// The customer's frame comes to the front.
    pub(super) fn unwrap(&mut self) {
        (self.len, self.start) = (self.start, self.customer);
    }
}
