//! Rules of nft and iptables that a fix puts in front, adds, or takes away; policies.
//!
//!     nft insert rule F T C … · nft delete rule F T C handle N · nft chain F T C { policy accept; }
//!     iptables [-t T] -I|-A CHAIN … -j ACCEPT|MASQUERADE|DNAT …
//!
//! A new rule bears a comment, by which an undo finds it.  A rule is taken away only where it can be
//! put back as it was.  Nothing is flushed.

use std::net::{IpAddr, SocketAddr};

use ropewalk_facts::nft::{Base, Chain, ChainKey, Expr, Family, Rule, RuleKey, Table, TableKey};
use ropewalk_facts::{Body, Id, Ns};

use super::rules::{Does, Wish, proto};
use super::words::Words;
use super::{ByHand, NO_WORDS, Read, Work};

/// What the comments of new rules begin with.
const COMMENT: &str = "ropewalk fix";

/// Where a new rule goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Front,
    Back,
}

impl Work {
    /// What nft(8) is told.
    pub(super) fn nft(&mut self, ns: &Ns, words: Words<'_>) -> Read {
        let text = words.rest().join(" ");
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["insert", "rule", family, table, chain, rest @ ..] => {
                self.nft_rule(ns, chain_key(family, table, chain)?, rest, End::Front)
            }
            ["add", "rule", family, table, chain, rest @ ..] => {
                self.nft_rule(ns, chain_key(family, table, chain)?, rest, End::Back)
            }
            ["delete", "rule", family, table, chain, "handle", number] => {
                let tag = format!("#{number}");
                self.remove(ns, RuleKey { chain: chain_key(family, table, chain)?, tag })
            }
            ["chain", family, table, chain, "{", "policy", "accept;", "}"] => {
                self.accept_all(ns, chain_key(family, table, chain)?)
            }
            _ => Err(NO_WORDS),
        }
    }

    /// A rule is looked up by its comment and taken away:
    /// `sh -c 'nft delete rule F T C handle $(… sed -n "/COMMENT/s/…)'`.
    pub(super) fn by_comment(&mut self, ns: &Ns, script: &str) -> Read {
        let words: Vec<&str> = script.split_whitespace().take(7).collect();
        let ["nft", "delete", "rule", family, table, chain, "handle"] = words.as_slice() else {
            return Err(NO_WORDS);
        };
        let comment = script.split_once("\"/").and_then(|(_, rest)| rest.split_once("/s/"));
        let (tag, _) = comment.ok_or(NO_WORDS)?;
        self.remove(ns, RuleKey { chain: chain_key(family, table, chain)?, tag: tag.to_owned() })
    }

    fn nft_rule(&mut self, ns: &Ns, chain: ChainKey, words: &[&str], end: End) -> Read {
        let mut wish = Wish::default();
        let mut left = words;
        while !left.is_empty() {
            left = match left {
                ["ip" | "ip6", "saddr", to, rest @ ..] => {
                    wish.src = Some(net(Some(to))?);
                    rest
                }
                ["ip" | "ip6", "daddr", to, rest @ ..] => {
                    wish.dst = Some(net(Some(to))?);
                    rest
                }
                [kind @ ("tcp" | "udp"), "dport", port, rest @ ..] => {
                    wish.proto = Some(proto(kind)?);
                    wish.dport = Some(port.parse().map_err(|_| NO_WORDS)?);
                    rest
                }
                ["iifname", name, rest @ ..] => {
                    wish.iif = Some((bare(name), false));
                    rest
                }
                ["oifname", name, rest @ ..] => {
                    wish.oif = Some((bare(name), false));
                    rest
                }
                ["counter", rest @ ..] => rest,
                [verdict @ ("accept" | "drop" | "return")] => {
                    wish.does = Some(jump(Some(&verdict.to_uppercase()))?);
                    &[]
                }
                _ => return Err(NO_WORDS),
            };
        }
        self.new_rule(ns, chain, &wish, end)
    }

    /// What iptables(8) is told.
    pub(super) fn iptables(&mut self, ns: &Ns, tool: &str, mut words: Words<'_>) -> Read {
        let mut wish = Wish::default();
        let (mut table, mut place, mut not) = ("filter", None, false);
        while let Some(word) = words.next() {
            let negated = std::mem::take(&mut not);
            match word {
                "!" => not = true,
                "-t" => table = words.next().ok_or(NO_WORDS)?,
                "-I" => place = words.next().map(|chain| (chain, End::Front)),
                "-A" => place = words.next().map(|chain| (chain, End::Back)),
                "-s" if !negated => wish.src = Some(net(words.next())?),
                "-d" if !negated => wish.dst = Some(net(words.next())?),
                "-p" if !negated => wish.proto = Some(proto(words.next().ok_or(NO_WORDS)?)?),
                "--dport" if !negated => wish.dport = Some(words.read()?),
                "-i" => wish.iif = words.next().map(|name| (name.to_owned(), negated)),
                "-o" => wish.oif = words.next().map(|name| (name.to_owned(), negated)),
                "-j" => match words.next() {
                    // Where to stands behind it.
                    Some("DNAT") => {}
                    target => wish.does = Some(jump(target)?),
                },
                "--to-destination" => wish.does = Some(destination(words.next())?),
                "-D" => return Err("a rule of iptables-legacy is not put back as it was"),
                _ => return Err(NO_WORDS),
            }
        }
        let (chain, end) = place.ok_or(NO_WORDS)?;
        let family = match tool {
            "iptables" => Family::Ip,
            "ip6tables" => Family::Ip6,
            "iptables-legacy" => Family::Iptables,
            _ => Family::Ip6tables,
        };
        let chain = TableKey::new(family, table).chain(chain);
        if family.is_legacy() {
            return self.legacy_rule(ns, chain, &wish, end);
        }
        self.builtin(ns, &chain)?;
        self.new_rule(ns, chain, &wish, end)
    }

    /// iptables-nft makes its own tables and chains when the first rule comes.
    fn builtin(&mut self, ns: &Ns, chain: &ChainKey) -> Read {
        if self.now.contains(&Id::Chain(chain.clone()).at(ns.clone())) {
            return Ok(());
        }
        let (kind, hook, priority) = match (chain.table.table.as_str(), chain.chain.as_str()) {
            ("nat", "PREROUTING") => ("nat", 0, -100),
            ("nat", "INPUT") => ("nat", 1, 100),
            ("nat", "OUTPUT") => ("nat", 3, -100),
            ("nat", "POSTROUTING") => ("nat", 4, 100),
            ("filter", "INPUT") => ("filter", 1, 0),
            ("filter", "FORWARD") => ("filter", 2, 0),
            ("filter", "OUTPUT") => ("filter", 3, 0),
            _ => return Err("there is no such chain"),
        };
        let table = Table { key: chain.table.clone(), dormant: false };
        if !self.now.contains(&Id::Table(table.key.clone()).at(ns.clone())) {
            self.ensure(Body::Table(table).at(ns.clone()))?;
        }
        let kind = kind.to_owned();
        let base = Base { kind, hook, priority, drop: false, devs: Vec::new() };
        let chain = Chain { key: chain.clone(), base: Some(base) };
        self.ensure(Body::Chain(chain).at(ns.clone()))
    }

    fn legacy_rule(&mut self, ns: &Ns, chain: ChainKey, wish: &Wish, end: End) -> Read {
        if chain.table.table != "filter" {
            return Err("of iptables-legacy ropewalk changes the table filter alone");
        }
        let exprs = wish.legacy(chain.table.family)?;
        self.rule(ns, chain, exprs, end)
    }

    fn new_rule(&mut self, ns: &Ns, chain: ChainKey, wish: &Wish, end: End) -> Read {
        let exprs = wish.exprs(chain.table.family)?;
        self.rule(ns, chain, exprs, end)
    }

    fn rule(&mut self, ns: &Ns, chain: ChainKey, exprs: Vec<Expr>, end: End) -> Read {
        if !self.now.contains(&Id::Chain(chain.clone()).at(ns.clone())) {
            return Err("there is no such chain");
        }
        let rules = || {
            let all = self.now.of(ns).filter_map(|fact| fact.body.as_nft_rule());
            all.filter(|rule| rule.key.chain == chain)
        };
        let tag = (1..)
            .map(|n| format!("{COMMENT} {n}"))
            .find(|tag| rules().all(|rule| rule.key.tag != *tag))
            .ok_or(NO_WORDS)?;
        let at = match end {
            End::Front => 0,
            End::Back => u32::try_from(rules().count()).map_err(|_| NO_WORDS)?,
        };
        let rule = Rule { key: RuleKey { chain: chain.clone(), tag }, exprs, at: Some(at) };
        self.ensure(Body::NftRule(rule).at(ns.clone()))
    }

    /// Takes a rule away that can be put back.
    fn remove(&mut self, ns: &Ns, key: RuleKey) -> Read {
        if key.chain.table.family.is_legacy() {
            return Err("a rule of iptables-legacy is not put back as it was");
        }
        let id = Id::NftRule(key.clone()).at(ns.clone());
        let found = self.now.fact(&id).and_then(|fact| fact.body.as_nft_rule());
        let rule = found.ok_or("there is no such rule")?;
        let unnamed = |expr: &Expr| {
            let (Expr::Lookup { set, .. } | Expr::Dynset { set, .. }) = expr else { return false };
            let set = Id::Set(key.chain.table.set(set.as_str())).at(ns.clone());
            let found = self.now.fact(&set).map(|fact| &fact.body);
            matches!(found, Some(Body::Set(set)) if set.flags.anonymous)
        };
        if rule.exprs.iter().any(unnamed) {
            return Err("its set has no name, and goes with it for good");
        }
        self.absent(id)
    }

    /// The policy of a chain accepts.
    fn accept_all(&mut self, ns: &Ns, key: ChainKey) -> Read {
        let id = Id::Chain(key).at(ns.clone());
        let found = self.now.fact(&id).and_then(|fact| fact.body.as_chain()).cloned();
        let chain = found.ok_or("there is no such chain")?;
        let base = chain.base.clone().map(|base| Base { drop: false, ..base });
        self.ensure(Body::Chain(Chain { base, ..chain }).at(ns.clone()))
    }
}

