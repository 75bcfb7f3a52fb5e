//! What iptables-restore is told, so that chains are as they shall be.
//!
//!     *nat
//!     :CNI-DN-5e8f… - [0:0]                       a chain of a container is written anew, whole
//!     -A CNI-DN-5e8f… -p tcp --dport 8080 -j DNAT --to-destination 10.22.0.5:80
//!     -A CNI-HOSTPORT-DNAT … -j CNI-DN-5e8f…      the chains of many get what they lack
//!     COMMIT

use ropewalk_facts::nft::TableKey;
use ropewalk_facts::{Ns, Snapshot};
use ropewalk_spec::{Chains, Line, Own};

use super::found::{belongs, rules, tables};

/// The text for `iptables-restore --noflush` or `ip6tables-restore --noflush`; empty where nothing is
/// missing. `legacy`: the program writes tables of its own and not those of nf_tables.
#[must_use]
pub fn script(chains: &Chains, found: &Snapshot, legacy: bool) -> String {
    let [nft, own_kind] = tables(chains.v6, &chains.table);
    let table = if legacy { own_kind } else { nft };
    let there = There { found, table: &table };
    let common = chains.common.iter().filter(|name| !there.has(name));
    let mut words: Vec<String> = common.map(|name| declared(name)).collect();
    if let Some(own) = chains.own.as_ref().filter(|own| !there.whole(own)) {
        words.push(declared(&own.chain));
        words.extend(own.rules.iter().map(|rule| format!("-A {} {rule}", own.chain)));
    }
    words.extend(chains.lines.iter().filter(|line| there.lacks(line, chains)).map(added));
    match words.is_empty() {
        true => String::new(),
        false => format!("*{}\n{}\nCOMMIT\n", chains.table, words.join("\n")),
    }
}

fn declared(chain: &str) -> String {
    format!(":{chain} - [0:0]")
}

fn added(line: &Line) -> String {
    match line.first {
        true => format!("-I {} 1 {}", line.chain, line.rule),
        false => format!("-A {} {}", line.chain, line.rule),
    }
}

/// What there is of a table.
struct There<'a> {
    found: &'a Snapshot,
    table: &'a TableKey,
}

impl There<'_> {
    fn has(&self, chain: &str) -> bool {
        let mut all = self.found.of(&Ns::HOST).filter_map(|fact| fact.body.as_chain());
        all.any(|found| found.key.table == *self.table && found.key.chain == chain)
    }

    fn whole(&self, own: &Own) -> bool {
        let rules = rules(self.found, self.table);
        let inside = rules.iter().filter(|rule| rule.key.chain.chain == own.chain).count();
        self.has(&own.chain) && inside == own.rules.len()
    }

    /// True when fewer rules bear the line's sign than shall.
    fn lacks(&self, line: &Line, chains: &Chains) -> bool {
        let like = |other: &&Line| other.chain == line.chain && other.sign == line.sign;
        let wanted = chains.lines.iter().filter(like).count();
        let rules = rules(self.found, self.table);
        let in_chain = rules.iter().filter(|rule| rule.key.chain.chain == line.chain);
        in_chain.filter(|rule| belongs(rule, &line.sign)).count() < wanted
    }
}

/// A word as iptables-restore reads it.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=!+%@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}
