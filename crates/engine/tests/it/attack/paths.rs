//! Ways in that nobody opened.
//!
//!     evil ─┬─ network web ── host ── lan
//!     red ──┘                  └── network db ── victim, 8080:80 published

use std::collections::BTreeSet;

use ropewalk_spec::{RawEndpoint, RawNetwork};

use super::{Mode, Scene, person};
use crate::host::bridge;

const PATHS: &str = include_str!("paths.py");

/// What works for the attacker when network web reaches `words`; all of it, with `lifted` rules. A
/// way that must be open and is not has a line too.
fn worked(mode: Mode, words: &[&str], lifted: bool) -> BTreeSet<String> {
    let reach = words.iter().map(ToString::to_string).collect();
    let mut scene = Scene::with(mode, lifted, &RawNetwork { reach, ..RawNetwork::default() });
    scene.host.create(&bridge("db", &["192.168.16.0/24", "fd00:16::/64"]));
    let wish = RawEndpoint {
        publish: vec!["8080:80".into()],
        network: "db".into(),
        ..RawEndpoint::default()
    };
    scene.facts["victim"] = person(&scene.host, "victim", wish);
    scene.facts["patience"] = serde_json::json!(if lifted { 4.0 } else { 1.5 });
    if lifted {
        scene.host.sh("nft flush chain inet ropewalk enter");
    }
    scene.run(PATHS)
}

fn beginning<'a>(all: &'a BTreeSet<String>, with: &'a str) -> BTreeSet<String> {
    all.iter().filter(|name| name.starts_with(with)).cloned().collect()
}

fn compare(mode: Mode, number: usize) {
    let lifted = worked(mode, &["host", "db"], true);
    assert_eq!(beginning(&lifted, "SHUT"), BTreeSet::new(), "without");
    assert_eq!(lifted.len(), number, "without: {lifted:#?}");
    assert_eq!(worked(mode, &[], false), BTreeSet::new(), "under protection");
    assert_eq!(worked(mode, &["host"], false), beginning(&lifted, "host"), "--reach host");
    assert_eq!(worked(mode, &["db"], false), beginning(&lifted, "other"), "--reach db");
}

const FILLING: &str = include_str!("filling.py");

/// How many neighbours and connections the attacker can make the host remember.
fn filled(mode: Mode, lifted: bool) -> BTreeSet<String> {
    let mut scene = Scene::with(mode, false, &RawNetwork::default());
    scene.facts["patience"] = serde_json::json!(if lifted { 8.0 } else { 0.5 });
    if lifted {
        scene.host.sh("nft flush chain inet ropewalk limits; nft flush chain inet ropewalk count");
    }
    scene.run(FILLING)
}

#[test]
fn nobody_fills_the_tables_of_the_host() {
    for mode in [Mode::Bridge, Mode::Routed, Mode::Flat] {
        assert_eq!(filled(mode, false), BTreeSet::new(), "under protection");
        let lifted = filled(mode, true);
        assert_eq!(lifted.len(), 3, "without: {lifted:#?}");
    }
}

#[test]
fn nobody_gets_from_a_bridge_to_where_he_was_not_let() {
    compare(Mode::Bridge, 20);
}

#[test]
fn nobody_gets_from_a_routed_network_to_where_he_was_not_let() {
    compare(Mode::Routed, 19);
}

#[test]
fn nobody_gets_from_a_flat_network_to_where_he_was_not_let() {
    compare(Mode::Flat, 19);
}

#[test]
fn nobody_on_a_macvlan_gets_to_the_host_and_its_networks() {
    assert_eq!(worked(Mode::Macvlan, &[], false), BTreeSet::new(), "without a link of the host");
    let lifted = worked(Mode::Macvlan, &[], true);
    assert_eq!(beginning(&lifted, "SHUT"), BTreeSet::new(), "with one");
    assert_eq!(lifted.len(), 6, "with one: {lifted:#?}");
}
