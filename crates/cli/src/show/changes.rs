//! What would change, as a diff or as the shell script that does it.
//!
//!     network web
//!       + link rw-web bridge, mtu 1500, up
//!       ~ net/ipv4/ip_forward 0 → 1
//!     1 to make, 1 to change, 0 to remove
//!
//! What the kernel does by itself along the way is left out, and the rule set is one line;
//! `--json` has it all.

use std::fmt;

use ropewalk_engine::{Dry, Fault};
use ropewalk_facts::nft::TableKey;
use ropewalk_facts::{Id, Snapshot};
use ropewalk_plan::{Change, describe, render};
use serde::Serialize;

use crate::answer::Answer;

#[derive(Serialize)]
struct Script {
    script: String,
}

/// The changes that belong to one network or attachment.
#[derive(Serialize)]
struct Group<'a> {
    owner: &'a str,
    changes: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    text: String,
    #[serde(flatten)]
    change: &'a Change,
}

/// The diff, or with `sh` the script.
pub(crate) fn trial(dry: &Dry, sh: bool, json: bool) -> Result<Answer, Fault> {
    if sh {
        let all: Vec<Change> = dry.changes.iter().flat_map(|(_, c)| c.iter().cloned()).collect();
        let script = Script { script: render(&all, &dry.found) };
        return Answer::of(json, &script, |made| made.script.clone());
    }
    let known = known(dry);
    let groups: Vec<Group<'_>> = dry.changes.iter().map(|of| group(of, &known)).collect();
    Answer::of(json, &groups, |groups| diff(groups))
}

/// What was found and what is made: sets are described by either.
fn known(dry: &Dry) -> Snapshot {
    let mut known = dry.found.clone();
    let made = dry.changes.iter().flat_map(|(_, changes)| changes).filter_map(|c| c.new.as_ref());
    made.for_each(|fact| {
        known.insert(fact.clone());
    });
    known
}

fn group<'a>((owner, changes): &'a (String, Vec<Change>), known: &Snapshot) -> Group<'a> {
    let line = |change| Line { text: describe(change, known), change };
    Group { owner, changes: changes.iter().map(line).collect() }
}

fn diff(groups: &[Group<'_>]) -> String {
    let mut text = String::new();
    let mut count = Count::default();
    for group in groups {
        text += &format!("{}\n", group.owner);
        let asked: Vec<&Line<'_>> = group.changes.iter().filter(|l| !l.change.implied).collect();
        for line in &asked {
            count.add(line.change);
            let id = &line.change.key.id;
            if let Id::Table(table) = id {
                text += &format!("  {}{}\n", line.text, inside(table, &asked));
            } else if !stated_by_table(id, &asked) {
                text += &format!("  {}\n", line.text);
            }
        }
    }
    match text.is_empty() {
        true => "nothing to do\n".to_owned(),
        false => format!("{text}{count}\n"),
    }
}

/// What a table has inside when it comes or goes: its rules are many, and always the same.
fn inside(table: &TableKey, asked: &[&Line<'_>]) -> String {
    let keys =
        || asked.iter().map(|line| &line.change.key.id).filter(|id| part_of(id) == Some(table));
    let chains = keys().filter(|id| matches!(id, Id::Chain(_))).count();
    let sets = keys().filter(|id| matches!(id, Id::Set(_))).count();
    let rules = keys().filter(|id| matches!(id, Id::NftRule(_))).count();
    match chains + sets + rules {
        0 => String::new(),
        _ => format!(" with {sets} sets and maps, {chains} chains, {rules} rules"),
    }
}

fn stated_by_table(id: &Id, asked: &[&Line<'_>]) -> bool {
    let is_its = |line: &&Line<'_>| matches!(&line.change.key.id, Id::Table(table) if part_of(id) == Some(table));
    asked.iter().any(is_its)
}

/// The table that a set, chain or rule is part of.
fn part_of(id: &Id) -> Option<&TableKey> {
    if let Id::Set(key) = id {
        Some(&key.table)
    } else if let Id::Chain(key) = id {
        Some(&key.table)
    } else if let Id::NftRule(key) = id {
        Some(&key.chain.table)
    } else {
        None
    }
}

/// How many objects are made, changed and removed.
#[derive(Default)]
struct Count {
    made: usize,
    changed: usize,
    removed: usize,
}

impl Count {
    fn add(&mut self, change: &Change) {
        match (&change.old, &change.new) {
            (None, Some(_)) => self.made += 1,
            (Some(_), None) => self.removed += 1,
            (Some(_), Some(_)) | (None, None) => self.changed += 1,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { made, changed, removed } = self;
        write!(f, "{made} to make, {changed} to change, {removed} to remove")
    }
}
