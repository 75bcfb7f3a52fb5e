//! Running chains: rule by rule, expression by expression, jumps and returns as the kernel has them.
//!
//! An unknown match is decided by `assume`, one answer for each in the order they are met; `run`
//! tries both and says whether it mattered.  Kernel: `nft_do_chain`, net/netfilter/nf_tables_core.c.

use std::net::IpAddr;

use ropewalk_facts::IfName;
use ropewalk_facts::nft::{ChainKey, NatKind, Rule, RuleKey, SetKey, Verdict, VerdictCode};
use ropewalk_facts::seen::Tuple;

use super::load::Loaded;
use super::regs::Regs;
use super::ruleset::{Hook, Line};
use crate::packet::Packet;
use crate::world::Node;

/// What rules can see beside the packet.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// The namespace.
    pub node: &'a Node,
    /// The hook.
    pub hook: Hook,
    /// The link it came in by.
    pub iif: Option<&'a IfName>,
    /// The link it leaves by.
    pub oif: Option<&'a IfName>,
    /// The bridges of those, in the bridge family.
    pub bridge_in: Option<&'a IfName>,
    /// See `bridge_in`.
    pub bridge_out: Option<&'a IfName>,
    /// Its connection.
    pub track: Option<&'a Track>,
    /// It was taken out of tracking.
    pub untracked: bool,
    /// The keys that packets before it added to sets.
    pub filled: &'a [(SetKey, Vec<u8>)],
}

/// The connection of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// As the first packet was.
    pub orig: Tuple,
    /// As an answer is expected.
    pub reply_tuple: Tuple,
    /// This packet goes the other way.
    pub reply: bool,
    /// Packets of both directions were seen.
    pub established: bool,
    /// It belongs to another connection, as an error message does.
    pub related: bool,
    /// Its mark.
    pub mark: u32,
}

impl Track {
    /// The source is translated.
    #[must_use]
    pub fn snat(&self) -> bool {
        let plain = self.orig.reversed();
        (self.reply_tuple.dst, self.reply_tuple.dport) != (plain.dst, plain.dport)
    }
    /// The destination is translated.
    #[must_use]
    pub fn dnat(&self) -> bool {
        let plain = self.orig.reversed();
        (self.reply_tuple.src, self.reply_tuple.sport) != (plain.src, plain.sport)
    }
}

/// Who decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The base chain that the packet was shown to.
    pub base: ChainKey,
    /// The chain of the rule.
    pub chain: ChainKey,
    /// The rule; none for the policy.
    pub rule: Option<RuleKey>,
}

/// What is done with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It goes on.
    Accept,
    /// It is dropped.
    Drop,
    /// It is dropped, and the sender is told.
    Reject,
    /// It is handed to a program, which may do anything with it.
    Queue,
}

/// A translation that a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat {
    /// Source or destination.
    pub kind: NatKind,
    /// The new address; none leaves it to the links (masquerade, redirect) or as it is.
    pub addr: Option<IpAddr>,
    /// The new port.
    pub port: Option<u16>,
    /// The address is that of the link.
    pub of_link: bool,
    /// The rule.
    pub who: Who,
}

/// Something that the decision hangs on and that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Where.
    pub who: Who,
    /// What: the name of the expression or match.
    pub what: String,
    /// It is one that lets through so many packets in a time, by its rate per second where known.
    pub limit: Option<Limit>,
}

/// A rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// So many.
    pub rate: u64,
    /// In so many seconds.
    pub seconds: u64,
    /// So many at once.
    pub burst: u32,
    /// It matches what is above.
    pub over: bool,
}

impl Limit {
    /// Less than two in a second, so that one packet after another finds it used up.
    #[must_use]
    pub fn tight(&self) -> bool {
        self.seconds > 0 && self.rate < self.seconds.saturating_mul(2)
    }
}

/// How a run through one chain ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// What is done.
    pub decision: Decision,
    /// By whom.
    pub who: Who,
}

/// What one base chain made of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// A translation that was asked for.
    pub nat: Option<Nat>,
    /// The mark of the packet afterwards.
    pub mark: u32,
    /// Its priority afterwards.
    pub priority: u32,
    /// The mark of its connection afterwards.
    pub ct_mark: Option<u32>,
    /// It was taken out of tracking.
    pub notrack: bool,
    /// The zone of connections that it was put in.
    pub zone: u16,
    /// The keys that it added to sets.
    pub filled: Vec<(SetKey, Vec<u8>)>,
    /// The hops it may still take afterwards.
    pub ttl: u8,
    /// Limits that let next to nothing through, and so were taken to be used up.
    pub limited: Vec<Doubt>,
    /// Unknowns that decided.
    pub doubts: Vec<Doubt>,
    /// There were unknowns, though they did not decide: another rule may have done the same.
    pub open: bool,
}

