//! Queueing disciplines and filters in the words of tc(8).

use ropewalk_facts::{Filter, FilterKey, FilterKind, Qdisc, QdiscKey, QdiscKind};

use super::Words;

/// A queueing discipline with all that is said when it is added.
pub(crate) fn qdisc(x: &Qdisc) -> Words {
    let words = qdisc_key(&x.key);
    match &x.kind {
        QdiscKind::Tbf(tbf) => words
            .say("tbf rate")
            .word(format_args!("{}bps", tbf.rate))
            .opt("burst", Some(tbf.burst))
            .opt("limit", Some(tbf.limit)),
        QdiscKind::Ingress => words,
        QdiscKind::Other(kind) => words.word(kind),
    }
}

/// What tells a queueing discipline from others.
pub(crate) fn qdisc_key(key: &QdiscKey) -> Words {
    Words::default().opt("dev", Some(&key.dev)).say(key.side.name())
}

/// A filter with all that is said when it is added.
pub(crate) fn filter(x: &Filter) -> Words {
    let words = filter_key(&x.key);
    match &x.kind {
        FilterKind::Redirect(to) => words
            .say("u32 match u32 0 0 action mirred egress redirect dev")
            .word(to.as_ref().map_or("none", |to| to.as_str())),
        FilterKind::Other(kind) => words.word(kind),
    }
}

/// What tells a filter from others.
pub(crate) fn filter_key(key: &FilterKey) -> Words {
    Words::default()
        .opt("dev", Some(&key.dev))
        .say("ingress pref")
        .word(key.pref)
        .say("protocol all")
}
