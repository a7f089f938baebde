//! What `push` puts away for `pop` (ovs-actions(7), "The push and pop actions"). What is read out of a frame on the way is
//! looked at, so what lies here is the same for every frame of an answer.

/// How many values there is room for. A frame whose rules put away more is refused as a whole.
const DEPTH_MAX: usize = 32;

#[derive(Clone, Copy, Debug)]
pub(super) struct Stack {
    values: [u128; DEPTH_MAX],
    len: usize,
}

impl Stack {
    pub(super) const EMPTY: Stack = Stack { values: [0; DEPTH_MAX], len: 0 };

    /// False when there is no more room.
    pub(super) fn push(&mut self, value: u128) -> bool {
        let place = self.values.get_mut(self.len);
        let fits = place.is_some();
        if let Some(place) = place {
            *place = value;
            self.len += 1;
        }
        fits
    }

    /// None when it is empty.
    pub(super) fn pop(&mut self) -> Option<u128> {
        self.len = self.len.checked_sub(1)?;
        Some(self.values[self.len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_comes_first_and_there_is_an_end_to_both_sides() {
        let mut stack = Stack::EMPTY;
        assert_eq!(stack.pop(), None);
        assert!((0..DEPTH_MAX as u128).all(|value| stack.push(value)) && !stack.push(99));
        assert!((0..DEPTH_MAX as u128).rev().all(|value| stack.pop() == Some(value)));
        assert_eq!(stack.pop(), None);
    }
}
