//! Each verb once, as words and as JSON, and an empty host.

use serde_json::json;

use crate::host::{Host, same};

#[test]
fn an_empty_host_says_so_and_what_to_do_next() {
    let host = Host::new();
    let before = host.trace();
    for (line, text) in [
        ("ps", "no attachments\nnext: ropewalk attach SANDBOX NETWORK\n"),
        ("network ls", "no networks\nnext: ropewalk network create NAME --subnet PREFIX\n"),
        ("check", "everything is as it was made\n"),
        ("repair", "everything is as it was made\n"),
        ("gc", "nothing to do\n"),
        ("purge --yes", "nothing to do\n"),
    ] {
        assert_eq!(host.ok(line), text, "{line}");
        assert_eq!(host.json(line), json!([]), "{line}");
    }
    same(&host.trace(), &before, "in all");
}

#[test]
fn an_attachment_is_made_shown_and_removed() {
    let host = Host::new();
    let before = host.trace();
    let web = host.json("network create web --subnet 192.168.15.0/24 --subnet fd00:15::/64");
    assert_eq!((&web["mode"], &web["bridge"]), (&json!("bridge"), &json!("rw-web")), "{web}");
    let red = host.json("attach new:red web --publish 8080:80 --publish 53:53/udp");
    assert_eq!(red["addresses"], json!(["192.168.15.2/24", "fd00:15::2/64"]));
    assert_eq!(red["gateway"], json!(["192.168.15.1", "fd00:15::1"]));
    assert_eq!(red["published"], json!(["8080:80/tcp", "53:53/udp"]));
    assert_eq!(red["changed"], json!(true));
    assert_eq!(
        host.json("attach netns:red web --publish 8080:80 --publish 53:53/udp")["changed"],
        json!(false)
    );
    let ps = host.json("ps");
    assert_eq!(
        (&ps[0]["sandbox"], &ps[0]["state"]),
        (&json!("netns:red"), &json!("ready")),
        "{ps}"
    );
    assert_eq!(host.json("network inspect web")["sandboxes"][0]["leg"], red["leg"]);
    assert_eq!(host.json("network ls")[0]["attachments"], json!(1));
    assert_eq!(host.json("unpublish netns:red 53:53/udp")["published"], json!(["8080:80/tcp"]));
    assert_eq!(
        host.json("publish netns:red 54:53/udp")["published"],
        json!(["8080:80/tcp", "54:53/udp"])
    );
    assert_eq!(host.json("check"), json!([]));
    let all = host.json("ps --all");
    let eth0 = all.as_array().expect("rows").iter().find(|row| row["interface"] == "eth0");
    assert_eq!(eth0.expect("eth0")["peer"]["interface"], red["leg"], "{all}");
    assert_eq!(host.json("detach netns:red web")[0]["interface"], json!("eth0"));
    host.net.sh("ip netns del red 2>/dev/null || true");
    assert_eq!(host.json("network rm web")["name"], json!("web"));
    same(&host.trace(), &before, "in all");
}

#[test]
fn check_finds_what_was_broken_and_repair_puts_it_right() {
    let host = Host::new();
    host.ok("network create web --subnet 10.9.0.0/24");
    host.ok("attach new:red web");
    host.net.sh("ip -n red route del default");
    let found = host.run("check --json");
    assert_eq!(found.status, Some(3), "{found:?}");
    let found: serde_json::Value = serde_json::from_str(&found.out).expect("JSON");
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(found[0]["repaired"], json!(false));
    assert!(found[0]["object"].as_str().expect("text").contains("default"), "{found}");
    assert_eq!(host.run("check").status, Some(3));
    assert_eq!(host.json("repair")[0]["repaired"], json!(true));
    assert_eq!(host.json("check"), json!([]));
    host.net.sh("ip netns exec red ping -c1 -W2 10.9.0.1");
}

