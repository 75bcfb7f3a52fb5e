//! Allow lists: what they let through on each topology, and that nothing else stops the rest.
//!
//!     blue, red ──┬── network web ── host ── lan
//!     held, mute ─┘

use std::collections::BTreeSet;

use ropewalk_spec::RawEndpoint;
use serde_json::json;

use super::{Mode, Scene, person};

const LISTS: &str = include_str!("lists.py");

/// What is otherwise than it should be, with the lists or `lifted`.
fn wrong(mode: Mode, lifted: bool) -> BTreeSet<String> {
    let mut scene = Scene::new(mode, false);
    let blue = |key: &str| scene.facts["blue"][key].as_str().unwrap().to_owned();
    let plain = || RawEndpoint { network: "web".into(), ..RawEndpoint::default() };
    let held = RawEndpoint {
        allow_in: vec![
            format!("{} tcp:80", blue("ip4")),
            format!("{} tcp:80", blue("ip6")),
            "udp:5400".into(),
        ],
        allow_out: vec![
            "10.0.0.2 tcp:82".into(),
            "fd00:aa::/64 tcp:82".into(),
            "udp:5300-5301".into(),
        ],
        ..plain()
    };
    let mute = RawEndpoint { allow_out: vec!["none".into()], ..plain() };
    for (name, wish) in [("held", held), ("mute", mute)] {
        let wish = if lifted { plain() } else { wish };
        scene.facts[name] = person(&scene.host, name, wish);
    }
    scene.facts["lifted"] = json!(lifted);
    scene.run(LISTS)
}

fn hold(mode: Mode) {
    assert_eq!(wrong(mode, false), BTreeSet::new(), "with lists");
    assert_eq!(wrong(mode, true), BTreeSet::new(), "without");
}

#[test]
fn a_sandbox_on_a_bridge_speaks_with_whom_its_lists_name() {
    hold(Mode::Bridge);
}

#[test]
fn a_sandbox_on_a_routed_network_speaks_with_whom_its_lists_name() {
    hold(Mode::Routed);
}

#[test]
fn a_sandbox_on_a_flat_network_speaks_with_whom_its_lists_name() {
    hold(Mode::Flat);
}
