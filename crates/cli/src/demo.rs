//! `ropewalk demo`: the tutorials' labs, played; told as it happens, or with --json at the end.
//!
//! Never here: what is played.

use std::time::{Duration, Instant};

use ropewalk_engine::{Fault, need_root};
use ropewalk_lab::{Demo, Event, clean_up};
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::lab::{fault, this_program};
use crate::table::DemoArgs;

/// Something was not as it should be.
const FAILED: u8 = 1;

#[derive(Serialize)]
struct Played {
    good: bool,
    events: Vec<Event>,
}

/// Plays it. The exit status is 1 if something was not as expected.
pub(crate) fn run(args: &DemoArgs, json: bool) -> Result<Answer, Fault> {
    need_root()?;
    let ropewalk = this_program()?;
    if let Some(number) = args.clean_up {
        clean_up(number, &ropewalk).map_err(fault)?;
        return Ok(Answer { text: String::new(), status: 0 });
    }
    let begun = Instant::now();
    let mut events = Vec::new();
    let mut sink = |event: Event| {
        if !json {
            answer::tell(&event.to_string());
        }
        events.push(event);
    };
    let demo = Demo { scripts: args.sh, docker: !args.no_docker };
    let good = demo.run(&ropewalk, &mut sink).map_err(|error| fault(error).doing("demo"))?;
    let played = Played { good, events };
    let answer = Answer::of(json, &played, |played| summary(played, begun.elapsed()))?;
    Ok(if good { answer } else { answer.status(FAILED) })
}

fn summary(played: &Played, took: Duration) -> String {
    let mut tried = 0_usize;
    let mut failed = 0_usize;
    for event in &played.events {
        if let Event::Tried { expected, .. } = event {
            tried += 1;
            failed += usize::from(!expected);
        }
    }
    let seconds = took.as_secs_f64();
    match (played.good, failed) {
        (true, _) => format!("\nall {tried} probes as expected, in {seconds:.1} s\n"),
        (false, 0) => {
            format!("\na command failed; {tried} probes as expected, in {seconds:.1} s\n")
        }
        (false, _) => format!("\n{failed} of {tried} probes NOT as expected, in {seconds:.1} s\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(good: bool, probes: &[bool]) -> Played {
        #[expect(clippy::expect_used, reason = "tests fail by panicking")]
        let tried = |expected: &bool| Event::Tried {
            from: "h1".parse().expect("a place"),
            action: "ping 192.0.2.1".into(),
            expect: "ok".into(),
            result: "answer".into(),
            us: None,
            expected: *expected,
        };
        Played { good, events: probes.iter().map(tried).collect() }
    }

    #[test]
    fn the_last_line_says_whether_all_was_as_expected() {
        let say = |good, probes: &[bool]| summary(&played(good, probes), Duration::from_secs(9));
        assert_eq!(say(true, &[true, true]), "\nall 2 probes as expected, in 9.0 s\n");
        assert_eq!(say(false, &[true, false]), "\n1 of 2 probes NOT as expected, in 9.0 s\n");
        assert_eq!(say(false, &[true]), "\na command failed; 1 probes as expected, in 9.0 s\n");
    }
}
