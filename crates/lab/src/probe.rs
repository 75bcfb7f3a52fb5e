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

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How long it took.
    pub took: Duration,
    /// Whom the other side saw, if it said so.
    pub seen: Option<IpAddr>,
}

impl Standing {
    /// Tries `probe`: an answer, or why there is none.
    ///
    /// # Errors
    /// When its place cannot be entered.
    pub fn probe(&self, probe: &Probe) -> Result<io::Result<Answer>, Error> {
        let limit = if probe.expect == Expect::Fail { SHOULD_NOT } else { SHOULD };
        self.inside(&probe.from, || ask(probe.action, limit))
    }
}

impl Probe {
    /// True when `answer` is what is expected.
    #[must_use]
    pub fn expects(&self, answer: &io::Result<Answer>) -> bool {
        match (answer, self.expect) {
            (Ok(_), Expect::Ok) | (Err(_), Expect::Fail) => true,
            (Ok(answer), Expect::Sees(ip)) => answer.seen == Some(ip),
            (Ok(_), Expect::Fail) | (Err(_), Expect::Ok | Expect::Sees(_)) => false,
        }
    }
}

/// Does it in the namespace of the calling thread.
pub(crate) fn ask(action: Action, limit: Duration) -> io::Result<Answer> {
    match action {
        Action::Ping(ip) => {
            ropewalk_kernel::ping(ip, None, limit).map(|took| Answer { took, seen: None })
        }
        Action::Http(to) => {
            let begun = Instant::now();
            let text = fetch(to, limit)?;
            Ok(Answer { took: begun.elapsed(), seen: seen(&text) })
        }
    }
}
