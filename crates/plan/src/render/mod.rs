//! What a list of changes looks like as a shell script of `ip`, `bridge`, `sysctl` and `nft`.
//!
//!     made link leg, its other end eth0 in netns:red ──▶
//!     ip link add name leg type veth peer name eth0 netns red
//!     ip link set dev leg master rw-web up
//!
//! The commands are those of iproute2 6.1 and nftables 1.0.6, the script is for any POSIX shell.
//! Never here: running them.

mod inet;
mod link;
pub mod nft;
mod sh;

use ropewalk_facts::{Body, Fact, Id, Ns, Snapshot};

use crate::Change;
use crate::words::{Words, member};
use sh::line;

/// The script that does what `changes` say. `context` is what was found before: it knows the sets
/// that elements go into.
#[must_use]
pub fn render(changes: &[Change], context: &Snapshot) -> String {
    let mut known = context.clone();
    changes.iter().filter_map(|c| c.new.as_ref()).for_each(|fact| {
        known.insert(fact.clone());
    });
    let mut out = String::from("#!/bin/sh\nset -e\n");
    let mut batch: Vec<&Change> = vec![];
    for change in changes.iter().filter(|change| !change.implied) {
        let of_nft = is_nft(&change.key.id);
        if batch.first().is_some_and(|first| !of_nft || first.key.ns != change.key.ns) {
            write_nft(&mut out, &batch, &known);
            batch.clear();
        }
        if of_nft {
            batch.push(change);
        } else {
            commands(change, changes).iter().for_each(|line| push(&mut out, line));
        }
    }
    write_nft(&mut out, &batch, &known);
    out
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

fn write_nft(out: &mut String, batch: &[&Change], known: &Snapshot) {
    let Some(first) = batch.first() else { return };
    push(out, &format!("{} <<'EOF'", sh::prefix(&first.key.ns, "nft -f -")));
    nft::lines(batch, known).iter().for_each(|line| push(out, line));
    push(out, "EOF");
}

pub(crate) fn is_nft(id: &Id) -> bool {
    match id {
        Id::Table(_) | Id::Set(_) | Id::Chain(_) | Id::NftRule(_) | Id::Element(_) => true,
        Id::Netns(_)
        | Id::Link(_)
        | Id::Member(_)
        | Id::Sysctl(_)
        | Id::Addr(_)
        | Id::Route(_)
        | Id::Rule(_)
        | Id::Neigh(_)
        | Id::Fdb(_) => false,
    }
}

/// The commands for one change that is not of nft.
fn commands(change: &Change, all: &[Change]) -> Vec<String> {
    let ns = &change.key.ns;
    let Some(fact) = change.new.as_ref().or(change.old.as_ref()) else { return vec![] };
    let old = change.old.as_ref().map(|old| &old.body);
    match &fact.body {
        Body::Netns(name) => {
            let verb = if change.removes() { "del" } else { "add" };
            vec![line(&Ns::HOST, "ip netns", Words::default().say(verb).word(name))]
        }
        Body::Link(link) if change.removes() => {
            vec![line(ns, "ip link", Words::default().say("del dev").word(&link.name))]
        }
        Body::Link(link) => match old.and_then(Body::as_link) {
            Some(was) => link::alter(ns, was, link),
            None => link::make(ns, link, far_end(fact, all)),
        },
        Body::Member(flags) if change.new.is_some() => {
            let words = Words::default().say("set dev").word(&flags.dev);
            let flags = member(flags, old.and_then(Body::as_member));
            vec![line(ns, "bridge link", words.then(flags))]
        }
        Body::Sysctl(x) if change.new.is_some() => {
            let setting = format!("{}={}", x.path, x.value);
            vec![line(ns, "sysctl", Words::default().say("-qw").word(setting))]
        }
        Body::Addr(_) | Body::Route(_) | Body::Rule(_) | Body::Neigh(_) | Body::Fdb(_) => {
            inet::command(change, fact).into_iter().collect()
        }
        Body::Member(_)
        | Body::Sysctl(_)
        | Body::Table(_)
        | Body::Set(_)
        | Body::Chain(_)
        | Body::NftRule(_)
        | Body::Element(_) => vec![],
    }
}

/// The other end of a pair as it is born with `fact`.
fn far_end<'a>(fact: &Fact, all: &'a [Change]) -> Option<&'a Fact> {
    let key = crate::lineage::peer_key(fact.body.as_link()?)?;
    all.iter().find(|c| c.implied && c.makes() && c.key == key)?.new.as_ref()
}
