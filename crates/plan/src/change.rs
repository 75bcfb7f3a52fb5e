//! Changes: what becomes of one object.

use ropewalk_facts::{Fact, Key};
use serde::{Deserialize, Serialize};

/// One object before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which object.
    pub key: Key,
    /// What it was; `None` when it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Fact>,
    /// What it becomes; `None` when it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Fact>,
    /// The kernel does it as a consequence of another change of the same list (the addresses of a
    /// link that goes, say): it is foreseen and undone, but not asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub implied: bool,
}

impl Change {
    /// The object is made.
    #[must_use]
    pub fn made(fact: Fact) -> Self {
        Self { key: fact.key(), old: None, new: Some(fact), implied: false }
    }

    /// The object goes.
    #[must_use]
    pub fn gone(fact: Fact) -> Self {
        Self { key: fact.key(), old: Some(fact), new: None, implied: false }
    }

    /// True when the object was not there and is made.
    #[must_use]
    pub fn makes(&self) -> bool {
        self.old.is_none() && self.new.is_some()
    }

    /// True when the object was there and goes.
    #[must_use]
    pub fn removes(&self) -> bool {
        self.old.is_some() && self.new.is_none()
    }
}