fn chain_key(family: &str, table: &str, chain: &str) -> Result<ChainKey, ByHand> {
    use Family::{Arp, Bridge, Inet, Ip, Ip6, Netdev};
    let family = [Inet, Ip, Ip6, Arp, Bridge, Netdev].into_iter().find(|f| f.name() == family);
    Ok(TableKey::new(family.ok_or(NO_WORDS)?, table).chain(chain))
}

fn net(word: Option<&str>) -> Result<ipnet::IpNet, ByHand> {
    let word = word.ok_or(NO_WORDS)?;
    let one = || word.parse::<IpAddr>().ok().map(ipnet::IpNet::from);
    word.parse().ok().or_else(one).ok_or(NO_WORDS)
}

fn bare(name: &str) -> String {
    name.trim_matches('"').to_owned()
}

fn jump(target: Option<&str>) -> Result<Does, ByHand> {
    match target {
        Some("ACCEPT") => Ok(Does::Accept),
        Some("DROP") => Ok(Does::Drop),
        Some("RETURN") => Ok(Does::Return),
        Some("MASQUERADE") => Ok(Does::Masquerade),
        _ => Err(NO_WORDS),
    }
}

fn destination(word: Option<&str>) -> Result<Does, ByHand> {
    let word = word.ok_or(NO_WORDS)?;
    if let Ok(socket) = word.parse::<SocketAddr>() {
        return Ok(Does::To(socket.ip(), Some(socket.port())));
    }
    // An address of IPv6 may stand before its port without brackets.
    if let Ok(ip) = word.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(Does::To(ip, None));
    }
    Err(NO_WORDS)
}
