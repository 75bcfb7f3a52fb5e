//! The ruleset of a namespace, arranged for running.

use std::collections::BTreeMap;

use ropewalk_facts::nft::{
    Base, Chain, ChainKey, Element, Expr, Family, Rule, Set, SetKey, Table, TableKey,
};
use ropewalk_facts::{Body, IfName};

/// All of nf_tables in one namespace.
#[derive(Clone, Debug, Default)]
pub struct Ruleset {
    /// The tables.
    pub tables: BTreeMap<TableKey, Table>,
    /// The chains, with their rules in order.
    pub chains: BTreeMap<ChainKey, Line>,
    /// The sets and maps.
    pub sets: BTreeMap<SetKey, Set>,
    /// Their elements.
    pub elements: BTreeMap<SetKey, Vec<Element>>,
    /// The chains of hooks, in the order in which they were made.
    pub made: Vec<ChainKey>,
}

/// A chain and its rules.
#[derive(Clone, Debug)]
pub struct Line {
    /// The chain.
    pub chain: Chain,
    /// Its rules in order.
    pub rules: Vec<Rule>,
}

/// Where packets are shown to chains (`NF_INET_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are those of nft(8)")]
pub enum Hook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
    Ingress,
    Egress,
}

impl Hook {
    /// The word of nft(8).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    fn number(self, family: Family) -> u32 {
        match (family, self) {
            (Family::Netdev, Self::Ingress) => 0,
            (Family::Netdev, Self::Egress) => 1,
            // NF_ARP_IN, NF_ARP_OUT, NF_ARP_FORWARD.
            (Family::Arp | Family::Arptables, Self::Input) => 0,
            (Family::Arp | Family::Arptables, Self::Output) => 1,
            (Family::Arp | Family::Arptables, Self::Forward) => 2,
            (_, Self::Prerouting) => 0,
            (_, Self::Input) => 1,
            (_, Self::Forward) => 2,
            (_, Self::Output) => 3,
            (_, Self::Postrouting) => 4,
            (_, Self::Ingress) => 5,
            (_, Self::Egress) => u32::MAX,
        }
    }
}

/// `family/table/chain`, where tables of iptables-legacy are of the family `legacy`.
#[must_use]
pub fn path(chain: &ChainKey) -> String {
    let family = match chain.table.family {
        family if family.is_legacy() => "legacy",
        family => family.name(),
    };
    format!("{family}/{}/{}", chain.table.table, chain.chain)
}

/// The families that see a packet of IP.
#[must_use]
pub fn families(v6: bool) -> &'static [Family] {
    if v6 {
        &[Family::Ip6, Family::Inet, Family::Ip6tables]
    } else {
        &[Family::Ip, Family::Inet, Family::Iptables]
    }
}

/// The families that see a packet of ARP.
pub(crate) const ARP: &[Family] = &[Family::Arp, Family::Arptables];

/// A place among what hangs in a hook: by priority, and of one priority the last that was made comes
/// first (`nf_hook_entries_grow`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Standing(i32, usize);

/// Where the translation of the destination and of the source sit among all chains of a hook
/// (`NF_IP_PRI_NAT_DST`, `NF_IP_PRI_NAT_SRC`), whatever the priority of a chain of type `nat` is.
const NAT_DST: i32 = -100;
const NAT_SRC: i32 = 100;

impl Ruleset {
    /// Takes over what a fact says; others say nothing.
    pub fn take(&mut self, body: &Body) {
        match body {
            Body::Table(x) => drop(self.tables.insert(x.key.clone(), x.clone())),
            Body::Chain(x) => {
                let line = Line { chain: x.clone(), rules: Vec::new() };
                self.chains.entry(x.key.clone()).or_insert(line).chain = x.clone();
            }
            Body::Set(x) => drop(self.sets.insert(x.key.clone(), x.clone())),
            Body::Element(x) => {
                self.elements.entry(x.key.set.clone()).or_default().push(x.clone());
            }
            Body::NftRule(x) => {
                let bare = Chain { key: x.key.chain.clone(), base: None };
                let line = || Line { chain: bare, rules: Vec::new() };
                self.chains.entry(x.key.chain.clone()).or_insert_with(line).rules.push(x.clone());
            }
            _ => {}
        }
    }

