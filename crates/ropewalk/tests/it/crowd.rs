//! Many at once: what many processes do at the same time is what they would have done in turn.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::host::Host;
use crate::run::{Ran, finish, start};

const CROWD: usize = 100;

impl Host {
    /// Runs all lines at the same time, each with `--json`; each must succeed.
    fn at_once(&self, lines: impl IntoIterator<Item = String>) -> Vec<Value> {
        let lines: Vec<String> = lines.into_iter().collect();
        let started: Vec<_> = lines.iter().map(|line| start(&format!("{line} --json"))).collect();
        let ended: Vec<Ran> = started.into_iter().map(finish).collect();
        let all = lines.iter().zip(ended).map(|(line, ran)| {
            assert_eq!(ran.status, Some(0), "ropewalk {line}\n{}{}", ran.out, ran.err);
            serde_json::from_str(&ran.out).expect("an answer in JSON")
        });
        all.collect()
    }
}

/// The values of a list of texts in each of `rows`.
fn texts(rows: &[Value], field: &str) -> Vec<String> {
    let lists = rows.iter().flat_map(|row| row[field].as_array().expect("a list").clone());
    lists.map(|text| text.as_str().expect("a text").to_owned()).collect()
}

#[test]
fn a_hundred_attaches_at_once_have_a_hundred_addresses_and_leave_nothing() {
    for network in [
        "network create web --subnet 192.168.15.0/24 --subnet fd00:15::/64",
        "network create web --mode routed --subnet 192.168.15.0/24 --subnet fd00:15::/64",
    ] {
        let host = Host::new();
        host.ok(network);
        let before = host.scene();
        let attach = |n| format!("attach new:s{n} web --publish {}:80", 8000 + n);
        let rows = host.at_once((0..CROWD).map(attach));
        let addresses: BTreeSet<String> = texts(&rows, "addresses").into_iter().collect();
        assert_eq!(addresses.len(), 2 * CROWD, "{addresses:?}");
        host.is_healthy("a hundred");
        let said = host.json("why s0 s99 --no-live");
        assert_eq!(said["code"], "OK", "a network that works, among a hundred: {said:#}");
        host.at_once((0..CROWD).map(|n| format!("detach netns:s{n}")));
        before.same(&host.scene(), "a hundred came and went");
    }
}

#[test]
fn one_sandbox_attached_by_twenty_at_once_is_attached_once() {
    let host = Host::new();
    host.ok("network create web --subnet 192.168.15.0/24");
    for sandbox in ["netns:red", "new:blue"] {
        host.net.sh("ip netns list | grep -q red || ip netns add red");
        let rows = host.at_once((0..20).map(|_| format!("attach {sandbox} web --publish 80:80")));
        assert_eq!(rows.iter().filter(|row| row["changed"] == true).count(), 1);
        let addresses: BTreeSet<String> = texts(&rows, "addresses").into_iter().collect();
        assert_eq!(addresses.len(), 1, "{addresses:?}");
        assert_eq!(host.json("ps").as_array().map(Vec::len), Some(1));
        host.is_healthy("attached once");
        host.ok(&format!("detach {sandbox}"));
    }
}

#[test]
fn one_file_made_by_ten_at_once_is_made_once() {
    let host = Host::new();
    let text = "[network.web]\nsubnet = \"192.168.15.0/24\"\n[[attach]]\nsandbox = \"new:blue\"\n\
                network = \"web\"\npublish = \"80:80\"\n";
    std::fs::write("/run/ropewalk/web.toml", text).expect("a file");
    let before = host.scene();
    host.at_once((0..10).map(|_| "up /run/ropewalk/web.toml".to_owned()));
    host.is_healthy("up");
    assert_eq!(host.json("ps").as_array().map(Vec::len), Some(1));
    host.at_once((0..10).map(|_| "down /run/ropewalk/web.toml".to_owned()));
    before.same(&host.scene(), "up and down");
}

#[test]
fn attach_gc_repair_and_new_networks_do_not_disturb_each_other() {
    let host = Host::new();
    host.ok("network create web --subnet 192.168.15.0/24 --subnet fd00:15::/64");
    let before = host.scene();
    let end = Instant::now() + Duration::from_secs(5);
    std::thread::scope(|scope| {
        for n in 0..3 {
            let host = &host;
            scope.spawn(move || {
                while Instant::now() < end {
                    host.ok(&format!("attach new:s{n} web --publish {}:80", 8000 + n));
                    host.ok(&format!("publish netns:s{n} {}:53/udp", 8000 + n));
                    host.ok(&format!("detach netns:s{n}"));
                }
            });
        }
        scope.spawn(|| {
            while Instant::now() < end {
                host.ok("network create own --mode routed --subnet 10.9.0.0/24");
                host.ok("attach new:own own --publish 9000:80");
                host.ok("detach netns:own");
                host.ok("network rm own");
            }
        });
        scope.spawn(|| {
            while Instant::now() < end {
                for line in ["gc", "repair", "check"] {
                    assert_eq!(host.json(line), serde_json::json!([]), "{line} found something");
                }
                host.ok("ps --all");
            }
        });
    });
    host.is_healthy("after the crowd");
    before.same(&host.scene(), "after the crowd");
}
