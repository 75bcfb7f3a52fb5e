//! Queueing disciplines and filters.

use ropewalk_facts::{Filter, Qdisc};

use super::sh::line;
use crate::Change;
use crate::words::{Words, filter, filter_key, qdisc, qdisc_key};

/// The command for a change of a queueing discipline.
pub(super) fn of_qdisc(change: &Change, x: &Qdisc) -> String {
    let (verb, words) = match () {
        () if change.removes() => ("del", qdisc_key(&x.key)),
        () if change.old.is_some() => ("replace", qdisc(x)),
        () => ("add", qdisc(x)),
    };
    line(&change.key.ns, "tc qdisc", Words::default().say(verb).then(words))
}

/// The commands for a change of a filter, which cannot be altered but is made anew.
pub(super) fn of_filter(change: &Change, x: &Filter) -> Vec<String> {
    let say = |verb: &str, words| {
        line(&change.key.ns, "tc filter", Words::default().say(verb).then(words))
    };
    let gone = change.old.iter().map(|_| say("del", filter_key(&x.key)));
    gone.chain(change.new.iter().map(|_| say("add", filter(x)))).collect()
}
