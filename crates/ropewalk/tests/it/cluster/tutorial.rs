//! The lab of the tutorial on clusters, played by the binary: two hosts in the suite, ten by
//! `cargo xtask cluster-tutorial`.

use std::path::Path;

use ropewalk_lab::{Event, Lab, play};

use crate::host::Host;

const LAB: &str = include_str!("../../../../../examples/10-cluster.toml");
const PAGE: &str = include_str!("../../../../../docs/tutorials/10-cluster.md");

/// The blocks of the page that are to be typed.
fn blocks() -> Vec<String> {
    let parts = PAGE.split("```sh ropewalk\n").skip(1);
    parts.filter_map(|part| Some(part.split_once("\n```")?.0.to_owned())).collect()
}

#[test]
fn the_lab_of_the_tutorial_goes_as_the_page_says() {
    let mut lab = Lab::parse("10-cluster", LAB).expect("a lab");
    let mut told: Vec<String> = lab.steps.iter().map(|step| step.run.join("\n")).collect();
    // What is typed on several hosts stands there once.
    told.dedup();
    assert_eq!(told, blocks(), "the page is that of the lab");
    if std::env::var_os("ROPEWALK_TUTORIAL").is_none() {
        lab.steps.truncate(3);
        lab.hosts.truncate(3);
    }
    let _host = Host::new();
    let mut record = String::new();
    let mut sink = |event: Event| record += &event.to_string();
    let good = play(lab, Path::new(env!("CARGO_BIN_EXE_ropewalk")), false, &mut sink);
    assert!(good.expect("it is played"), "{record}");
    assert!(record.contains(" 0% packet loss"), "{record}");
}
