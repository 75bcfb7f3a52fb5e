//! Steps and plans: ordered statements, at most one for each object.

use std::collections::BTreeSet;

use ropewalk_facts::{Body, Fact, Key, Ns};
use serde::{Deserialize, Serialize};

/// One statement about one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The object is made here and belongs to this plan: it must not be there before.
    Create(Fact),
    /// The object shall be as stated, whoever made it.
    Ensure(Fact),
    /// The object shall not be there.
    Absent(Key),
}

impl Step {
    /// Which object it is about.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Create(fact) | Self::Ensure(fact) => fact.key(),
            Self::Absent(key) => key.clone(),
        }
    }
}

/// A second statement about one object was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan already says something about {0:?}")]
pub struct Duplicate(pub Box<Key>);

/// An ordered list of steps, one for each object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Step>", into = "Vec<Step>")]
pub struct Plan {
    steps: Vec<Step>,
    keys: BTreeSet<Key>,
}

impl Plan {
    /// A plan without steps.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a step at the end.
    ///
    /// # Errors
    /// [`Duplicate`] when the plan already speaks of the object.
    pub fn push(&mut self, step: Step) -> Result<(), Duplicate> {
        let key = step.key();
        if !self.keys.insert(key.clone()) {
            return Err(Duplicate(Box::new(key)));
        }
        self.steps.push(step);
        Ok(())
    }

    /// Adds [`Step::Create`] for `body` in `ns`.
    ///
    /// # Errors
    /// As for [`Plan::push`].
    pub fn create(&mut self, ns: &Ns, body: Body) -> Result<(), Duplicate> {
        self.push(Step::Create(body.at(ns.clone())))
    }

    /// Adds [`Step::Ensure`] for `body` in `ns`.
    ///
    /// # Errors
    /// As for [`Plan::push`].
    pub fn ensure(&mut self, ns: &Ns, body: Body) -> Result<(), Duplicate> {
        self.push(Step::Ensure(body.at(ns.clone())))
    }

    /// Adds the steps of `other` at the end.
    ///
    /// # Errors
    /// As for [`Plan::push`]; the steps before the refused one have been added.
    pub fn extend(&mut self, other: Self) -> Result<(), Duplicate> {
        other.steps.into_iter().try_for_each(|step| self.push(step))
    }

    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// True when the plan speaks of the object.
    #[must_use]
    pub fn states(&self, key: &Key) -> bool {
        self.keys.contains(key)
    }

    /// True when there are no steps.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl TryFrom<Vec<Step>> for Plan {
    type Error = Duplicate;
    fn try_from(steps: Vec<Step>) -> Result<Self, Duplicate> {
        let mut plan = Self::new();
        steps.into_iter().try_for_each(|step| plan.push(step))?;
        Ok(plan)
    }
}
impl From<Plan> for Vec<Step> {
    fn from(plan: Plan) -> Self {
        plan.steps
    }
}
