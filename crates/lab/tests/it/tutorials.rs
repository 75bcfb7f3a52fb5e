//! The commands that the tutorials give for doing it by hand lead to what their labs expect.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ropewalk_lab::{Event, Lab, play};
use ropewalk_testnet::Private;

/// Set in the process that stands in for `ropewalk lab serve`: the port.
const SERVE: &str = "LAB_SERVE";

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The blocks of a page that begin with the line `mark`.
fn blocks(page: &str, mark: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line == mark {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

/// A command that serves as `ropewalk lab serve PORT` does, by starting this test once more.
fn server(test: &str) -> PathBuf {
    let name = format!("ropewalk-lab-serve-{}-{}", std::process::id(), test.replace(':', ""));
    let path = std::env::temp_dir().join(name);
    let test_binary = std::env::current_exe().unwrap();
    let run = format!("exec {} --exact {test} --nocapture", test_binary.display());
    fs::write(&path, format!("#!/bin/sh\n{SERVE}=$3 {run}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn by_hand(test: &str, name: &str) {
    if let Ok(port) = std::env::var(SERVE) {
        ropewalk_lab::serve(port.parse().unwrap()).unwrap();
    }
    let _net = Private::enter();
    let text = fs::read_to_string(workspace(&format!("examples/{name}.toml"))).unwrap();
    let page = fs::read_to_string(workspace(&format!("docs/tutorials/{name}.md"))).unwrap();
    let mut lab = Lab::parse(name, &text).unwrap();
    let commands = blocks(&page, "```sh ropewalk");
    let mut hand = blocks(&page, "```sh by hand").into_iter();
    let mut told = commands.iter();
    for step in lab.steps.iter_mut().filter(|step| !step.run.is_empty()) {
        assert_eq!(told.next(), Some(&step.run.join("\n")), "the page is that of the lab");
        step.run = vec![format!("set -e\n{}", hand.next().unwrap())];
    }
    assert_eq!((told.next(), hand.next()), (None, None), "a step for each block");
    let server = server(test);
    let mut record = String::new();
    let mut sink = |event: Event| record += &event.to_string();
    let good = play(lab, &server, false, &mut sink).unwrap();
    fs::remove_file(server).unwrap();
    assert!(good, "{record}");
    assert!(record.contains("✓") && !record.contains("✗"), "{record}");
}

#[test]
fn bridge() {
    by_hand("tutorials::bridge", "1-bridge");
}

#[test]
fn pid() {
    by_hand("tutorials::pid", "2-pid");
}

#[test]
fn flat() {
    by_hand("tutorials::flat", "4-flat");
}

#[test]
fn routed() {
    by_hand("tutorials::routed", "3-routed");
}

#[test]
fn direct() {
    by_hand("tutorials::direct", "6-direct");
}

#[test]
fn vxlan() {
    by_hand("tutorials::vxlan", "7-vxlan");
}

#[test]
fn uplink() {
    by_hand("tutorials::uplink", "5-uplink");
}
