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
