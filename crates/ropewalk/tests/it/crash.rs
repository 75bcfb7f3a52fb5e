//! Killed before every step of every verb: `gc`, or the same command again, leaves nothing half done.
//!
//!     step 1 ✗ gc   step 2 ✗ gc   step 3 ✗ gc …   until the verb ends by itself
//!     step 1 ✗ again   step 2 ✗ again …
//!
//! A step is a kernel request, an nft transaction, a commit of the store or a file; in such a run
//! requests go out one at a time.

use std::fs;

use crate::host::Host;
use crate::run::ropewalk_with;
use crate::scene::Scene;

/// Where a run writes the names of its steps.
const STEPS: &str = "/run/ropewalk/steps";

/// What `gc` may leave of a verb that was killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// Nothing: it is as before the verb.
    Nothing,
    /// Nothing or everything.
    NothingOrAll,
    /// Of a verb of many parts: each of them wholly or not at all.
    WholeParts,
}

/// A verb on a host that is ready for it.
struct Verb<'a> {
    host: &'a Host,
    line: &'a str,
    leaves: Leaves,
    /// Makes the host ready again after the verb has been done, and after any of its parts has.
    back: &'a dyn Fn(),
}

impl Verb<'_> {
    /// Kills it at every step, and looks at what `gc` leaves, then at what it does itself if it is
    /// given again.
    fn is_killed_everywhere(&self) {
        let start = self.host.scene();
        self.host.ok(self.line);
        let end = self.host.scene();
        (self.back)();
        start.same(&self.host.scene(), &format!("{}: there and back", self.line));
        let steps = self.each(|at| self.gc_cleans_up(at, &start, &end));
        assert!(steps.len() > 2, "{}: {steps:?}", self.line);
        end.same(&self.host.scene(), &format!("{}: killed many times, then not", self.line));
        (self.back)();
        self.each(|at| {
            self.host.ok(self.line);
            end.same(&self.host.scene(), &format!("{at}, then again"));
            self.host.is_healthy(at);
            (self.back)();
            start.same(&self.host.scene(), &format!("{at}, then again and back"));
        });
        (self.back)();
    }

    /// Runs the verb, killed at the first step, then `then`; killed at the second, and so on.
    /// Returns the names of the steps.
    fn each(&self, mut then: impl FnMut(&str)) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(name) = killed(self.line, names.len() + 1) {
            then(&format!("{}: killed before step {}, {name}", self.line, names.len() + 1));
            names.push(name);
        }
        names
    }

    fn gc_cleans_up(&self, at: &str, start: &Scene, end: &Scene) {
        self.host.ok("gc");
        let now = self.host.scene();
        let when = format!("{at}, then gc");
        match self.leaves {
            Leaves::Nothing => start.same(&now, &when),
            Leaves::NothingOrAll if now == *end => {}
            Leaves::NothingOrAll => start.same(&now, &when),
            Leaves::WholeParts => {}
        }
        self.host.is_healthy(&when);
        if now != *start {
            (self.back)();
            start.same(&self.host.scene(), &format!("{when} and back"));
        }
    }
}

/// Runs a line that dies at a step, and returns the step's name; none if it came to its end.
fn killed(line: &str, step: usize) -> Option<String> {
    let _none = fs::remove_file(STEPS);
    let step = step.to_string();
    let vars = [("ROPEWALK_FAILPOINT", step.as_str()), ("ROPEWALK_FAILPOINT_LIST", STEPS)];
    let ran = ropewalk_with(line, &vars);
    match ran.status {
        Some(0) => None,
        None => {
            let steps = fs::read_to_string(STEPS).expect("the steps are listed");
            Some(steps.lines().last().expect("a step").split_once(' ').expect("a name").1.into())
        }
        Some(_) => panic!("ropewalk {line}, to be killed at step {step}\n{}{}", ran.out, ran.err),
    }
}

