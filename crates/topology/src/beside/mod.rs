//! Living beside others: what their rules would drop of ropewalk's traffic is let through, in a
//! place that they have for such things.
//!
//!     iptables -N ROPEWALK
//!     iptables -A ROPEWALK -i rw+ -o docker+ -j RETURN     what Docker's networks let in is Docker's
//!     iptables -A ROPEWALK -i rw+ -o br-+ -j RETURN
//!     iptables -A ROPEWALK -i rw+ -j ACCEPT
//!     iptables -A ROPEWALK -o rw+ -j ACCEPT                who gets in, `inet ropewalk` says
//!     iptables -A FORWARD -j ROPEWALK                      after the words of others, before the drop
//!
//! An accept in one chain of a hook lets nothing through that another chain drops, so ropewalk's
//! own table cannot do it, and what its own table drops stays dropped.  Never here: reading.

mod chains;
mod engines;
mod look;
mod nft;
#[cfg(test)]
mod tests;

use ropewalk_facts::nft::{Expr, Family, TableKey};
use ropewalk_facts::{Body, Id, IfName, Key, Ns};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::{Mode, Network, Reach};

use crate::wiring::HostFacts;

pub use engines::others_forward;
pub use look::{is_iptables, look};

/// The chain that holds what ropewalk's links are let through by.
pub const CHAIN: &str = "ROPEWALK";
/// The comment of the rule that leads there.
const JUMP: &str = "made by ropewalk";
/// What the names of ropewalk's links begin with.
const LINKS: &str = "rw";
/// What the names of Docker's bridges begin with.
const DOCKERS: [&str; 2] = ["docker", "br-"];

/// What the rules of others mean for ropewalk's traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Where it would be dropped, and has to be let through.
    pub openings: Vec<Opening>,
    /// Where it is dropped, and nobody but the owner of the rules can change that.
    pub closed: Vec<Closed>,
}

/// A place in somebody's rules where ropewalk's traffic is to be let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The table.
    pub table: TableKey,
    /// The chain from which [`CHAIN`] is jumped to.
    pub chain: String,
    /// The place of the jump; none where it is already, and is reached.
    pub at: Option<u32>,
}

/// A chain that drops ropewalk's traffic, and has no place for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The table.
    pub table: TableKey,
    /// The chain at the hook.
    pub chain: String,
}

impl Closed {
    /// What its owner can do about it.
    #[must_use]
    pub fn way_out(&self) -> String {
        if self.table.table == FIREWALLD {
            let bind = format!("--permanent --zone=trusted --add-interface={LINKS}+");
            return format!("firewall-cmd {bind}; firewall-cmd --reload");
        }
        let (table, chain) = (&self.table, &self.chain);
        let rule = |name| format!("nft insert rule {table} {chain} {name} \"{LINKS}*\" accept");
        format!("{}; {}", rule("iifname"), rule("oifname"))
    }
}

/// firewalld's table.
const FIREWALLD: &str = "firewalld";

/// What `network` needs of `openings`.
///
/// # Errors
/// None: each opening is in a table of its own.
pub fn answer(
    network: &Network,
    openings: &[Opening],
    host: &HostFacts,
) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    let concerns = |opening: &&Opening| concerns(network, opening.table.family, host);
    for opening in openings.iter().filter(concerns) {
        for body in nft::facts(opening, &lets(network, host.uplink.as_ref())) {
            plan.ensure(&Ns::HOST, body)?;
        }
    }
    Ok(plan)
}

/// True when packets of the family pass the forward hook. Those that stay on their bridge do so
/// under `bridge-nf-call-iptables` alone; on one without subnets they may be of any family.
fn concerns(network: &Network, family: Family, host: &HostFacts) -> bool {
    let v6 = matches!(family, Family::Ip6 | Family::Ip6tables);
    let has = if v6 { network.has_v6() } else { network.has_v4() };
    if let Mode::Bridge { reach, .. } = &network.mode {
        let stays = matches!(reach, Reach::Internal | Reach::L2);
        return (has || network.subnets.is_empty()) && (!stays || host.bridge_netfilter);
    }
    if matches!(network.mode, Mode::Uplink { .. }) {
        return (has || network.subnets.is_empty()) && host.bridge_netfilter;
    }
    // Who asked for it is not known by family.
    if matches!(network.mode, Mode::Cni { .. }) {
        return true;
    }
    has && matches!(network.mode, Mode::Routed(_) | Mode::Flat { .. } | Mode::Vxlan(_))
}

