//! `ropewalk agent`: what it does is told line by line, while it does it; `ropewalk sync`.
//!
//! Never here: what it does.

use std::time::Duration;

use ropewalk_agent::{Said, Wishes};
use ropewalk_engine::{Done, Fault, Paths};

use crate::answer::{self, Answer};
use crate::show;
use crate::table::Agent;

/// Runs until it is told to stop.
pub(crate) fn run(args: &Agent, json: bool) -> Result<Answer, Fault> {
    let mut tell = |said: &Said| match serde_json::to_string(said) {
        Ok(line) if json => answer::tell(&(line + "\n")),
        Ok(_) | Err(_) => answer::note(&format!("{said}\n")),
    };
    let wishes = Wishes { every: Duration::from_secs(args.every), metrics: args.metrics };
    ropewalk_agent::run(&Paths::from_env(), &wishes, &mut tell)?;
    Ok(Answer { text: String::new(), status: 0 })
}

/// Has the agent look at everything now.
pub(crate) fn sync(json: bool) -> Result<Answer, Fault> {
    ropewalk_agent::sync(&Paths::from_env())?;
    let object = "this host, and its part of its cluster".to_owned();
    let done = vec![Done { verb: "looked at", object, detail: String::new() }];
    Answer::of(json, &done, |done| show::done(done))
}
