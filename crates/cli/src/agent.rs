//! `ropewalk agent`: what it does is told line by line, while it does it.
//!
//! Never here: what it does.

use std::time::Duration;

use ropewalk_agent::Said;
use ropewalk_engine::{Fault, Paths};

use crate::answer::{self, Answer};
use crate::table::Agent;

/// Runs until it is told to stop.
pub(crate) fn run(args: &Agent, json: bool) -> Result<Answer, Fault> {
    let mut tell = |said: &Said| match serde_json::to_string(said) {
        Ok(line) if json => answer::tell(&(line + "\n")),
        Ok(_) | Err(_) => answer::note(&format!("{said}\n")),
    };
    let every = Duration::from_secs(args.every);
    ropewalk_agent::run(&Paths::from_env(), every, &mut tell)?;
    Ok(Answer { text: String::new(), status: 0 })
}