/// A rule of the chain: what comes by a link, leaves by one, or both, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Let {
    tag: String,
    from: Option<Pattern>,
    to: Option<Pattern>,
    accept: bool,
    /// Only what belongs to a connection that was let in, or goes to a published port.
    answers: bool,
    /// Its place, for what stands before or behind others.
    at: Option<u32>,
}

impl Let {
    fn new(tag: String, from: Option<Pattern>, to: Option<Pattern>, accept: bool) -> Self {
        Self { tag, from, to, accept, answers: false, at: None }
    }

    /// What leaves by `to` as an answer, or to a published port.
    fn answers(to: Option<Pattern>, name: &str) -> Self {
        Self { answers: true, ..Self::new(format!("answers to {name}"), None, to, true) }
    }
}

/// One link, or all whose name begins so.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Link(IfName),
    Begins(&'static str),
    /// All whose name does not.
    Else(&'static str),
}

/// The rules of the chain. What others own comes first, bridges that were there before last.
fn lets(network: &Network, uplink: Option<&IfName>) -> Vec<Let> {
    let ours = || Some(Pattern::Begins(LINKS));
    let link = |name: &IfName| Some(Pattern::Link(name.clone()));
    let mut all = Vec::new();
    if let Some(uplink) = uplink.filter(|name| like_docker(name)) {
        all.push(Let::new(format!("to {uplink}"), ours(), link(uplink), true));
    }
    // A bridge of ours that the host itself is on a LAN by: who is there is not ours.
    if let Some(uplink) = uplink.filter(|name| name.as_str().starts_with(LINKS)) {
        let others = || Some(Pattern::Else(LINKS));
        all.push(Let::new(format!("from {uplink}"), link(uplink), others(), false));
        all.push(Let::new(format!("to {uplink}"), others(), link(uplink), false));
    }
    for name in DOCKERS {
        all.push(Let::new(format!("to {name}*"), ours(), Some(Pattern::Begins(name)), false));
    }
    all.push(Let::new("from ropewalk".into(), ours(), None, true));
    all.push(Let::new("to ropewalk".into(), None, ours(), true));
    (0..).zip(&mut all).for_each(|(at, one)| one.at = Some(at));
    if let Mode::Bridge { bridge: Some(bridge), .. } | Mode::Cni { bridge: Some(bridge) } =
        &network.mode
        && !bridge.as_str().starts_with(LINKS)
        && !like_docker(bridge)
    {
        all.push(Let::new(format!("from {bridge}"), link(bridge), None, true));
        // What is new from outside is the host's decision, as it is with the reference plugins.
        all.push(match matches!(network.mode, Mode::Cni { .. }) {
            true => Let::answers(link(bridge), bridge.as_str()),
            false => Let::new(format!("to {bridge}"), None, link(bridge), true),
        });
    }
    // A member of a bridge is not what a packet comes by: these are pairs of their own.
    if let Mode::Cni { bridge: None } = &network.mode {
        let pairs = || Some(Pattern::Begins("veth"));
        all.push(Let::new("from veth".into(), pairs(), None, true));
        all.push(Let::answers(pairs(), "veth"));
    }
    all
}

/// True for a link that is named as Docker names its bridges.
fn like_docker(name: &IfName) -> bool {
    DOCKERS.iter().any(|begin| name.as_str().starts_with(begin))
}

/// True for what [`answer`] states.
#[must_use]
pub fn is_answer(key: &Key) -> bool {
    if let Id::Chain(chain) = &key.id {
        return is_iptables(&chain.table) && chain.chain == CHAIN;
    }
    if let Id::NftRule(rule) = &key.id {
        let inside = rule.chain.chain == CHAIN || rule.tag == JUMP;
        return is_iptables(&rule.chain.table) && inside;
    }
    false
}

/// The chain that has the jump `body`, if it is one of an answer.
#[must_use]
pub fn jump(body: &Body) -> Option<String> {
    let rule = body.as_nft_rule().filter(|rule| rule.key.tag == JUMP)?;
    let leads = rule.exprs.iter().any(
        |expr| matches!(expr, Expr::Verdict(verdict) if verdict.chain.as_deref() == Some(CHAIN)),
    );
    (leads && is_iptables(&rule.key.chain.table)).then(|| rule.key.chain.to_string())
}

/// The place of an answer among those that have to go: what leads to another goes before it.
/// None for what is none.
#[must_use]
pub fn leaving(body: &Body) -> Option<u8> {
    let key = body.id().at(Ns::HOST);
    if !is_answer(&key) {
        return None;
    }
    match body.as_nft_rule() {
        None => Some(2),
        Some(rule) if rule.key.chain.chain == CHAIN => Some(1),
        // Somebody else may have given a rule the same comment.
        Some(_) => jump(body).map(|_| 0),
    }
}