/// So many ways of answering the unknowns are tried; where there are more, they are said to decide.
const TRIED: usize = 64;

/// Shows `packet` to one base chain. Every way of answering what is not known is tried: an answer may
/// lead to more of it.
#[must_use]
pub fn run(env: &Env<'_>, line: &Line, packet: &Packet) -> Outcome {
    let (mut best, mut met) = once(env, line, packet, &[]);
    let mut differs = false;
    let mut open: Vec<Vec<bool>> = others(&[], met.len());
    let mut tried = 1;
    while let Some(assume) = open.pop() {
        tried += 1;
        if tried > TRIED {
            differs = true;
            break;
        }
        let (other, more) = once(env, line, packet, &assume);
        open.extend(others(&assume, more.len()));
        if !same(&other, &best) {
            differs = true;
            if best.end.decision != Decision::Accept && other.end.decision == Decision::Accept {
                best = other;
            }
        }
        if more.len() > met.len() {
            met = more;
        }
    }
    best.open = !met.is_empty();
    if differs {
        best.doubts.extend(met);
    }
    best
}

/// Of a run that met so many unknowns, those that it took to be false taken to be true, one each.
fn others(assumed: &[bool], met: usize) -> Vec<Vec<bool>> {
    let turn = |at: usize| {
        let mut all = assumed.to_vec();
        all.resize(at, false);
        all.push(true);
        all
    };
    (assumed.len()..met).map(turn).collect()
}

fn same(a: &Outcome, b: &Outcome) -> bool {
    let nat = |o: &Outcome| o.nat.as_ref().map(|n| (n.kind, n.addr, n.port));
    a.end.decision == b.end.decision
        && (a.ttl, a.ct_mark, &a.filled) == (b.ttl, b.ct_mark, &b.filled)
        && nat(a) == nat(b)
        && a.doubts == b.doubts
        && (a.mark, a.priority) == (b.mark, b.priority)
        && (a.notrack, a.zone) == (b.notrack, b.zone)
}

fn once(env: &Env<'_>, line: &Line, packet: &Packet, assume: &[bool]) -> (Outcome, Vec<Doubt>) {
    let mut run = Run {
        env,
        base: line.chain.key.clone(),
        packet: packet.clone(),
        ct_mark: None,
        regs: Regs::default(),
        nat: None,
        notrack: false,
        filled: Vec::new(),
        assume,
        met: Vec::new(),
        lacks: Vec::new(),
        limited: Vec::new(),
        depth: 0,
    };
    let end = match run.chain(&line.chain.key) {
        Fall::Decided(decision, who) => End { decision, who },
        Fall::Through => {
            let drop = line.chain.base.as_ref().is_some_and(|b| b.drop);
            let decision = if drop { Decision::Drop } else { Decision::Accept };
            End { decision, who: run.who(&line.chain.key, None) }
        }
    };
    let outcome = Outcome {
        end,
        nat: run.nat,
        mark: run.packet.mark,
        priority: run.packet.priority,
        ct_mark: run.ct_mark,
        notrack: run.notrack,
        zone: run.packet.zone,
        filled: run.filled,
        ttl: run.packet.ttl,
        limited: run.limited,
        open: false,
        doubts: run.lacks,
    };
    (outcome, run.met)
}

/// How a chain ended.
enum Fall {
    /// No rule decided.
    Through,
    /// One did.
    Decided(Decision, Who),
}

/// What a rule leads to.
pub(super) enum Step {
    /// The next expression.
    Next,
    /// The next rule.
    Break,
    /// A verdict.
    Done(Verdict),
    /// A decision beyond those of verdicts.
    Decide(Decision),
}

pub(super) struct Run<'a> {
    pub(super) env: &'a Env<'a>,
    base: ChainKey,
    pub(super) packet: Packet,
    pub(super) ct_mark: Option<u32>,
    pub(super) regs: Regs,
    pub(super) nat: Option<Nat>,
    pub(super) notrack: bool,
    pub(super) filled: Vec<(SetKey, Vec<u8>)>,
    assume: &'a [bool],
    met: Vec<Doubt>,
    lacks: Vec<Doubt>,
    limited: Vec<Doubt>,
    depth: u32,
}

