//! What mends is killed itself: `repair`, `gc`, and the undoing of what was refused.

use super::{Died, FAR, Leaves, WEB, die, host, killed, killed_each};
use crate::host::Host;

impl Host {
    /// Kills `line` at each step, and then the `gc` that clears up at each of its own: the next
    /// one leaves the host as it was before the line, or as after it.
    fn survives_even_in_gc(&self, line: &str, back: &str) {
        let start = self.scene();
        self.ok(line);
        let end = self.scene();
        drop(self.run(back));
        let (mut step, mut inner) = (1, 1);
        while let Some(name) = killed(line, step) {
            let gc = killed("gc", inner);
            self.ok("gc");
            let gc_at = gc.as_deref().unwrap_or("no step");
            let when = format!("{line}: killed before {name}, gc before {gc_at}");
            let now = self.scene();
            if now == end {
                drop(self.run(back));
            }
            start.same(&self.scene(), &when);
            self.is_healthy(&when);
            (step, inner) = if gc.is_some() { (step, inner + 1) } else { (step + 1, 1) };
        }
        assert!(step > 3, "{line} has {step} steps");
        drop(self.run(back));
    }
}

#[test]
fn a_gc_that_is_killed_is_finished_by_the_next() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        let attach = "attach new:blue web --ip 192.168.15.9 --ip fd00:15::9 --publish 8080:80";
        host.survives_even_in_gc(attach, "detach new:blue");
        host.ok(attach);
        host.survives_even_in_gc("detach new:blue", attach);
        host.ok("detach new:blue");
    });
}

#[test]
fn a_gc_of_networks_that_is_killed_is_finished_by_the_next() {
    let host = host();
    host.unharmed(|| {
        host.survives_even_in_gc(FAR, "network rm far");
        host.ok(WEB);
        host.survives_even_in_gc("network rm web", WEB);
    });
}

#[test]
fn a_gc_of_a_vanished_sandbox_that_is_killed_is_finished_by_the_next() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        let start = host.scene();
        let vanish = || {
            host.net.sh("ip netns add grey");
            host.ok("attach netns:grey web --publish 8080:80 --publish 5300:53/udp");
            host.net.sh("ip netns del grey
                while ip link | grep -q 'master rw-web'; do sleep 0.01; done");
        };
        vanish();
        killed_each("gc", |at| {
            host.ok("gc");
            host.is_healthy(at);
            start.same(&host.scene(), at);
            vanish();
        });
        start.same(&host.scene(), "not killed any more");
    });
}

#[test]
fn a_repair_that_is_killed_is_finished_by_the_next() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        host.ok(FAR);
        host.ok("attach netns:red web --ip 192.168.15.9 --ip fd00:15::9 --publish 8080:80");
        host.ok("attach new:blue far --ip 10.9.0.9 --ip fd00:9::9 --publish 5300:53/udp");
        let whole = host.scene();
        let harm = || {
            host.net.sh("nft delete table inet ropewalk; ip link del rw-web
                ip -n red addr flush dev eth0; ip link del $(ip -o link | sed -n 's/.*\\(rw[0-9a-f]*\\)@.*link-netns blue.*/\\1/p')
                sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
                ip route del unreachable 10.9.0.0/24 metric 4294967295");
        };
        for gc in [true, false] {
            harm();
            killed_each("repair", |at| {
                if gc {
                    host.ok("gc");
                }
                host.ok("repair");
                host.is_healthy(at);
                whole.same(&host.scene(), at);
                harm();
            });
            whole.same(&host.scene(), "not killed any more");
        }
    });
}

#[test]
fn a_repair_beside_the_rules_of_others_that_is_killed_is_finished_by_the_next() {
    let host = host();
    host.net
        .sh("iptables -A FORWARD -s 10.99.0.0/16 -j REJECT; ip6tables-legacy -P FORWARD ACCEPT");
    host.unharmed(|| {
        host.ok(WEB);
        // Others come after the network.
        host.net.sh("iptables -P FORWARD DROP; ip6tables-legacy -P FORWARD DROP");
        host.ok("repair");
        let whole = host.scene();
        let harm = || {
            host.net.sh("iptables -D FORWARD 2; ip6tables-legacy -D FORWARD 1
                for t in iptables ip6tables-legacy; do $t -w -F ROPEWALK; $t -w -X ROPEWALK; done");
        };
        harm();
        killed_each("repair", |at| {
            host.ok("gc");
            host.ok("repair");
            host.is_healthy(at);
            whole.same(&host.scene(), at);
            harm();
        });
        whole.same(&host.scene(), "not killed any more");
        host.ok("purge --yes");
        host.net.sh("iptables -P FORWARD ACCEPT; ip6tables-legacy -P FORWARD ACCEPT");
    });
}

#[test]
fn an_attach_that_is_refused_and_killed_while_it_is_undone_leaves_nothing() {
    let host = host();
    host.unharmed(|| {
        host.ok(FAR);
        // Somebody's route stands where the last but one change wants its own.
        host.net.sh("ip -6 route add fd00:9::9 dev up0");
        let start = host.scene();
        let attach = "attach new:blue far --ip 10.9.0.9 --ip fd00:9::9 --publish 8080:80";
        let mut steps = 0;
        while let Died::At(name) = die(attach, steps + 1) {
            host.ok("gc");
            let when = format!("refused, and killed before {name}");
            host.is_healthy(&when);
            start.same(&host.scene(), &when);
            steps += 1;
        }
        assert!(steps > 20, "{steps} steps");
        start.same(&host.scene(), "refused");
        host.net.sh("ip -6 route del fd00:9::9 dev up0");
    });
}

#[test]
fn a_repair_of_others_that_is_killed_is_taken_back_or_done() {
    const FIX: &str = "fix host 198.51.100.8 --apply";
    let host = host();
    host.net.sh("ip -n lan link set lo up; ip -n lan addr add 10.0.0.2/24 dev eth0
        ip -n lan addr add 198.51.100.8/32 dev lo; ip route add blackhole 198.51.100.0/24
        nft 'add table inet t; add chain inet t out { type filter hook output priority 0; policy drop; }'");
    host.unharmed(|| {
        host.survives(Leaves::NothingOrAll, FIX, &["undo"]);
        host.ok(FIX);
        host.survives(Leaves::NothingOrAll, "undo", &[FIX]);
    });
}
