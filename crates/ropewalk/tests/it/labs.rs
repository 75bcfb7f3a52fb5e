//! Labs and the demo, as they are called.

use serde_json::json;

use crate::host::{Host, same};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/2-pid.toml");

#[test]
fn a_lab_is_built_entered_listed_and_taken_away() {
    let host = Host::new();
    host.net.sh("mkdir -p /run/ropewalk-lab; mount -t tmpfs none /run/ropewalk-lab");
    let before = host.trace();
    assert_eq!(host.ok("lab ls"), "no labs\nnext: ropewalk lab up FILE\n");
    let up = host.ok(&format!("lab up {FILE}"));
    assert!(up.starts_with("lab pid is up\n\n wan 203.0.113.0/24\n"), "{up}");
    assert!(up.ends_with("\nnext: ropewalk lab exec outside -- COMMAND\n"), "{up}");
    host.refuses(&format!("lab up {FILE}"), 1, &["lab `pid` is up already", "lab down pid"]);
    let labs = host.json("lab ls");
    assert_eq!((&labs[0]["name"], &labs[0]["ready"]), (&json!("pid"), &json!(true)), "{labs}");
    assert_eq!(labs[0]["places"], json!(["outside", "h1", "h1/app"]));
    let address = host.ok("lab exec h1 -- ip -br address show dev br0");
    assert!(address.contains("172.20.0.1/16"), "{address}");
    let inside = host.run("lab exec h1/app -- sh -c \"ip -o link; exit 7\"");
    assert_eq!((inside.status, inside.out.lines().count()), (Some(7), 1), "{inside:?}");
    assert_eq!(host.ok("lab exec h1 -- ropewalk ps --json"), "[]\n");
    host.refuses("lab exec nope -- true", 1, &["`nope`", "[lab-broken]", "ropewalk lab ls"]);
    host.refuses("lab exec h1 -- no-such-command", 1, &["no-such-command", "[lab-broken]"]);
    host.refuses("lab exec H -- true", 2, &["HOST: `H` must be"]);
    host.refuses("lab down nope", 1, &["`nope`", "ropewalk lab ls"]);
    assert_eq!(host.json("lab down"), json!(["pid"]));
    assert_eq!(host.ok("lab down"), "no labs\n");
    same(&host.trace(), &before, "lab");
}

#[test]
fn the_networks_of_the_machine_are_not_in_its_labs() {
    let host = Host::new();
    host.net.sh("mkdir -p /run/ropewalk-lab /run/ropewalk/upper /run/ropewalk/work
        mount -t tmpfs none /run/ropewalk-lab
        mount -t overlay -o lowerdir=/etc,upperdir=/run/ropewalk/upper,workdir=/run/ropewalk/work none /etc
        mkdir -p /etc/ropewalk/networks");
    host.ok("network create web --subnet 192.168.15.0/24");
    host.ok(&format!("lab up {FILE}"));
    assert_eq!(host.json("lab exec h1 -- ropewalk network ls"), json!([]));
    host.ok("lab down");
    assert_eq!(host.json("network ls")[0]["name"], "web");
}

#[test]
fn a_lab_file_with_a_mistake_is_refused_by_line_and_column() {
    let host = Host::new();
    let file = "/run/ropewalk/lab.toml";
    std::fs::write(file, "name = \"x\"\n[host.h1]\nnic.eth0 = { lan = \"wan\", ip = [] }\n")
        .expect(file);
    host.refuses(&format!("lab up {file}"), 1, &["lab.toml:3:", "`wan`", "[bad-file]"]);
    host.refuses("lab up /nope.toml", 1, &["/nope.toml", "[bad-file]", "try:"]);
}

#[test]
fn the_demo_shows_what_it_claims_and_leaves_nothing() {
    let host = Host::new();
    let before = host.trace();
    let played = host.json("demo --no-docker --sh");
    let events = played["events"].as_array().expect("events");
    let of = |kind: &'static str| events.iter().filter(move |event| event["event"] == kind);
    assert_eq!(played["good"], json!(true), "{played}");
    assert_eq!(of("lab").count(), 4);
    assert!(of("tried").count() > 30);
    assert!(of("tried").all(|event| event["expected"] == json!(true)));
    assert!(of("script").any(|event| event["text"].as_str().is_some_and(|t| t.contains("nft"))));
    same(&host.trace(), &before, "demo");
    assert_eq!(host.json("ps"), json!([]));
}