/// Jumps deeper than this the kernel does not load (`NFT_JUMP_STACK_SIZE`).
const DEEPEST: u32 = 16;

impl Run<'_> {
    pub(super) fn who(&self, chain: &ChainKey, rule: Option<&RuleKey>) -> Who {
        Who { base: self.base.clone(), chain: chain.clone(), rule: rule.cloned() }
    }

    fn chain(&mut self, key: &ChainKey) -> Fall {
        let Some(line) = self.env.node.nft.chains.get(key) else { return Fall::Through };
        self.depth += 1;
        if self.depth > DEEPEST {
            return Fall::Through;
        }
        let fall = self.rules(key, &line.rules);
        self.depth -= 1;
        fall
    }

    fn rules(&mut self, key: &ChainKey, rules: &[Rule]) -> Fall {
        for rule in rules {
            self.regs = Regs::default();
            let verdict = match self.rule(rule) {
                Step::Next | Step::Break => continue,
                Step::Decide(decision) => {
                    return Fall::Decided(decision, self.who(key, Some(&rule.key)));
                }
                Step::Done(verdict) => verdict,
            };
            let to = || verdict.chain.as_ref().map(|chain| key.table.chain(chain.clone()));
            match verdict.code {
                VerdictCode::Accept => {
                    return Fall::Decided(Decision::Accept, self.who(key, Some(&rule.key)));
                }
                VerdictCode::Drop => {
                    return Fall::Decided(Decision::Drop, self.who(key, Some(&rule.key)));
                }
                VerdictCode::Queue | VerdictCode::Other(_) => {
                    self.lacks(rule, "queue");
                    return Fall::Decided(Decision::Queue, self.who(key, Some(&rule.key)));
                }
                VerdictCode::Continue | VerdictCode::Break => {}
                VerdictCode::Return => return Fall::Through,
                VerdictCode::Jump => {
                    if let Some(to) = to()
                        && let decided @ Fall::Decided(..) = self.chain(&to)
                    {
                        return decided;
                    }
                }
                VerdictCode::Goto => return to().map_or(Fall::Through, |to| self.chain(&to)),
            }
        }
        Fall::Through
    }

    fn rule(&mut self, rule: &Rule) -> Step {
        for expr in &rule.exprs {
            match self.expr(rule, expr) {
                Step::Next => {}
                other => return other,
            }
        }
        Step::Next
    }

    /// An unknown match: what is assumed of it.
    pub(super) fn doubt(&mut self, rule: &Rule, what: &str, limit: Option<Limit>) -> bool {
        let who = self.who(&rule.key.chain, Some(&rule.key));
        let assumed = self.assume.get(self.met.len()).copied().unwrap_or(false);
        self.met.push(Doubt { who, what: what.to_owned(), limit });
        assumed
    }

    /// Out of tracking, unless it is tracked already (`nft_notrack_eval`).
    pub(super) fn untrack(&mut self) {
        self.notrack |= self.env.track.is_none();
    }

    /// What a rule does to the packet is not known, whatever follows.
    pub(super) fn lacks(&mut self, rule: &Rule, what: &str) {
        let who = self.who(&rule.key.chain, Some(&rule.key));
        self.lacks.push(Doubt { who, what: what.to_owned(), limit: None });
    }

    /// A limit that lets next to nothing through is taken to be used up; of any other it is not
    /// known, and it is tried both ways.
    pub(super) fn limit(&mut self, rule: &Rule, what: &str, limit: Option<Limit>) -> Step {
        let holds = match limit.filter(Limit::tight) {
            Some(tight) => {
                let who = self.who(&rule.key.chain, Some(&rule.key));
                self.limited.push(Doubt { who, what: what.to_owned(), limit: Some(tight) });
                tight.over
            }
            None => self.doubt(rule, what, limit),
        };
        if holds { Step::Next } else { Step::Break }
    }

    /// Goes on when `holds`, or when that is not known and assumed.
    pub(super) fn when(&mut self, rule: &Rule, holds: Option<bool>, what: &str) -> Step {
        let holds = holds.unwrap_or_else(|| self.doubt(rule, what, None));
        if holds { Step::Next } else { Step::Break }
    }

    pub(super) fn load(
        &mut self,
        dreg: ropewalk_facts::nft::Reg,
        loaded: Loaded,
        len: usize,
    ) -> Step {
        match loaded {
            Loaded::Known(bytes) => self.regs.put(dreg, &bytes),
            Loaded::Unknown => self.regs.forget(dreg, len),
            Loaded::Break => return Step::Break,
        }
        Step::Next
    }
}
