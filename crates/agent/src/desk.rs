//! What the agent's parts tell each other, on one thread: figures, and that somebody wants a look now.
//!
//!     host, cluster ─ figures ─▶ desk ─▶ door ─▶ GET /metrics
//!     POST /sync ─▶ door ─▶ desk ─▶ host, cluster: look now, and say when it was done
//!
//! Never here: what is looked at, sockets.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;

use ropewalk_engine::Written;

use crate::said::Said;

/// Between the parts.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// How often a look was asked for.
    asked: Cell<u64>,
    /// The last of them that was done on the host, and in the cluster.
    pub(crate) host_done: Cell<u64>,
    pub(crate) cluster_done: Cell<u64>,
    /// How often the kernel has told of something.
    stirred: Cell<u64>,
    /// Whether the kernel may lead to other hosts as the store says, which is not written down yet: what a
    /// look would put right is not wrong.
    pub(crate) written: Cell<Written>,
    figures: RefCell<Figures>,
}

/// What has happened since the start.
#[derive(Debug, Default)]
struct Figures {
    repaired: BTreeMap<String, u64>,
    cleared: u64,
    refused: u64,
    looks: u64,
    cluster: Option<Cluster>,
}

/// How it goes in the cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    /// Whether the store answers.
    pub(crate) store: bool,
    /// Whether the host is a member.
    pub(crate) member: bool,
    /// The store's revision that the kernel is as of.
    pub(crate) revision: u64,
    /// When something was heard last: seconds since 1970.
    pub(crate) heard: u64,
    /// How long it took from there to the kernel, in seconds.
    pub(crate) took: f64,
    /// Hosts that are known.
    pub(crate) hosts: usize,
    /// Networks that are made here.
    pub(crate) networks: usize,
    /// Blocks that are this host's.
    pub(crate) blocks: usize,
    /// What a person should know.
    pub(crate) alarms: usize,
}

impl Desk {
    /// Asks for a look; what is done from that number on has seen it.
    pub(crate) fn ask(&self) -> u64 {
        self.asked.set(self.asked.get() + 1);
        self.asked.get()
    }

    /// The number of the last look that was asked for.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.get()
    }

    /// Whether that look is over.
    pub(crate) fn done(&self, number: u64) -> bool {
        self.host_done.get() >= number && self.cluster_done.get() >= number
    }

    /// The kernel has told of something.
    pub(crate) fn stir(&self) {
        self.stirred.set(self.stirred.get() + 1);
    }

    /// How often it has.
    pub(crate) fn stirred(&self) -> u64 {
        self.stirred.get()
    }

    /// Counts what was said.
    pub(crate) fn hear(&self, said: &Said) {
        let mut figures = self.figures.borrow_mut();
        match said {
            Said::Repaired { object, .. } => {
                let kind = object.split_whitespace().next().unwrap_or_default();
                *figures.repaired.entry(kind.to_owned()).or_default() += 1;
            }
            Said::Cleared { .. } => figures.cleared += 1,
            Said::Refused { .. } => figures.refused += 1,
            Said::Ready { .. } | Said::Cluster { .. } | Said::Strife { .. } | Said::Stopped => {}
        }
    }

    /// Counts a look at everything.
    pub(crate) fn looked(&self) {
        self.figures.borrow_mut().looks += 1;
    }

    /// How many things were put right since the start.
    pub(crate) fn repaired(&self) -> u64 {
        self.figures.borrow().repaired.values().sum()
    }

    /// Takes note of how it goes in the cluster; none when the host is in none.
    pub(crate) fn note(&self, cluster: Option<Cluster>) {
        self.figures.borrow_mut().cluster = cluster;
    }

    /// All figures, in the text format of Prometheus.
    pub(crate) fn metrics(&self) -> String {
        let figures = self.figures.borrow();
        let mut page = Page(String::new());
        let kinds = figures.repaired.iter();
        let kinds = kinds.map(|(kind, count)| (format!("{{kind=\"{kind}\"}}"), number(*count)));
        page.head(
            "repaired_total",
            "counter",
            "Objects that were not as they were made, put right.",
        );
        kinds.for_each(|(labels, value)| page.value("repaired_total", &labels, value));
        page.counter("cleared_total", "What died and was cleared away.", figures.cleared);
        page.counter("refused_total", "What could not be done.", figures.refused);
        page.counter("looks_total", "Looks at everything.", figures.looks);
        if let Some(cluster) = &figures.cluster {
            page.cluster(cluster);
        }
        page.0
    }
}

/// A page of figures, in the text format of Prometheus.
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a text does not fail.
        let _told =
            writeln!(self.0, "# HELP ropewalk_{name} {help}\n# TYPE ropewalk_{name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &str, value: f64) {
        let _told = writeln!(self.0, "ropewalk_{name}{labels} {value}");
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) {
        self.head(name, "counter", help);
        self.value(name, "", number(count));
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, "gauge", help);
        self.value(name, "", value);
    }

    fn cluster(&mut self, cluster: &Cluster) {
        let flag = |is: bool| f64::from(u8::from(is));
        let count = |n: usize| number(u64::try_from(n).unwrap_or(u64::MAX));
        for (name, help, value) in [
            ("store_up", "Whether the cluster's store answers.", flag(cluster.store)),
            ("cluster_member", "Whether this host is a member.", flag(cluster.member)),
            (
                "cluster_revision",
                "The store's revision that this host is as of.",
                number(cluster.revision),
            ),
            (
                "cluster_heard_timestamp_seconds",
                "When the store was heard last.",
                number(cluster.heard),
            ),
            (
                "cluster_convergence_seconds",
                "From hearing it to the kernel, the last time.",
                cluster.took,
            ),
            ("cluster_hosts", "Hosts of the cluster.", count(cluster.hosts)),
            (
                "cluster_networks",
                "Networks of the cluster that are made here.",
                count(cluster.networks),
            ),
            ("cluster_blocks", "Blocks of addresses that this host owns.", count(cluster.blocks)),
            ("cluster_alarms", "What a person should know.", count(cluster.alarms)),
        ] {
            self.gauge(name, help, value);
        }
    }
}

/// As Prometheus counts.
#[expect(clippy::cast_precision_loss, reason = "figures are shown, not reckoned with")]
fn number(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_and_a_look_is_done_when_both_have_looked() {
        let desk = Desk::default();
        let repaired = Said::Repaired {
            owner: "network web".into(),
            object: "route 10.9.0.0/24".into(),
            wanted: String::new(),
            found: String::new(),
            why: String::new(),
            ms: 1,
        };
        desk.hear(&repaired);
        desk.hear(&repaired);
        let text = desk.metrics();
        assert!(text.contains("ropewalk_repaired_total{kind=\"route\"} 2\n"), "{text}");
        assert!(!text.contains("store_up"), "{text}");
        desk.note(Some(Cluster { store: true, took: 0.25, ..Cluster::default() }));
        assert!(desk.metrics().contains("ropewalk_store_up 1\n"));
        assert!(desk.metrics().contains("ropewalk_cluster_convergence_seconds 0.25\n"));
        let number = desk.ask();
        desk.host_done.set(number);
        assert!(!desk.done(number));
        desk.cluster_done.set(number);
        assert!(desk.done(number));
    }
}