#[test]
fn a_dry_run_changes_nothing_and_shows_what_would() {
    let host = Host::new();
    let create = "network create web --subnet 10.9.0.0/24";
    let before = host.trace();
    let diff = host.ok(&format!("{create} --dry-run"));
    assert!(diff.starts_with("network web\n"), "{diff}");
    assert!(diff.contains("  + link rw-web bridge"), "{diff}");
    let script = host.ok(&format!("{create} --sh"));
    assert!(script.starts_with("#!/bin/sh\n") && script.contains("ip link add"), "{script}");
    let json = host.json(&format!("{create} --dry-run"));
    assert_eq!(json[0]["owner"], json!("network web"));
    assert!(host.json(&format!("{create} --sh"))["script"].is_string());
    same(&host.trace(), &before, "in all");
    host.ok(create);
    assert_eq!(host.ok(&format!("{create} --dry-run")), "nothing to do\n");
    let before = host.trace();
    let diff = host.ok("attach new:red web --dry-run");
    assert!(diff.contains("eth0") && diff.contains("10.9.0.2/24"), "{diff}");
    same(&host.trace(), &before, "in all");
}

#[test]
fn a_file_is_planned_made_once_and_taken_down() {
    let host = Host::new();
    let file = "/run/ropewalk/lan.toml";
    let text = "[network.lan]\nmode = \"routed\"\nsubnet = \"10.9.0.0/24\"\n\
        [[attach]]\nsandbox = \"new:green\"\nnetwork = \"lan\"\nip = \"10.9.0.5\"\n";
    std::fs::write(file, text).expect(file);
    let before = host.trace();
    let planned = host.ok(&format!("plan {file}"));
    assert!(planned.contains("10.9.0.5") && planned.ends_with(" to remove\n"), "{planned}");
    let script = host.ok(&format!("plan {file} --sh"));
    assert!(script.contains("ip -n green "), "{script}");
    assert_eq!(host.json(&format!("plan {file} --sh"))["script"], json!(script));
    assert_eq!(host.json(&format!("plan {file}"))[0]["owner"], json!("network lan"));
    assert_eq!(host.json(&format!("up {file}")).as_array().map(Vec::len), Some(2));
    assert_eq!(host.ok(&format!("plan {file}")), "nothing to do\n");
    assert_eq!(host.ok(&format!("up {file}")), "nothing to do\n");
    assert_eq!(host.json("ps")[0]["addresses"], json!(["10.9.0.5/32"]));
    let routes = host.json("routes lan");
    assert_eq!(routes[0]["destination"], json!("10.9.0.0/24"));
    assert_eq!(host.json(&format!("down {file}")).as_array().map(Vec::len), Some(2));
    assert_eq!(host.ok(&format!("down {file}")), "nothing to do\n");
    host.net.sh("ip netns del green 2>/dev/null || true");
    same(&host.trace(), &before, "in all");
}

#[test]
fn a_purge_is_announced_first() {
    let host = Host::new();
    let before = host.trace();
    host.ok("network create web --subnet 10.9.0.0/24");
    host.ok("attach new:red web");
    let words = ["1 network (web)", "1 attachment (netns:red on web)", "ropewalk purge --yes"];
    host.refuses("purge", 2, &words);
    host.ok("purge --yes");
    host.net.sh("ip netns del red 2>/dev/null || true");
    same(&host.trace(), &before, "in all");
}

#[test]
fn what_has_not_begun_to_exist_can_be_asked_for() {
    let host = Host::new();
    assert!(host.ok("ps --all").contains("lo"));
    host.net.sh("ip netns add blue; ip link add v0 type veth peer name v1 netns blue");
    let rows = host.json("ps --all");
    let v0 = rows.as_array().expect("rows").iter().find(|row| row["interface"] == "v0");
    let v0 = v0.expect("v0");
    assert_eq!(v0["peer"]["interface"], json!("v1"), "{rows}");
    assert_eq!(v0["peer"]["ns"], json!("netns:blue"), "{rows}");
    assert_eq!(v0["owner"], serde_json::Value::Null);
}
