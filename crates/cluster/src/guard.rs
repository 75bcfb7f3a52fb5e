//! The guard before mass deletion: a store that suddenly knows much less is asked again.
//!
//!     100 remote blocks before, 60 now   →   all 100 are kept, and looked at again after a minute
//!     100 before, 95 now                 →   5 go at once
//!
//! Things that come are never held back.  Never here: what is deleted.

/// Fewer than so many may always go at once.
const FEW: usize = 10;
/// And of more, one in so many.
const SHARE: usize = 4;
/// How long more than that must be gone before it is believed, in seconds.
const SETTLE: u64 = 60;

/// What is being held back, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    since: Option<u64>,
}

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// Everything.
    All,
    /// Nothing may go yet: that so much is gone is believed in so many seconds.
    Hold(u64),
}

impl Guard {
    /// Whether so many (`gone`) of those that there were may go; `now` counts seconds.
    pub fn pass(&mut self, gone: usize, before: usize, now: u64) -> Passed {
        if gone <= FEW || gone.saturating_mul(SHARE) <= before {
            self.since = None;
            return Passed::All;
        }
        let since = *self.since.get_or_insert(now);
        match SETTLE.saturating_sub(now.saturating_sub(since)) {
            0 => {
                self.since = None;
                Passed::All
            }
            left => Passed::Hold(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_forgets_is_given_time_to_remember() {
        let mut guard = Guard::default();
        assert_eq!(guard.pass(20, 100, 0), Passed::All);
        assert_eq!(guard.pass(40, 100, 10), Passed::Hold(60));
        assert_eq!(guard.pass(40, 100, 40), Passed::Hold(30));
        assert_eq!(guard.pass(0, 100, 50), Passed::All, "it remembers");
        assert_eq!(guard.pass(40, 100, 60), Passed::Hold(60), "and forgets again");
        assert_eq!(guard.pass(40, 100, 120), Passed::All);
        assert_eq!(guard.pass(0, 60, 121), Passed::All);
        assert_eq!(guard.pass(10, 10, 122), Passed::All, "a small cluster may go");
    }
}
