//! `lab up` and `lab down` killed at every step: `lab down` then leaves nothing.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use ropewalk_lab::Root;

use crate::{Folder, mounts};

/// One of everything.
const LAB: &str = r#"
name = "small"
lan.wan.subnet = ["203.0.113.0/24"]
[host.h1]
nic.eth0 = { lan = "wan", ip = ["203.0.113.1"] }
container.red = {}
container.app = { named = false, process = "sleep 1000" }
"#;

/// Set in the process that is to be killed: the folder, and what it does there.
const CHILD: &str = "LAB_CHILD";

/// Starts this test once more, as a process that does `verb` and dies at `step`.
fn child(test: &str, verb: &str, folder: &Path, step: usize) -> Option<i32> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command.env(CHILD, format!("{verb} {}", folder.display()));
    command.env("ROPEWALK_FAILPOINT", step.to_string());
    let output = command.output().unwrap();
    assert!(output.status.success() || output.status.signal() == Some(9), "{output:?}");
    output.status.signal()
}

/// What the child does.
fn as_child() -> bool {
    let Ok(task) = std::env::var(CHILD) else { return false };
    let (verb, folder) = task.split_once(' ').unwrap();
    let root = Root::new(folder);
    match verb {
        "up" => drop(root.up("lab.toml", LAB, "/bin/false".as_ref()).unwrap()),
        _ => drop(root.down(None).unwrap()),
    }
    true
}

/// The processes that have the mark of the lab's `sleep` in their command line, and run.
fn sleepers(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let mark = format!("{CHILD}=up {}", folder.display());
        if environ.windows(mark.len()).any(|part| part == mark.as_bytes()) {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

/// Nothing of the lab is there any more, nor its processes; those that were killed or whose
/// starter has gone may take a moment to end.
fn assert_gone(folder: &Folder, before: &str, step: usize) {
    folder.root().down(None).unwrap();
    assert_eq!(mounts(), before, "step {step}");
    assert!(folder.root().ls().unwrap().is_empty());
    let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while !sleepers(&folder.path).is_empty() {
        assert!(std::time::Instant::now() < until, "step {step}: {:?}", sleepers(&folder.path));
        std::thread::yield_now();
    }
}

#[test]
fn an_up_that_was_killed_anywhere_is_taken_down() {
    if as_child() {
        return;
    }
    let folder = Folder::new();
    let before = mounts();
    let mut steps = 0;
    for step in 1.. {
        let died =
            child("crash::an_up_that_was_killed_anywhere_is_taken_down", "up", &folder.path, step);
        assert_gone(&folder, &before, step);
        if died.is_none() {
            break;
        }
        steps = step;
    }
    assert!(steps >= 20, "only {steps} steps");
}

#[test]
fn a_down_that_was_killed_anywhere_is_finished_by_the_next() {
    if as_child() {
        return;
    }
    let test = "crash::a_down_that_was_killed_anywhere_is_finished_by_the_next";
    let folder = Folder::new();
    let before = mounts();
    let mut steps = 0;
    for step in 1.. {
        assert_eq!(child(test, "up", &folder.path, usize::MAX), None);
        let died = child(test, "down", &folder.path, step);
        assert_gone(&folder, &before, step);
        if died.is_none() {
            break;
        }
        steps = step;
    }
    assert!(steps >= 6, "only {steps} steps");
}

#[test]
fn an_up_after_one_that_was_killed_starts_afresh() {
    let test = "crash::an_up_after_one_that_was_killed_starts_afresh";
    if as_child() {
        return;
    }
    let folder = Folder::new();
    let mut step = 1;
    while child(test, "up", &folder.path, step).is_some() {
        // The same again, one step further, on what the last one left.
        step += 1;
    }
    let labs = folder.root().ls().unwrap();
    assert!(labs.iter().all(|lab| lab.ready) && labs.len() == 1);
}
