//! When to look next: soon after something happened, not more than a fifth of the time, and ever
//! more seldom at what somebody keeps taking away.
//!
//!     told ──50 ms──▶ look ── 4 × its cost ──▶ the next may begin
//!     repaired the same thing again and again: 1, 2, 4 … 60 s
//!
//! Pure: moments in, moments out.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long what belongs together may take to happen.
const SETTLE: Duration = Duration::from_millis(50);
/// A look is followed by so many times its cost of rest.
const REST: u32 = 4;
/// So often the same may be put right without a pause.
const PATIENCE: u32 = 3;
/// The longest pause.
const PAUSE: Duration = Duration::from_secs(60);
/// After so long without strife it is forgotten.
const PEACE: Duration = Duration::from_secs(120);

/// The pace of looking.
#[derive(Debug)]
pub(crate) struct Pace {
    wanted: Option<Instant>,
    rest_until: Instant,
    touched: BTreeSet<String>,
    touched_at: Instant,
    strife: u32,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { wanted: None, rest_until: now, touched: BTreeSet::new(), touched_at: now, strife: 0 }
    }

    /// Something happened.
    pub(crate) fn told(&mut self, now: Instant) {
        // What happens later does not put it off.
        self.wanted.get_or_insert(now + SETTLE);
    }

    /// When to look, if at all.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.wanted.map(|wanted| wanted.max(self.rest_until))
    }

    /// A look begins: what happens from now on wants another.
    pub(crate) fn begin(&mut self) {
        self.wanted = None;
    }

    /// A look ended, that began at `began` and put right or failed to put right `touched`.
    /// Returns how long the next one waits because it was the same time and again.
    pub(crate) fn ended(
        &mut self,
        began: Instant,
        now: Instant,
        touched: BTreeSet<String>,
    ) -> Option<Duration> {
        let cost = now.saturating_duration_since(began);
        self.rest_until = now + cost * REST;
        if touched.is_empty() {
            if now.saturating_duration_since(self.touched_at) > PEACE {
                self.strife = 0;
                self.touched.clear();
            }
            return None;
        }
        let again = !self.touched.is_disjoint(&touched);
        self.strife = if again { self.strife.saturating_add(1) } else { 0 };
        self.touched = touched;
        self.touched_at = now;
        let over = self.strife.checked_sub(PATIENCE)?;
        let pause = Duration::from_secs(1 << over.min(6)).min(PAUSE);
        self.rest_until = self.rest_until.max(now + pause);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_burst_is_one_look_and_not_put_off() {
        let t = Instant::now();
        let mut pace = Pace::new(t);
        assert_eq!(pace.due(), None);
        pace.told(t);
        pace.told(t + SETTLE / 2);
        assert_eq!(pace.due(), Some(t + SETTLE));
        pace.begin();
        assert_eq!(pace.due(), None);
    }

    #[test]
    fn looking_takes_a_fifth_of_the_time_at_most() {
        let t = Instant::now();
        let mut pace = Pace::new(t);
        let cost = Duration::from_millis(100);
        assert_eq!(pace.ended(t, t + cost, names(&[])), None);
        pace.told(t + cost);
        assert_eq!(pace.due(), Some(t + cost + cost * REST));
    }

    #[test]
    fn what_is_taken_away_again_and_again_is_looked_at_ever_more_seldom() {
        let mut t = Instant::now();
        let mut pace = Pace::new(t);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            pauses.push(pace.ended(t, t, names(&["a", "b"])).map(|pause| pause.as_secs()));
            t += Duration::from_secs(60);
        }
        let none = [None; 3];
        assert_eq!(pauses.get(..3), Some(&none[..]));
        let some = [1, 2, 4, 8, 16, 32, 60, 60, 60].map(Some);
        assert_eq!(pauses.get(3..), Some(&some[..]));
        assert_eq!(pace.ended(t, t, names(&["c"])), None, "something else");
    }

    #[test]
    fn strife_is_forgotten_in_peace() {
        let mut t = Instant::now();
        let mut pace = Pace::new(t);
        for _ in 0..5 {
            pace.ended(t, t, names(&["a"]));
        }
        t += PEACE * 2;
        pace.ended(t, t, names(&[]));
        assert_eq!(pace.ended(t, t, names(&["a"])), None);
    }
}
