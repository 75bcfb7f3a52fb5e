//! Allow lists: shown, looked after, undone, refused where nothing could keep them. What they let
//! through is tried in the engine's tests.

use serde_json::json;

use crate::host::{Host, same};

const WEB: &str = "network create web --subnet 10.9.0.0/24 --subnet fd00:9::/64";
const RED: &str = "attach new:red web --ip 10.9.0.8 --ip fd00:9::8 --allow-in 'x' --allow-out none";

/// [`RED`] with what it lets in.
fn red(line: &str) -> String {
    RED.replace("'x'", &format!("\"{line}\""))
}

#[test]
fn lists_are_shown_checked_repaired_and_removed() {
    let host = Host::new();
    let before = host.trace();
    host.ok(WEB);
    let line = "10.9.0.0/25 tcp:80-90";
    let made = host.json(&red(line));
    assert_eq!((&made["allow_in"], &made["allow_out"]), (&json!([line]), &json!(["none"])));
    let ps = host.ok("ps");
    assert!(ps.contains("ALLOWED") && ps.contains(&format!("in {line}")), "{ps}");
    assert!(ps.contains("out none"), "{ps}");
    host.ok(&red(line));
    host.refuses(&red("tcp:81"), 1, &["eth0 receives 10.9.0.0/25 tcp:80-90", "[already-attached]"]);
    let own = "10.9.0.8 . 10.9.0.0/25 . tcp . 80-90";
    for broken in [
        format!("nft delete element inet ropewalk allow_in4 '{{ {own} }}'"),
        format!("nft delete element bridge ropewalk allow_in4 '{{ {own} }}'"),
        "nft delete element inet ropewalk held_out6 '{ fd00:9::8 }'".to_owned(),
        "nft flush set bridge ropewalk held".to_owned(),
        "nft flush chain bridge ropewalk out4".to_owned(),
    ] {
        host.net.sh(&broken);
        assert_eq!(host.run("check").status, Some(3), "{broken}");
        host.ok("repair");
        assert_eq!(host.json("check"), json!([]), "{broken}");
    }
    host.net.sh("nft delete table inet ropewalk; nft delete table bridge ropewalk");
    host.ok("repair");
    assert!(host.net.sh("nft list set inet ropewalk allow_in4").contains(own));
    host.ok("detach netns:red");
    let sets = host.net.sh("nft list ruleset");
    assert!(!sets.contains("10.9.0.8"), "{sets}");
    host.net.sh("ip netns del red 2>/dev/null || true");
    host.ok("network rm web");
    same(&host.trace(), &before, "in all");
}

#[test]
fn lists_that_nothing_could_keep_are_refused() {
    let host = Host::new();
    host.net.sh("ip netns add red; ip link add up0 type veth peer name up1
        ip link set up0 up; ip link set up1 up; ip addr add 10.0.0.1/24 dev up0");
    for (network, options) in [
        ("net1", "--mode macvlan --parent up0 --subnet 10.0.0.0/24 --range 10.0.0.48/28"),
        ("net2", "--l2"),
        ("net3", "--subnet 10.3.0.0/24 --allow-spoofing"),
        ("net4", "--subnet 10.4.0.0/24"),
    ] {
        host.ok(&format!("network create {network} {options}"));
    }
    let no = |line: &str, words: &[&str]| {
        host.refuses(&format!("attach netns:red {line}"), 2, words);
    };
    no("net1 --allow-in tcp:80", &["allow_in: with mode macvlan nothing of the host stands"]);
    no("net2 --allow-in tcp:80", &["allow_in:", "whose sandboxes give themselves addresses"]);
    no("net3 --allow-out none", &["allow_out:", "together with allow_spoofing"]);
    no("net4 --allow-out none --allow-spoofing", &["allow_out:", "together with allow_spoofing"]);
    no("net4 --allow-in fd00::/64", &["allow_in: no subnet of the network is of the family"]);
    let many = " --allow-in tcp:80".repeat(65);
    no(&format!("net4{many}"), &["--allow-in: more than 64 of them"]);
    for odd in ["tcp:0", "443", "10.4.0.1/24", "any"] {
        host.refuses(&format!("attach netns:red net4 --allow-in {odd}"), 2, &["--allow-in"]);
    }
}

#[test]
fn why_names_the_list_that_stops_it() {
    let host = Host::new();
    host.ok(WEB);
    host.ok(&red("10.9.0.9 tcp:80"));
    host.ok("attach new:blue web --ip 10.9.0.9 --ip fd00:9::9");
    let why = |line: &str| {
        let ran = host.run(&format!("why {line} --no-live"));
        format!("{}{}", ran.out, ran.err)
    };
    let said = why("netns:red 10.9.0.9 --proto udp --dport 53");
    assert!(said.contains("allow list of what it may send"), "{said}");
    let said = why("netns:blue 10.9.0.8:81");
    assert!(said.contains("allow list of what may come to it"), "{said}");
    assert!(said.contains("--allow-in"), "{said}");
    let said = why("netns:blue 10.9.0.8:80");
    assert!(!said.contains("allow list"), "{said}");
}