/// A host with a way out that takes router advertisements, and a sandbox.
fn host() -> Host {
    let host = Host::new();
    host.net.sh("ip netns add lan
        ip link add up0 type veth peer name eth0 netns lan
        ip link set up0 up; ip -n lan link set eth0 up
        sysctl -qw net.ipv6.conf.up0.accept_ra=1
        ip addr add 10.0.0.1/24 dev up0; ip -6 addr add fd00:aa::1/64 dev up0 nodad
        ip route add default via 10.0.0.2; ip -6 route add default via fd00:aa::2
        ip netns add red");
    host
}

impl Host {
    /// Kills `line` everywhere, then removes everything; `back` takes it back.
    fn survives(&self, leaves: Leaves, line: &str, back: &[&str]) {
        let back = || back.iter().for_each(|line| drop(self.run(line)));
        Verb { host: self, line, leaves, back: &back }.is_killed_everywhere();
    }

    /// Does `work` between two looks at the host: in the end it is purged, and as before.
    fn unharmed(&self, work: impl FnOnce()) {
        let start = self.scene();
        work();
        self.ok("purge --yes");
        start.same(&self.scene(), "purged");
    }
}

const WEB: &str = "network create web --subnet 192.168.15.0/24 --subnet fd00:15::/64";
const DB: &str = "network create db --subnet 192.168.16.0/24 --subnet fd00:16::/64";
const FAR: &str = "network create far --mode routed --subnet 10.9.0.0/24 --subnet fd00:9::/64 \
                   --masquerade 10.0.0.1 --masquerade fd00:aa::1";

#[test]
fn a_network_whose_making_is_killed_leaves_nothing() {
    let host = host();
    let rm = ["network rm web"];
    host.unharmed(|| {
        host.survives(Leaves::NothingOrAll, WEB, &rm);
        for options in ["--internal --subnet 192.168.15.0/24", "--l2"] {
            let line = format!("network create web {options}");
            host.survives(Leaves::NothingOrAll, &line, &rm);
        }
    });
}

#[test]
fn a_routed_network_whose_making_is_killed_leaves_nothing() {
    let host = host();
    host.unharmed(|| {
        host.survives(Leaves::NothingOrAll, FAR, &["network rm far"]);
        host.ok(WEB);
        host.survives(Leaves::NothingOrAll, FAR, &["network rm far"]);
    });
}

#[test]
fn a_network_whose_removal_is_killed_is_removed_or_whole() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        host.survives(Leaves::NothingOrAll, "network rm web", &[WEB]);
        host.ok(FAR);
        host.survives(Leaves::NothingOrAll, "network rm far", &[FAR]);
    });
}

#[test]
fn a_network_whose_removal_is_killed_leaves_others_what_they_share() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        host.ok(DB);
        // Each in turn is the one that turned forwarding on.
        host.survives(Leaves::NothingOrAll, "network rm web", &[WEB]);
        host.survives(Leaves::NothingOrAll, "network rm db", &[DB]);
        host.survives(Leaves::NothingOrAll, "network rm web", &[WEB]);
        host.ok("network rm db");
        host.ok("network rm web");
    });
}

#[test]
fn an_attach_that_is_killed_leaves_no_interface_and_no_namespace() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        for sandbox in ["netns:red", "new:blue"] {
            let line = format!(
                "attach {sandbox} web --ip 192.168.15.9 --ip fd00:15::9 \
                 --publish 8080:80 --publish 10.0.0.1:5300-5302:53-55/udp"
            );
            host.survives(Leaves::Nothing, &line, &[&format!("detach {sandbox}")]);
        }
    });
}

#[test]
fn an_attach_to_a_routed_network_that_is_killed_leaves_nothing() {
    let host = host();
    host.unharmed(|| {
        host.ok(FAR);
        let line = "attach new:blue far --ip 10.9.0.9 --ip fd00:9::9 --publish 8080:80";
        host.survives(Leaves::Nothing, line, &["detach new:blue"]);
    });
}

#[test]
fn a_second_attach_that_is_killed_leaves_the_first() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        host.ok(FAR);
        for sandbox in ["netns:red", "new:blue"] {
            host.ok(&format!("attach {sandbox} web --publish 8080:80"));
            let line = format!("attach {sandbox} far --ip 10.9.0.9 --ip fd00:9::9 --publish 81:81");
            host.survives(Leaves::Nothing, &line, &[&format!("detach {sandbox} far")]);
            host.ok(&format!("detach {sandbox}"));
        }
    });
}

#[test]
fn a_detach_that_is_killed_is_finished() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        host.ok(FAR);
        for (sandbox, network, ips) in [
            ("netns:red", "web", "--ip 192.168.15.9 --ip fd00:15::9"),
            ("new:blue", "web", "--ip 192.168.15.9 --ip fd00:15::9"),
            ("netns:red", "far", "--ip 10.9.0.9 --ip fd00:9::9"),
            ("new:blue", "far", "--ip 10.9.0.9 --ip fd00:9::9"),
        ] {
            let attach =
                format!("attach {sandbox} {network} {ips} --publish 8080:80 --publish 5300:53/udp");
            host.ok(&attach);
            host.survives(Leaves::NothingOrAll, &format!("detach {sandbox}"), &[&attach]);
            host.ok(&format!("detach {sandbox}"));
        }
    });
}

