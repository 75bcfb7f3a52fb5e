//! Sandboxes without an engine: by name, by path, by process.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use ropewalk_sandbox::Engines;
use ropewalk_testnet::Private;

use crate::{find, number, refusal};

#[test]
fn a_namespace_is_found_by_name_path_and_process() {
    let net = Private::enter();
    net.sh("ip netns add red");
    let told = net.sh("stat -L --format %i /run/netns/red");
    let sleeper = net.sh("ip netns exec red sleep 60 >/dev/null 2>&1 & echo $!");
    // The process is in the namespace once it has become a sleep.
    let pid = sleeper.trim();
    net.sh(&format!("until grep -q sleep /proc/{pid}/comm; do :; done"));
    let pid_text = format!("pid:{pid}");
    for (text, pid) in [
        ("netns:red", None),
        ("new:red", None),
        ("/run/netns/red", None),
        (pid_text.as_str(), pid.parse().ok()),
    ] {
        let found = find(text, &Engines::default()).unwrap();
        assert_eq!(number(&found), told.trim(), "{text}");
        assert_eq!((found.label.as_str(), found.pid), (text, pid));
    }
    net.sh(&format!("kill {pid}"));
    net.sh(&format!("while test -d /proc/{pid}; do :; done"));
    let refused = find(&pid_text, &Engines::default()).unwrap_err();
    assert_eq!(refused.to_string(), format!("there is no process {pid}"));
    assert!(refused.is_gone());
    assert!(find("/run/netns/none", &Engines::default()).unwrap_err().is_gone());
}

#[test]
fn the_hosts_own_namespace_is_refused() {
    let net = Private::enter();
    net.sh("touch /run/netns/me && mount --bind /proc/self/ns/net /run/netns/me");
    let own = format!("pid:{}", net.sh("sleep 60 >/dev/null 2>&1 & echo $!").trim());
    for text in [own.as_str(), "netns:me", "/run/netns/me", "/proc/thread-self/ns/net"] {
        let said = format!("{text} is in the network namespace of the host itself");
        assert_eq!(refusal(text, &Engines::default()), said);
    }
    net.sh(&format!("kill {}", own.trim_start_matches("pid:")));
}

#[test]
fn what_is_left_of_a_namespace_is_refused() {
    let net = Private::enter();
    net.sh("touch /run/netns/left");
    let said = "/run/netns/left is not a network namespace";
    assert_eq!(refusal("netns:left", &Engines::default()), said);
    assert_eq!(refusal("new:none", &Engines::default()), "there is no network namespace none");
}
