//! Executing and applying changes.
//!
//!     execute   stops at the first refusal, and says what had been done by then
//!     apply     … and takes that back
//!
//! Never here: how a change is sent.

use ropewalk_facts::Key;
use ropewalk_plan::{Change, undo};

use crate::error::Error;
use crate::run::Run;
use crate::space::Kernel;

/// A list of changes that was not carried out to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// Place in the list of the change that was refused.
    pub at: usize,
    /// Why.
    #[source]
    pub error: Error,
    /// Places of the changes that were made all the same, wholly or in part, those that they
    /// imply among them. After [`Kernel::apply`] they have been taken back.
    pub done: Vec<usize>,
    /// After [`Kernel::apply`]: what could not be taken back, and why.
    pub stuck: Vec<Error>,
}

impl Kernel {
    /// Makes the changes, in order. One without `old` must not be there before.
    ///
    /// # Errors
    /// [`Failure`] at the first that is refused; changes of the same send that stand behind it may
    /// have been made.
    pub fn execute(&mut self, changes: &[Change]) -> Result<(), Failure> {
        let mut run = Run::new(self, changes);
        let Err(stop) = run.all() else { return Ok(()) };
        let done = with_implied(changes, run.done());
        Err(Failure { at: stop.at, error: stop.error, done, stuck: Vec::new() })
    }

    /// Makes the changes, or none of them.
    ///
    /// # Errors
    /// [`Failure`] as for [`Kernel::execute`]; what was done has been undone but for what is
    /// `stuck`.
    pub fn apply(&mut self, changes: &[Change]) -> Result<(), Failure> {
        self.execute(changes).map_err(|mut failure| {
            let made = failure.done.iter().filter_map(|at| changes.get(*at).cloned());
            failure.stuck = self.take_back(&made.collect::<Vec<_>>());
            failure
        })
    }

    /// Undoes changes that were made, wholly or in part, as far as they are still there. What
    /// cannot be undone is returned, and the rest undone all the same.
    pub fn take_back(&mut self, made: &[Change]) -> Vec<Error> {
        let keys: Vec<Key> = made.iter().map(|change| change.key.clone()).collect();
        let found = match self.read_keys(&keys) {
            Ok(found) => found,
            Err(error) => return vec![error],
        };
        let undo = undo(made, &found);
        let mut run = Run::new(self, &undo);
        if run.all().is_ok() {
            return Vec::new();
        }
        let done = run.done().to_vec();
        let mut stuck = Vec::new();
        for (at, _) in done.iter().enumerate().filter(|(_, done)| !**done) {
            if let Err(stop) = Run::new(self, &undo).one(at) {
                stuck.push(stop.error);
            }
        }
        stuck
    }
}

/// Places of the changes that were made, with those that they imply: what goes along stands
/// before, what comes along behind.
fn with_implied(changes: &[Change], done: &[bool]) -> Vec<usize> {
    let was = |at: usize| done.get(at).copied().unwrap_or_default();
    let asked = |at: &usize| changes.get(*at).is_some_and(|c| !c.implied);
    let by_asked = |at: usize, change: &Change| {
        let before = (0..at).rev().find(asked).is_some_and(was);
        let after = (at..changes.len()).find(asked).is_some_and(was);
        (change.new.is_some() && before) || (change.old.is_some() && after)
    };
    let made = changes
        .iter()
        .enumerate()
        .filter(|(at, change)| if change.implied { by_asked(*at, change) } else { was(*at) });
    made.map(|(at, _)| at).collect()
}