#[test]
fn a_detach_from_one_of_two_networks_that_is_killed_leaves_the_other() {
    let host = host();
    let attach = |network| match network {
        "web" => "attach new:blue web --ip 192.168.15.9 --ip fd00:15::9 --name eth0",
        _ => "attach new:blue db --ip 192.168.16.9 --ip fd00:16::9 --name eth1",
    };
    host.unharmed(|| {
        host.ok(WEB);
        host.ok(DB);
        host.ok(attach("web"));
        host.ok(attach("db"));
        // The metric of default routes depends on which of them came first.
        let both = ["detach new:blue", attach("web"), attach("db")];
        host.survives(Leaves::NothingOrAll, "detach new:blue web", &both);
        host.survives(Leaves::NothingOrAll, "detach new:blue db", &both);
    });
}

#[test]
fn a_publish_that_is_killed_leaves_no_port_open() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        host.ok("attach netns:red web --publish 81:81");
        let ports = "8080:80 5300-5302:53-55/udp 10.0.0.1:8443:443 [fd00:aa::1]:8443:443";
        host.survives(
            Leaves::Nothing,
            &format!("publish netns:red {ports}"),
            &[&format!("unpublish netns:red {ports}")],
        );
        host.ok(FAR);
        host.ok("attach new:blue far");
        let (line, back) = ("publish new:blue 8080:80", "unpublish new:blue 8080:80");
        host.survives(Leaves::Nothing, line, &[back]);
    });
}

#[test]
fn an_unpublish_that_is_killed_is_finished() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        host.ok(FAR);
        let ports = "8080:80 5300-5302:53-55/udp 10.0.0.1:8443:443";
        for network in ["web", "far"] {
            host.ok(&format!("attach new:blue {network}"));
            let (line, back) =
                (format!("unpublish new:blue {ports}"), format!("publish new:blue {ports}"));
            host.ok(&back);
            host.survives(Leaves::NothingOrAll, &line, &[&back]);
            host.ok("detach new:blue");
        }
    });
}

/// A file with two networks and a sandbox on both.
const FILE: &str = r#"
    [network.web]
    subnet = ["192.168.15.0/24", "fd00:15::/64"]
    [network.far]
    mode = "routed"
    subnet = "10.9.0.0/24"
    [[attach]]
    sandbox = "new:blue"
    network = "web"
    ip = ["192.168.15.9", "fd00:15::9"]
    publish = ["8080:80", "5300:53/udp"]
    [[attach]]
    sandbox = "new:blue"
    network = "far"
    ip = "10.9.0.9"
"#;

#[test]
fn an_up_that_is_killed_leaves_whole_networks_and_attachments_alone() {
    let host = host();
    fs::write("/run/ropewalk/all.toml", FILE).expect("a file");
    host.unharmed(|| {
        let (up, down) = ("up /run/ropewalk/all.toml", "down /run/ropewalk/all.toml");
        host.survives(Leaves::WholeParts, up, &[down]);
    });
}

#[test]
fn a_down_that_is_killed_leaves_whole_networks_and_attachments_alone() {
    let host = host();
    fs::write("/run/ropewalk/all.toml", FILE).expect("a file");
    host.unharmed(|| {
        let (up, down) = ("up /run/ropewalk/all.toml", "down /run/ropewalk/all.toml");
        host.ok(up);
        // Everything anew, as what comes back second is not as it was when it came first.
        host.survives(Leaves::WholeParts, down, &[down, up]);
    });
}

#[test]
fn a_purge_that_is_killed_is_finished_by_the_next() {
    let host = host();
    fs::write("/run/ropewalk/all.toml", FILE).expect("a file");
    host.unharmed(|| {
        let make = [
            "purge --yes",
            DB,
            "up /run/ropewalk/all.toml",
            "attach netns:red db --ip 192.168.16.9 --ip fd00:16::9",
        ];
        make[1..].iter().for_each(|line| drop(host.ok(line)));
        host.survives(Leaves::WholeParts, "purge --yes", &make);
    });
}
