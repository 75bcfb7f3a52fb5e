//! `ropewalk lab`: labs built, entered, listed and taken away.
//!
//! Never here: what a lab is made of.

use std::path::{Path, PathBuf};

use ropewalk_engine::{Code, Fault, need_root};
use ropewalk_lab::{Error, Kept, Lab, Root, picture::picture};
use serde::Serialize;

use crate::answer::Answer;
use crate::table::{Exec, LabVerb};

/// A lab, for people and scripts.
#[derive(Serialize)]
struct View {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    ready: bool,
    places: Vec<String>,
    processes: Vec<Process>,
    picture: String,
}

#[derive(Serialize)]
struct Process {
    place: String,
    pid: u32,
    running: bool,
}

/// Does what `verb` says.
pub(crate) fn run(verb: &LabVerb, json: bool) -> Result<Answer, Fault> {
    if !matches!(verb, LabVerb::Serve(_)) {
        need_root()?;
    }
    match verb {
        LabVerb::Up(args) => up(&args.file, json),
        LabVerb::Exec(args) => exec(args),
        LabVerb::Ls => ls(json),
        LabVerb::Down(args) => {
            let gone = Root::default().down(args.name.as_ref()).map_err(fault)?;
            Answer::of(json, &gone, |names| match names.as_slice() {
                [] => "no labs\n".to_owned(),
                names => names.iter().map(|name| format!("lab {name} is gone\n")).collect(),
            })
        }
        LabVerb::Serve(args) => match ropewalk_lab::serve(args.port) {
            Ok(()) => Ok(Answer { text: String::new(), status: 0 }),
            Err(error) => {
                let what = format!("cannot serve on port {}", args.port);
                Err(Fault::new(Code::LabBroken, what).kernel(error.to_string()))
            }
        },
    }
}

fn up(file: &Path, json: bool) -> Result<Answer, Fault> {
    let doing = |fault: Fault| fault.doing(format!("lab up {}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| {
        let fault = Fault::new(Code::BadFile, format!("cannot read {}", file.display()));
        fault.kernel(error.to_string()).or_try("name a TOML file, such as examples/1-bridge.toml")
    })?;
    let ropewalk = this_program()?;
    let made = Root::default().up(&file.display().to_string(), &text, &ropewalk);
    let lab = made.map_err(|error| doing(fault(error)))?;
    let kept = Kept { lab, processes: Vec::new(), ready: true };
    Answer::of(json, &view(&kept), |view| {
        let first = view.places.first().map_or("HOST", String::as_str);
        format!(
            "lab {} is up\n\n{}\nnext: ropewalk lab exec {first} -- COMMAND\n",
            view.name, view.picture
        )
    })
}

/// The program that runs in labs as `ropewalk` is this one.
pub(crate) fn this_program() -> Result<PathBuf, Fault> {
    let found = std::env::current_exe();
    found.map_err(|e| {
        Fault::new(Code::LabBroken, "cannot find ropewalk itself").kernel(e.to_string())
    })
}

/// Returns only if it is refused.
fn exec(args: &Exec) -> Result<Answer, Fault> {
    let error = Root::default().exec(args.lab.as_ref(), &args.place, &args.command);
    Err(fault(error).doing(format!("lab exec {}", args.place)))
}

fn ls(json: bool) -> Result<Answer, Fault> {
    let labs = Root::default().ls().map_err(fault)?;
    let views: Vec<View> = labs.iter().map(view).collect();
    Answer::of(json, &views, |views| match views.as_slice() {
        [] => "no labs\nnext: ropewalk lab up FILE\n".to_owned(),
        views => views.iter().map(told).collect::<Vec<_>>().join("\n"),
    })
}

fn view(kept: &Kept) -> View {
    let lab: &Lab = &kept.lab;
    let process = |(place, started): &(ropewalk_lab::Place, ropewalk_lab::Started)| Process {
        place: place.to_string(),
        pid: started.pid,
        running: started.runs(),
    };
    View {
        name: lab.name.to_string(),
        about: lab.about.clone(),
        ready: kept.ready,
        places: lab.places().map(|place| place.to_string()).collect(),
        processes: kept.processes.iter().map(process).collect(),
        picture: picture(lab, &[]),
    }
}

fn told(view: &View) -> String {
    let about = view.about.as_deref().map(|about| format!(": {about}")).unwrap_or_default();
    let half = if view.ready { "" } else { "\nhalf made: take it away with `ropewalk lab down`" };
    let mut text = format!("lab {}{about}{half}\n\n{}", view.name, view.picture);
    for process in &view.processes {
        let state = if process.running { "running" } else { "ended" };
        text += &format!("process {} on {} ({state})\n", process.pid, process.place);
    }
    text
}

/// What went wrong with a lab, and what to do.
pub(crate) fn fault(error: Error) -> Fault {
    let code = if matches!(error, Error::File(_)) { Code::BadFile } else { Code::LabBroken };
    let fault = Fault::new(code, error.to_string());
    if let Error::AlreadyUp(name) = &error {
        fault.or_try(format!("ropewalk lab down {name}"))
    } else if let Error::Several { place, .. } = &error {
        fault.or_try(format!("ropewalk lab exec --lab NAME {place} -- COMMAND"))
    } else if matches!(error, Error::NotUp(_) | Error::NoPlace(_)) {
        fault.or_try("ropewalk lab ls")
    } else {
        fault
    }
}
