//! Chance with a seed: the same seed, the same draws (splitmix64).
//!
//! Never here: what is drawn.

/// A source of numbers.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// That of a seed.
    pub(super) fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number from 0 on, below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// A number of 16 bits, of `from` or more, and below `to`.
    pub(super) fn between(&mut self, from: u16, to: u16) -> u16 {
        let wide = self.below(u64::from(to.saturating_sub(from)));
        from + u16::try_from(wide).unwrap_or(0)
    }

    /// True in one of `n` cases.
    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of some words; a word that is there twice is as likely again.
    pub(super) fn of_words<'w>(&mut self, words: &'w str) -> &'w str {
        let all: Vec<&str> = words.split_whitespace().collect();
        self.of_list(&all).copied().unwrap_or_default()
    }

    /// One of a list.
    pub(super) fn of_list<'l, T>(&mut self, list: &'l [T]) -> Option<&'l T> {
        let at = self.below(u64::try_from(list.len()).unwrap_or(1));
        list.get(usize::try_from(at).unwrap_or(0))
    }

    /// In one of `n` cases what `draw` makes, else nothing.
    pub(super) fn maybe(&mut self, n: u64, draw: impl FnOnce(&mut Self) -> String) -> String {
        if self.one_in(n) { draw(self) } else { String::new() }
    }
}
