//! A lab is played: it is built, its steps are done, what can be seen then is tried.
//!
//!     Lab ─▶ Step ─▶ Ran … ─▶ Tried … ─▶ Step … ─▶ Stands     each as it happens
//!
//! Never here: how it is shown (`show`); keeping a lab up (`pins`).

use std::io;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::error::{Doing, Error, system};
use crate::model::{Lab, Probe, Step};
use crate::name::{Name, Place};
use crate::picture::picture;
use crate::probe::Answer;
use crate::process::shell;
use crate::scene::scene;
use crate::standing::Standing;

/// Something that happens while a lab is played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A lab was built.
    Lab {
        /// Its name.
        name: Name,
        /// What it shows.
        about: Option<String>,
        /// What it looks like.
        picture: String,
        /// How long it took to build, in microseconds.
        us: u128,
    },
    /// A step begins.
    Step {
        /// What it shows.
        say: String,
    },
    /// A command was run.
    Ran {
        /// Where.
        on: Place,
        /// The line.
        line: String,
        /// What it printed, errors too.
        output: String,
        /// Whether it succeeded.
        done: bool,
        /// How long it took, in microseconds.
        us: u128,
    },
    /// What the next command will do, as a script that does the same.
    Script {
        /// Where.
        on: Place,
        /// The script.
        text: String,
    },
    /// A probe was tried.
    Tried {
        /// From where.
        from: Place,
        /// What was done.
        action: String,
        /// What should have come of it.
        expect: String,
        /// What came of it.
        result: String,
        /// How long the answer took, in microseconds.
        us: Option<u128>,
        /// Whether that is what was expected.
        expected: bool,
    },
    /// What the lab looks like after its last step.
    Stands {
        /// The picture.
        picture: String,
    },
}

/// Plays `lab`, where `ropewalk` is the command of that name, and tells `sink` what happens; with
/// `scripts`, what the commands did, too. Returns whether all went as expected.
///
/// # Errors
/// When the lab cannot be built or entered. Nothing is left behind in any case.
pub fn play(
    lab: Lab,
    ropewalk: &Path,
    scripts: bool,
    sink: &mut dyn FnMut(Event),
) -> Result<bool, Error> {
    let begun = Instant::now();
    let standing = Standing::stand(lab, ropewalk)?;
    let lab = standing.lab();
    let us = begun.elapsed().as_micros();
    let (name, about) = (lab.name.clone(), lab.about.clone());
    sink(Event::Lab { name, about, picture: picture(lab, &[]), us });
    let mut good = true;
    for step in &lab.steps {
        sink(Event::Step { say: step.say.clone() });
        if !run(&standing, step, scripts, sink)? {
            // What comes after it builds on it.
            good = false;
            break;
        }
        for probe in &step.probes {
            good &= tried(&standing, probe, sink)?;
        }
    }
    sink(Event::Stands { picture: picture(lab, &scene(&standing)?) });
    Ok(good)
}

/// Runs the commands of a step, up to the first that fails.
fn run(
    standing: &Standing,
    step: &Step,
    scripts: bool,
    sink: &mut dyn FnMut(Event),
) -> Result<bool, Error> {
    let Some(on) = &step.on else { return Ok(true) };
    for line in &step.run {
        if scripts && scripted(line) {
            let (text, _) = output(standing, on, &format!("{line} --sh"))?;
            sink(Event::Script { on: on.clone(), text });
        }
        let begun = Instant::now();
        let (output, done) = output(standing, on, line)?;
        let us = begun.elapsed().as_micros();
        sink(Event::Ran { on: on.clone(), line: line.clone(), output, done, us });
        if !done {
            return Ok(false);
        }
    }
    Ok(true)
}

/// True for a command that can print what it would do as a script.
pub(crate) fn scripted(line: &str) -> bool {
    let verbs = ["ropewalk network create ", "ropewalk attach ", "ropewalk publish "];
    verbs.iter().any(|verb| line.starts_with(verb)) && !line.contains("&&")
}

/// What a line prints, errors too, and whether it succeeded.
fn output(standing: &Standing, on: &Place, line: &str) -> Result<(String, bool), Error> {
    let run = || shell(&format!("exec 2>&1; {line}")).output();
    let output = standing.inside(on, run)?.map_err(system(Doing::Start, line))?;
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success()))
}

fn tried(standing: &Standing, probe: &Probe, sink: &mut dyn FnMut(Event)) -> Result<bool, Error> {
    Ok(judged(probe, standing.probe(probe)?, sink))
}

/// Tells what came of a probe, and returns whether that is what was expected.
pub(crate) fn judged(
    probe: &Probe,
    answer: io::Result<Answer>,
    sink: &mut dyn FnMut(Event),
) -> bool {
    let expected = probe.expects(&answer);
    let us = answer.as_ref().ok().map(|answer| answer.took.as_micros());
    let result = match answer {
        Ok(Answer { seen: Some(ip), .. }) => format!("page, seen as {ip}"),
        Ok(_) => "answer".into(),
        Err(e) if e.kind() == io::ErrorKind::TimedOut => "no answer".into(),
        Err(e) => e.kind().to_string(),
    };
    sink(Event::Tried {
        from: probe.from.clone(),
        action: probe.action.to_string(),
        expect: probe.expect.to_string(),
        result,
        us,
        expected,
    });
    expected
}
