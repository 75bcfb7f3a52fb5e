//! Probes: something is tried at a place of a lab, and judged by what was expected.
//!
//! Never here: what is printed about it.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::model::{Action, Expect, Probe};
use crate::page::{fetch, seen};
use crate::standing::Standing;

/// How long an answer is waited for that should come, and one that should not.
const SHOULD: Duration = Duration::from_secs(3);
const SHOULD_NOT: Duration = Duration::from_millis(500);

/// What came of a probe.
#[derive(Debug)]
pub struct Outcome {
    /// An answer, or why there is none.
    pub answer: Result<Answer, io::Error>,
    /// Whether that is what was expected.
    pub expected: bool,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How long it took.
    pub took: Duration,
    /// Whom the other side saw, if it said so.
    pub seen: Option<IpAddr>,
}

impl Standing {
    /// Tries `probe`.
    ///
    /// # Errors
    /// When its place cannot be entered.
    pub fn probe(&self, probe: &Probe) -> Result<Outcome, Error> {
        let limit = if probe.expect == Expect::Fail { SHOULD_NOT } else { SHOULD };
        let answer = self.inside(&probe.from, || ask(probe.action, limit))?;
        let expected = match (&answer, probe.expect) {
            (Ok(_), Expect::Ok) | (Err(_), Expect::Fail) => true,
            (Ok(answer), Expect::Sees(ip)) => answer.seen == Some(ip),
            (Ok(_), Expect::Fail) | (Err(_), Expect::Ok | Expect::Sees(_)) => false,
        };
        Ok(Outcome { answer, expected })
    }
}

/// Does it in the namespace of the calling thread.
fn ask(action: Action, limit: Duration) -> io::Result<Answer> {
    match action {
        Action::Ping(ip) => crate::echo::ping(ip, limit).map(|took| Answer { took, seen: None }),
        Action::Http(to) => {
            let begun = Instant::now();
            let text = fetch(to, limit)?;
            Ok(Answer { took: begun.elapsed(), seen: seen(&text) })
        }
    }
}
