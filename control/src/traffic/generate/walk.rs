//! Which stream and which size come next. All streams take turns, and so do all sizes; each round begins with another size, so
//! that every stream gets every size. The same steps as in `ebpf/src/generate.rs`.

/// Where the walk is.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) stream: u32,
    pub(super) sequence: u64,
    pub(super) turn: usize,
    first_turn: usize,
}

impl Walk {
    /// Goes on to the next frame, of so many streams and turns.
    #[inline]
    pub(super) fn advance(&mut self, streams: u32, turns: usize) {
        let following = |turn: usize| if turn + 1 >= turns { 0 } else { turn + 1 };
        self.turn = following(self.turn);
        self.stream += 1;
        if self.stream >= streams {
            self.stream = 0;
            self.sequence += 1;
            self.first_turn = following(self.first_turn);
            self.turn = self.first_turn;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_stream_gets_every_number_and_every_size() {
        let mut walk = Walk::default();
        let mut seen = HashSet::new();
        for n in 0..12 * 4 {
            assert_eq!((walk.stream, walk.sequence), (n % 4, u64::from(n / 4)));
            seen.insert((walk.stream, walk.turn));
            walk.advance(4, 12);
        }
        assert_eq!(seen.len(), 4 * 12);
    }
}
