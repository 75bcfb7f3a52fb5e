//! Networks that were broken in one place, as they were found: the cause and its place.
//!
//! Data only, in tests/cases: no kernel, no root.

use std::fs;

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
