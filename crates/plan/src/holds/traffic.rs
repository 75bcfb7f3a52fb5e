//! Queueing disciplines and filters: those of others are not replaced.

use ropewalk_facts::{Filter, FilterKind, Qdisc, QdiscKind};

pub(super) fn qdisc_fixed(wish: &Qdisc, found: &Qdisc) -> Option<&'static str> {
    match (&wish.kind, &found.kind) {
        (QdiscKind::Tbf(_), QdiscKind::Tbf(_)) | (QdiscKind::Ingress, QdiscKind::Ingress) => None,
        _ => Some("kind"),
    }
}

pub(super) fn filter_fixed(wish: &Filter, found: &Filter) -> Option<&'static str> {
    match (&wish.kind, &found.kind) {
        (FilterKind::Redirect(_), FilterKind::Redirect(_)) => None,
        _ => Some("kind"),
    }
}
