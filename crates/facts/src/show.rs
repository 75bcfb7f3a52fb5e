//! Keys in the spelling of ip(8) and nft(8).
//!
//!     address 10.9.0.2/24 dev eth0 in netns:red · route default table 100 · element inet ropewalk masq4 0a090002

use std::fmt::{Display, Formatter, Result};

use crate::addr::AddrKey;
use crate::key::{Id, Key};
use crate::neigh::{FdbKey, NeighKey};
use crate::nft::{ChainKey, ElementKey, SetKey, TableKey};
use crate::route::{RouteKey, table};
use crate::rule::{Rule, RuleAction};
use crate::traffic::{FilterKey, QdiscKey};

impl Display for Key {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        Display::fmt(&self.id, f)?;
        if self.ns.is_host() { Ok(()) } else { write!(f, " in {}", self.ns) }
    }
}

impl Display for Id {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Netns(name) => write!(f, "netns {name}"),
            Self::Link(name) => write!(f, "link {name}"),
            Self::Member(dev) => write!(f, "member {dev}"),
            Self::Sysctl(path) => write!(f, "{path}"),
            Self::Addr(key) => write!(f, "address {key}"),
            Self::Route(key) => write!(f, "route {key}"),
            Self::Rule(rule) => write!(f, "rule {rule}"),
            Self::Neigh(key) => write!(f, "neigh {key}"),
            Self::Fdb(key) => write!(f, "fdb {key}"),
            Self::Qdisc(key) => write!(f, "qdisc {key}"),
            Self::Filter(key) => write!(f, "filter {key}"),
            Self::Table(key) => write!(f, "table {key}"),
            Self::Set(key) => write!(f, "set {key}"),
            Self::Chain(key) => write!(f, "chain {key}"),
            Self::NftRule(key) => write!(f, "rule {} {:?}", key.chain, key.tag),
            Self::Element(key) => write!(f, "element {key}"),
        }
    }
}

impl Display for AddrKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} dev {}", self.net, self.dev)
    }
}

impl Display for RouteKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.dst.prefix_len() {
            0 if self.dst.addr().is_ipv6() => f.write_str("::/0")?,
            0 => f.write_str("default")?,
            _ => write!(f, "{}", self.dst)?,
        }
        let v6_default = self.dst.addr().is_ipv6() && *self == Self::new(self.table, self.dst, 0);
        if self.metric != 0 && !v6_default {
            write!(f, " metric {}", self.metric)?;
        }
        if self.table == table::MAIN { Ok(()) } else { write!(f, " table {}", self.table) }
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.v6 {
            f.write_str("v6 ")?;
        }
        if self.not {
            f.write_str("not ")?;
        }
        match self.from {
            Some(net) => write!(f, "from {net}")?,
            None => f.write_str("from all")?,
        }
        if let Some(net) = self.to {
            write!(f, " to {net}")?;
        }
        if let Some(dev) = &self.iif {
            write!(f, " iif {dev}")?;
        }
        if let Some(dev) = &self.oif {
            write!(f, " oif {dev}")?;
        }
        match self.mark {
            Some((mark, u32::MAX)) => write!(f, " fwmark {mark:#x}")?,
            Some((mark, mask)) => write!(f, " fwmark {mark:#x}/{mask:#x}")?,
            None => {}
        }
        write!(f, " pref {} {}", self.priority, self.action)?;
        match self.suppress {
            Some(len) => write!(f, " suppress_prefixlength {len}"),
            None => Ok(()),
        }
    }
}

impl Display for RuleAction {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Lookup(254) => f.write_str("lookup main"),
            Self::Lookup(table) => write!(f, "lookup {table}"),
            Self::Blackhole => f.write_str("blackhole"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Prohibit => f.write_str("prohibit"),
            Self::Other(action) => write!(f, "action {action}"),
        }
    }
}

impl Display for NeighKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let proxy = if self.proxy { "proxy " } else { "" };
        write!(f, "{proxy}{} dev {}", self.ip, self.dev)
    }
}

impl Display for FdbKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} dev {} {}", self.mac, self.dev, if self.own { "self" } else { "master" })?;
        if let Some(dst) = self.dst {
            write!(f, " dst {dst}")?;
        }
        self.vlan.map_or(Ok(()), |vlan| write!(f, " vlan {vlan}"))
    }
}

impl Display for QdiscKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} dev {}", self.side.name(), self.dev)
    }
}

impl Display for FilterKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "pref {} dev {}", self.pref, self.dev)
    }
}

impl Display for TableKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {}", self.family.name(), self.table)
    }
}

impl Display for SetKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {}", self.table, self.set)
    }
}

impl Display for ChainKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {}", self.table, self.chain)
    }
}

impl Display for ElementKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {}", self.set, self.key)?;
        self.end.as_ref().map_or(Ok(()), |end| write!(f, "-{end}"))
    }
}
