//! A repair as changes: the commands that a fix is printed as, read back into what the kernel is asked.
//!
//!     ip netns exec h sysctl -w net.ipv4.ip_forward=1 ──▶ Change { netns:h, sysctl, 0 → 1 } …
//!
//! What is carried out is what is printed, so the two cannot disagree.  A command that has no words
//! among the facts (a service, a filter of tc, a setting that the kernel tells nobody) is left to a
//! person, and says why.  Never here: the kernel, which repair it is.

mod fdb;
mod filter;
mod inet;
mod link;
mod rules;
#[cfg(test)]
mod tests;
mod words;

use ropewalk_facts::seen::Scan;
use ropewalk_facts::{Body, Fact, Key, Ns, Snapshot, Sysctl, SysctlPath};
use ropewalk_plan::{Change, Plan, Step, predict};

use self::words::Words;

/// A fix, and what of it is carried out without a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mend {
    /// The commands, in order.
    pub lines: Vec<Line>,
    /// What they change. Empty when one of them has to be run by hand.
    pub changes: Vec<Change>,
    /// What the kernel has learned and is to forget: it is not brought back.
    pub forget: Vec<Change>,
}

impl Mend {
    /// True when all of it is carried out without a command.
    #[must_use]
    pub fn whole(&self) -> bool {
        self.lines.iter().all(|line| line.by_hand.is_none())
    }
}

/// One command of a fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// As it is printed.
    pub command: String,
    /// Why a person has to run it, where that is so.
    pub by_hand: Option<&'static str>,
}

/// Why a command is left to a person.
type ByHand = &'static str;
/// What a command comes to.
type Read = Result<(), ByHand>;

/// There are no facts that it could be said in.
const NO_WORDS: ByHand = "ropewalk has no word for what it changes";
/// It runs as long as nobody stops it.
const SERVICE: ByHand = "services are started by who owns them";

/// Reads the commands of a fix, against what was found.
#[must_use]
pub fn mend(scan: &Scan, fix: &[String]) -> Mend {
    let mut work = Work { now: known(scan), changes: Vec::new(), forget: Vec::new() };
    let mut lines = Vec::new();
    for command in fix {
        let by_hand = work.line(command).err();
        lines.push(Line { command: command.clone(), by_hand });
    }
    let whole = lines.iter().all(|line: &Line| line.by_hand.is_none());
    let Work { changes, forget, .. } = work;
    match whole {
        true => Mend { lines, changes: joined(changes), forget },
        false => Mend { lines, ..Mend::default() },
    }
}

/// All that is known, settings that are no facts otherwise among them: some follow from others.
fn known(scan: &Scan) -> Snapshot {
    let mut all = scan.facts.clone();
    for (ns, seen) in &scan.seen {
        for (path, value) in &seen.settings {
            let Ok(path) = SysctlPath::new(path.as_str()) else { continue };
            let fact = Body::Sysctl(Sysctl { path, value: value.clone() }).at(ns.clone());
            if !all.contains(&fact.key()) {
                all.insert(fact);
            }
        }
    }
    all
}

/// One change for what is altered several times.
fn joined(changes: Vec<Change>) -> Vec<Change> {
    let mut all: Vec<Change> = Vec::new();
    for change in changes {
        let before = all.iter_mut().rev().find(|c| c.key == change.key);
        match (before, &change.old) {
            (Some(before), Some(old))
                if before.new.as_ref() == Some(old) && change.new.is_some() =>
            {
                before.new.clone_from(&change.new);
                before.implied &= change.implied;
            }
            _ => all.push(change),
        }
    }
    all.retain(|change| change.implied || change.old != change.new);
    all
}

/// The work on a fix.
struct Work {
    /// What is, with the lines so far carried out.
    now: Snapshot,
    changes: Vec<Change>,
    forget: Vec<Change>,
}

