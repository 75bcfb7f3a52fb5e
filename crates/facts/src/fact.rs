//! Facts: what is said of an object.

use serde::{Deserialize, Serialize};

use crate::addr::Addr;
use crate::key::{Id, Key};
use crate::link::{Link, MemberFlags};
use crate::name::Ns;
use crate::neigh::{Fdb, Neigh};
use crate::nft;
use crate::route::Route;
use crate::rule::Rule;
use crate::sysctl::Sysctl;
use crate::traffic::{Filter, Qdisc};

/// One statement about one object of one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The namespace.
    #[serde(default, skip_serializing_if = "Ns::is_host")]
    pub ns: Ns,
    /// What is said.
    #[serde(flatten)]
    pub body: Body,
}

/// What is said, by kind of object. See [`Id`] for what each is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each variant is documented at its type")]
pub enum Body {
    Netns(String),
    Link(Link),
    Member(MemberFlags),
    Sysctl(Sysctl),
    Addr(Addr),
    Route(Route),
    Rule(Rule),
    Neigh(Neigh),
    Fdb(Fdb),
    Qdisc(Qdisc),
    Filter(Filter),
    Table(nft::Table),
    Set(nft::Set),
    Chain(nft::Chain),
    NftRule(nft::Rule),
    Element(nft::Element),
}

impl Body {
    /// Which object this speaks of.
    #[must_use]
    pub fn id(&self) -> Id {
        match self {
            Self::Netns(name) => Id::Netns(name.clone()),
            Self::Link(x) => Id::Link(x.name.clone()),
            Self::Member(x) => Id::Member(x.dev.clone()),
            Self::Sysctl(x) => Id::Sysctl(x.path.clone()),
            Self::Addr(x) => Id::Addr(x.key.clone()),
            Self::Route(x) => Id::Route(x.key.clone()),
            Self::Rule(x) => Id::Rule(x.clone()),
            Self::Neigh(x) => Id::Neigh(x.key.clone()),
            Self::Fdb(x) => Id::Fdb(x.key.clone()),
            Self::Qdisc(x) => Id::Qdisc(x.key.clone()),
            Self::Filter(x) => Id::Filter(x.key.clone()),
            Self::Table(x) => Id::Table(x.key.clone()),
            Self::Set(x) => Id::Set(x.key.clone()),
            Self::Chain(x) => Id::Chain(x.key.clone()),
            Self::NftRule(x) => Id::NftRule(x.key.clone()),
            Self::Element(x) => Id::Element(x.key.clone()),
        }
    }

    /// This statement about `ns`.
    #[must_use]
    pub fn at(self, ns: Ns) -> Fact {
        Fact { ns, body: self }
    }
}

impl Fact {
    /// Which object this speaks of.
    #[must_use]
    pub fn key(&self) -> Key {
        self.body.id().at(self.ns.clone())
    }

    /// True for what the kernel makes by itself: it is read, never stated, never diffed.
    #[must_use]
    pub fn derived(&self) -> bool {
        match &self.body {
            Body::Addr(x) => x.derived,
            Body::Route(x) => x.derived,
            Body::Neigh(x) => x.derived,
            Body::Fdb(x) => x.derived,
            Body::Element(x) => x.derived,
            Body::Rule(x) => x.derived(),
            Body::Netns(_)
            | Body::Link(_)
            | Body::Member(_)
            | Body::Sysctl(_)
            | Body::Qdisc(_)
            | Body::Filter(_)
            | Body::Table(_)
            | Body::Set(_)
            | Body::Chain(_)
            | Body::NftRule(_) => false,
        }
    }
}
