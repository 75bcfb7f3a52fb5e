//! What a list of changes looks like as a shell script of `ip`, `bridge`, `tc`, `sysctl` and `nft`.
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
mod traffic;
pub(crate) mod xt;

use ropewalk_facts::{Body, Fact, Id, Ns, Snapshot};

use crate::words::Words;
use crate::{Change, apply};
use sh::line;

/// The script that does what `changes` say. `context` is what was found before: it knows the sets
/// that elements go into, and the rules that a rule stands among.
#[must_use]
pub fn render(changes: &[Change], context: &Snapshot) -> String {
    let mut script = Script { out: "#!/bin/sh\nset -e\n".into(), known: context.clone() };
    let mut rest = changes;
    while let Some(change) = rest.first() {
        let batch = rest.iter().take_while(|x| x.implied || in_batch(x, change)).count().max(1);
        let (now, later) = rest.split_at(batch);
        script.write(now, changes);
        rest = later;
    }
    script.out
}

/// True for changes that one run of nft makes together.
fn in_batch(change: &Change, first: &Change) -> bool {
    is_nft(&change.key.id) && is_nft(&first.key.id) && change.key.ns == first.key.ns
}

struct Script {
    out: String,
    /// What there is after the commands so far.
    known: Snapshot,
}

impl Script {
    /// Writes the commands of a batch, or of one change.
    fn write(&mut self, batch: &[Change], all: &[Change]) {
        let asked: Vec<&Change> = batch.iter().filter(|change| !change.implied).collect();
        match asked.first() {
            Some(first) if is_nft(&first.key.id) => {
                push(&mut self.out, &format!("{} <<'EOF'", sh::prefix(&first.key.ns, "nft -f -")));
                let lines = nft::lines(&asked, &self.known);
                lines.iter().for_each(|line| push(&mut self.out, line));
                push(&mut self.out, "EOF");
            }
            Some(first) => {
                commands(first, all).iter().for_each(|line| push(&mut self.out, line));
            }
            None => {}
        }
        apply(batch, &mut self.known);
    }
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

pub(crate) fn is_nft(id: &Id) -> bool {
    match id {
        id if id.is_legacy() => false,
        Id::Table(_) | Id::Set(_) | Id::Chain(_) | Id::NftRule(_) | Id::Element(_) => true,
        Id::Netns(_)
        | Id::Link(_)
        | Id::Member(_)
        | Id::Sysctl(_)
        | Id::Addr(_)
        | Id::Route(_)
        | Id::Rule(_)
        | Id::Neigh(_)
        | Id::Fdb(_)
        | Id::Qdisc(_)
        | Id::Filter(_) => false,
    }
}

/// The commands for one change that is not of nft.
fn commands(change: &Change, all: &[Change]) -> Vec<String> {
    let ns = &change.key.ns;
    let Some(fact) = change.new.as_ref().or(change.old.as_ref()) else { return vec![] };
    let old = change.old.as_ref().map(|old| &old.body);
    match &fact.body {
        _ if change.key.id.is_legacy() => xt::commands(change),
        Body::Netns(name) => {
            let verb = if change.removes() { "del" } else { "add" };
            vec![line(&Ns::HOST, "ip netns", Words::default().say(verb).word(name))]
        }
        Body::Link(link) if change.removes() => {
            if let Some(from) = link.kind.origin() {
                return vec![link::give_back(ns, link, from)];
            }
            vec![line(ns, "ip link", Words::default().say("del dev").word(&link.name))]
        }
        Body::Link(link) => match old.and_then(Body::as_link) {
            Some(was) => link::alter(ns, was, link),
            None => link::make(ns, link, far_end(fact, all)),
        },
        Body::Member(flags) if change.new.is_some() => {
            link::member(ns, flags, old.and_then(Body::as_member))
        }
        Body::Sysctl(x) if change.new.is_some() => {
            let setting = format!("{}={}", x.path, x.value);
            vec![line(ns, "sysctl", Words::default().say("-qw").word(setting))]
        }
        Body::Addr(_) | Body::Route(_) | Body::Rule(_) | Body::Neigh(_) | Body::Fdb(_) => {
            inet::command(change, fact).into_iter().collect()
        }
        Body::Qdisc(x) => vec![traffic::of_qdisc(change, x)],
        Body::Filter(x) => traffic::of_filter(change, x),
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
