//! A host of the test's own, what is run on it, and what that leaves.

use ropewalk_testnet::Private;

use crate::run::{Ran, ropewalk};

/// A private network with empty state, and no variables but PATH.
pub(crate) struct Host {
    pub(crate) net: Private,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self { net: Private::enter() }
    }

    /// Runs `ropewalk` with the words of `line`, which may stand in double quotes.
    pub(crate) fn run(&self, line: &str) -> Ran {
        ropewalk(line)
    }

    /// As [`Host::run`]; it must succeed. Returns what it prints.
    pub(crate) fn ok(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.status, Some(0), "ropewalk {line}\n{}{}", ran.out, ran.err);
        ran.out
    }

    /// As [`Host::ok`] with `--json`.
    pub(crate) fn json(&self, line: &str) -> serde_json::Value {
        let out = self.ok(&format!("{line} --json"));
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("ropewalk {line}: {e}\n{out}"))
    }

    /// Runs a line that must be refused with `status`, and without a trace: the message, which
    /// must hold each of `words`.
    pub(crate) fn refuses(&self, line: &str, status: i32, words: &[&str]) -> String {
        let before = self.trace();
        let ran = self.run(line);
        assert_eq!(ran.status, Some(status), "ropewalk {line}\n{}{}", ran.out, ran.err);
        assert_eq!(ran.out, "", "ropewalk {line}");
        for word in words {
            assert!(ran.err.contains(word), "ropewalk {line}: no {word:?} in\n{}", ran.err);
        }
        same(&self.trace(), &before, line);
        ran.err
    }

    /// Everything that a run could leave: in the kernel, in each named namespace, and in files.
    /// What the kernel does by itself, and when it likes, is left out.
    pub(crate) fn trace(&self) -> String {
        self.net.sh("here() {
                $1 ip -o link | sed -E 's/<[^>]*>//; s/state [A-Z]+//; s/qdisc [a-z]+//'
                $1 ip -o addr show scope global | sed 's/ tentative//'
                for v in -4 -6; do
                    $1 ip $v route show table all \\
                        | sed 's/ linkdown//; /^multicast/d; /fe80/d; /ff00/d'
                    $1 ip $v rule
                    $1 ip $v neigh show proxy
                done
                # What packets added to sets comes and goes.
                $1 nft list ruleset | awk '/flags dynamic/ { d = 1 } /^\\t}/ { d = e = 0 }
                    d && /elements/ { e = 1 } !e'
                $1 sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding
            }
            here
            for ns in $(ip netns list | cut -d' ' -f1 | sort); do
                echo \"== $ns\"
                here \"ip netns exec $ns\"
            done
            cd /etc/ropewalk
            find . -type f | sort | while read f; do echo \"== $f\"; cat $f; done")
    }
}

/// Fails with the lines that only one of the two has.
pub(crate) fn same(after: &str, before: &str, what: &str) {
    let only = |one: &str, other: &str, sign| {
        let lines = one.lines().filter(|line| !other.lines().any(|l| l == *line));
        lines.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    let difference = only(before, after, '-') + &only(after, before, '+');
    assert!(difference.is_empty(), "ropewalk {what} left something\n{difference}");
}
