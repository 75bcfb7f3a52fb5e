//! Networks that were broken in one place, as they were found: the cause and its place.
//!
//! Data only, in tests/cases: no kernel, no root.

use std::fs;

use ropewalk_facts::Ns;

use ropewalk_facts::seen::Scan;
use ropewalk_walk::Question;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    question: Question,
    codes: Vec<String>,
    #[serde(rename = "where")]
    place: String,
    scan: Scan,
}

#[test]
fn every_case_is_named_and_placed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "json"));
    files.sort();
    let wrong: Vec<String> = files.iter().filter_map(|path| wrong(path)).collect();
    assert!(files.len() > 80, "only {} cases", files.len());
    assert_eq!(wrong, Vec::<String>::new());
}

/// What is said otherwise than it should be.
fn wrong(path: &std::path::Path) -> Option<String> {
    let text = fs::read_to_string(path).unwrap();
    let case: Case = serde_json::from_str(&text).unwrap();
    let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
    let right = case.codes[0] == said.code && case.place.split('|').any(|p| p == said.place);
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    (!right).then(|| {
        format!("{name}: {} at {}, not {:?} at {}", said.code, said.place, case.codes, case.place)
    })
}

#[test]
fn hosts_of_several_snapshots_are_joined_where_their_subnets_meet() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/no-such-host-lan.json");
    let case: Case = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let part = |names: &[&str], host: &str| {
        let of = |ns: &Ns| names.contains(&ropewalk_walk::called(ns));
        let facts = case.scan.facts.iter().filter(|f| of(&f.ns)).cloned().collect();
        let seen = case.scan.seen.iter().filter(|(ns, _)| of(ns));
        let seen = seen.map(|(ns, s)| (ns.clone(), s.clone())).collect();
        Scan { version: Scan::VERSION, facts, seen }.of_host(host)
    };
    let both = part(&["w1"], "a").beside(part(&["w2", "c"], "b"));
    let question = Question {
        src: "w1@a".to_owned(),
        dst: "192.168.2.10".parse().unwrap(),
        visible: Vec::new(),
        ..case.question.clone()
    };
    let said = ropewalk_engine::why_in(&both, &question).unwrap();
    let way: Vec<&str> = said.path.iter().map(|step| step.netns.as_str()).collect();
    assert_eq!((said.code.as_str(), way.last().copied()), ("OK", Some("c@b")), "{way:?}");
    let gone = ropewalk_engine::why_in(&both, &Question { src: "w9".to_owned(), ..question });
    assert!(gone.unwrap_err().to_string().contains("no sandbox w9"));
}