    /// Puts the rules in order.
    pub fn arrange(&mut self) {
        for line in self.chains.values_mut() {
            line.rules.sort_by_key(|rule| rule.at);
        }
    }

    /// The base chains of a hook that a packet of these families is shown to, in order. `dev` is
    /// that of a netdev or ingress chain.
    #[must_use]
    pub fn hooked(&self, families: &[Family], hook: Hook, dev: Option<&IfName>) -> Vec<&Line> {
        let mut all: Vec<(&Line, &Base)> = Vec::new();
        for line in self.chains.values() {
            let Some(base) = &line.chain.base else { continue };
            let family = line.chain.key.table.family;
            let here = dev.is_none_or(|dev| base.devs.contains(dev));
            let hooked = base.hook == hook.number(family);
            if families.contains(&family) && hooked && here && self.awake(line) {
                all.push((line, base));
            }
        }
        // Chains that translate stand together at one place, in the order of their own priorities.
        let core = self.core(families, hook).unwrap_or_default();
        all.sort_by_key(|(line, base)| {
            let own = self.stands(line, base);
            if base.kind == "nat" { (core, base.priority, own) } else { (own, i32::MIN, own) }
        });
        all.into_iter().map(|(line, _)| line).collect()
    }

    /// Where packets of these families are translated at a hook; nowhere without chains that translate.
    /// That is at all hooks at once, with the first of any (`nf_nat_register_fn`).
    pub(crate) fn core(&self, families: &[Family], hook: Hook) -> Option<Standing> {
        let nat = |line: &&Line| line.chain.base.as_ref().is_some_and(|base| base.kind == "nat");
        let seen = |line: &&Line| families.contains(&line.chain.key.table.family);
        let all = self.chains.values().filter(nat).filter(seen).filter(|line| self.awake(line));
        let first = all.map(|line| self.late(line)).max()?;
        let priority = match hook {
            Hook::Postrouting | Hook::Input => NAT_SRC,
            _ => NAT_DST,
        };
        Some(Standing(priority, first))
    }

    /// Where a chain that does not translate stands.
    pub(crate) fn stands(&self, line: &Line, base: &Base) -> Standing {
        Standing(base.priority, self.late(line))
    }

    /// The later it was made, the less.
    fn late(&self, line: &Line) -> usize {
        let made = self.made.iter().rposition(|made| *made == line.chain.key);
        made.map_or(0, |at| usize::MAX - at)
    }

    /// Chains of a dormant table hang in no hook (`nf_tables_table_disable`).
    fn awake(&self, line: &Line) -> bool {
        !self.tables.get(&line.chain.key.table).is_some_and(|table| table.dormant)
    }

    /// True when a rule for packets of IPv6, or of IPv4, asks for connections or translates: only then
    /// are they tracked. A chain of type `nat` alone does nothing (`nf_ct_netns_get`).
    #[must_use]
    pub fn tracks(&self, v6: bool) -> bool {
        let seen = self.chains.iter().filter(|(key, _)| families(v6).contains(&key.table.family));
        seen.flat_map(|(_, line)| &line.rules).any(|rule| rule.exprs.iter().any(|e| asks(e, v6)))
    }
}

/// Loading it switches the tracking of connections on.
fn asks(expr: &Expr, v6: bool) -> bool {
    match expr {
        Expr::Ct { .. }
        | Expr::CtSet { .. }
        | Expr::Masq { .. }
        | Expr::Redir { .. }
        | Expr::Connlimit { .. } => true,
        // That of its own family, wherever it stands.
        Expr::Nat { family, .. } => *family != if v6 { Family::Ip } else { Family::Ip6 },
        Expr::Dynset { with, .. } => with.as_deref().is_some_and(|e| asks(e, v6)),
        Expr::Opaque { name, .. } => {
            matches!(
                name.as_str(),
                "nat" | "masq" | "redir" | "ct" | "connlimit" | "synproxy" | "flow_offload"
            )
        }
        Expr::Xt { name, .. } => matches!(
            name.as_str(),
            "conntrack"
                | "state"
                | "connmark"
                | "connlimit"
                | "connbytes"
                | "connlabel"
                | "helper"
                | "cluster"
                | "CONNMARK"
                | "CT"
                | "MASQUERADE"
                | "SNAT"
                | "DNAT"
                | "REDIRECT"
                | "NETMAP"
                | "SYNPROXY"
        ),
        _ => false,
    }
}