impl Work {
    fn line(&mut self, command: &str) -> Read {
        // What is done whether it succeeds or not.
        let command = ["; true", "|| true"].iter().fold(command, |c, end| c.trim_end_matches(end));
        let command = command.trim();
        if command.starts_with("setsid ") {
            return Err(SERVICE);
        }
        let words = words::split(command)?;
        let (ns, words) = words::place(&words);
        let ns = self.meant(ns);
        if !self.now.of(&ns).any(|_| true) {
            return Err("its namespace was not looked into");
        }
        let mut words = Words::new(words);
        match words.next() {
            Some("ip") => self.ip(&ns, words),
            Some("sysctl") => self.sysctl(&ns, words),
            Some("bridge") => self.bridge(&ns, words),
            Some("nft") => self.nft(&ns, words),
            Some(tool @ ("iptables" | "ip6tables" | "iptables-legacy" | "ip6tables-legacy")) => {
                self.iptables(&ns, tool, words)
            }
            Some("arptables-legacy") => {
                Err("tables of arptables-legacy are not put back as they were")
            }
            Some("sh") => match words.rest().as_slice() {
                ["-c", script] => self.by_comment(&ns, script),
                _ => Err(NO_WORDS),
            },
            Some("conntrack") => Err("connections that are forgotten are not brought back"),
            Some("socat") => Err(SERVICE),
            Some("sleep") => Ok(()),
            _ => Err(NO_WORDS),
        }
    }

    /// The namespace of a process as it was found, which may be called by who lives there.
    fn meant(&self, ns: Ns) -> Ns {
        let process = |known: &&Ns| crate::question::of_process(known, ns.as_str());
        let mut all = self.now.iter().map(|fact| &fact.ns);
        let found = ns.as_str().starts_with("pid:").then(|| all.find(process)).flatten();
        found.cloned().unwrap_or(ns)
    }

    fn ip(&mut self, ns: &Ns, mut words: Words<'_>) -> Read {
        let mut v6 = false;
        let noun = loop {
            match words.next() {
                Some("-6") => v6 = true,
                Some("-4") => v6 = false,
                other => break other,
            }
        };
        match (noun, words.next()) {
            (Some("link"), Some("set")) => self.link_set(ns, words),
            (Some("link"), Some("add")) => self.macvlan(ns, words),
            (Some("addr"), Some(verb)) => self.addr(ns, verb, words),
            (Some("route"), Some("flush")) => self.forget_routes(ns, v6, &words),
            (Some("route"), Some(verb)) => self.route(ns, v6, verb, words),
            (Some("rule"), Some("del")) => self.rule_del(ns, v6, words),
            (Some("neigh"), Some(verb)) => self.neigh(ns, verb, words),
            _ => Err(NO_WORDS),
        }
    }

    /// `sysctl -w KEY=VALUE`, where the dots of an interface's name stay dots.
    fn sysctl(&mut self, ns: &Ns, mut words: Words<'_>) -> Read {
        let setting = match words.next() {
            Some("-w" | "-qw") => words.next(),
            other => other,
        };
        let (key, value) = setting.and_then(|s| s.split_once('=')).ok_or(NO_WORDS)?;
        let dotted = |path: &SysctlPath| path.as_str().replace('/', ".") == key;
        let known = self.now.of(ns).filter_map(|fact| Some(&fact.body.as_sysctl()?.path));
        let path = known.into_iter().find(|path| dotted(path)).cloned();
        let path = path.ok_or("the setting was not found, so it could not be put back")?;
        self.ensure(Body::Sysctl(Sysctl { path, value: value.to_owned() }).at(ns.clone()))
    }

    /// Makes an object be as stated.
    fn ensure(&mut self, fact: Fact) -> Read {
        self.step(Step::Ensure(fact))
    }

    /// Takes an object away, where it is there.
    fn absent(&mut self, key: Key) -> Read {
        self.step(Step::Absent(key))
    }

    fn step(&mut self, step: Step) -> Read {
        let mut plan = Plan::new();
        plan.push(step).map_err(|_| NO_WORDS)?;
        let changes = predict(&plan, &mut self.now).map_err(|_| "the kernel does not allow it")?;
        self.changes.extend(changes);
        Ok(())
    }

    /// Makes an object be exactly so, where leaving something out takes it away.
    fn exactly(&mut self, fact: Fact) -> Read {
        let key = fact.key();
        let old = self.now.fact(&key).filter(|old| !old.derived()).cloned();
        if old.is_none() {
            return self.ensure(fact);
        }
        self.now.insert(fact.clone());
        self.changes.push(Change { key, old, new: Some(fact), implied: false });
        Ok(())
    }
}
