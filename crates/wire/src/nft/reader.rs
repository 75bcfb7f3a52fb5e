//! Messages to facts: collects what comes in several messages.

use std::collections::{BTreeMap, BTreeSet};

use ropewalk_facts::Body;
use ropewalk_facts::nft::SetKey;

use super::consts::*;
use super::element::{self, Raw};
use super::frame::Frame;
use super::ruleset::Ruleset;
use super::{chain, rule, set};
use crate::nl::Message;

/// Takes messages in the order in which they come, and gives the facts when all are there.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    facts: Vec<Body>,
    ruleset: Ruleset,
    dynamic: BTreeSet<SetKey>,
    raws: BTreeMap<SetKey, Vec<Raw>>,
}

impl Reader {
    /// Knows no sets yet: those of elements must be read too.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows the sets of `ruleset`, so that their elements can be read alone.
    #[must_use]
    pub fn with(ruleset: &Ruleset) -> Self {
        let mut reader = Self::new();
        ruleset.sets().for_each(|set| reader.ruleset.learn_set(set.clone()));
        reader
    }

    /// Takes a message. What is not of nf_tables, or of families that have no name, says nothing.
    pub fn take(&mut self, message: &Message<'_>) {
        if let Some(frame) = Frame::of(message) {
            self.frame(&frame);
        }
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Option<()> {
        match frame.kind {
            NFT_MSG_NEWTABLE => self.facts.push(Body::Table(chain::table(frame)?)),
            NFT_MSG_NEWCHAIN => self.facts.push(Body::Chain(chain::chain(frame)?)),
            NFT_MSG_NEWSET => {
                let (set, dynamic) = set::set(frame)?;
                if dynamic {
                    self.dynamic.insert(set.key.clone());
                }
                self.ruleset.learn_set(set.clone());
                self.facts.push(Body::Set(set));
            }
            NFT_MSG_NEWRULE => {
                let (mut rule, handle) = rule::rule(frame, |c, tag| self.ruleset.names(c, tag))?;
                rule.at = u32::try_from(self.ruleset.rules(&rule.key.chain)).ok();
                self.ruleset.append(&rule.key, handle);
                self.facts.push(Body::NftRule(rule));
            }
            NFT_MSG_NEWSETELEM => {
                let (set, raws) = element::raw(frame)?;
                self.raws.entry(set).or_default().extend(raws);
            }
            _ => {}
        }
        Some(())
    }

    /// The sets that were read so far.
    pub fn sets(&self) -> impl Iterator<Item = &SetKey> {
        self.facts.iter().filter_map(|body| body.as_set().map(|set| &set.key))
    }

    /// The facts, elements last, and what is needed to write requests about them. Elements of a
    /// set that is not known are left out.
    #[must_use]
    pub fn done(self) -> (Vec<Body>, Ruleset) {
        let Self { mut facts, ruleset, dynamic, raws } = self;
        for (key, raws) in raws {
            if let Some(set) = ruleset.set(&key) {
                let all = element::elements(set, dynamic.contains(&key), raws);
                facts.extend(all.into_iter().map(Body::Element));
            }
        }
        (facts, ruleset)
    }
}
