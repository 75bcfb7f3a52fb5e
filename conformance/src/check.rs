//! One check: what must hold, of which plugin, and how it is found out.
//!
//!     contract("mtu", "mtu is that of the bridge and of both ends of the pair", mtu)
//!     better("gc", "…", gc).since("1.9.1").needs(&[Need::Vlan])

use std::fmt;

use serde_json::Value;

use crate::Host;
use crate::need::Need;

/// What a check comes to.
pub type Held = Result<(), Miss>;

/// Who promises it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The reference plugins do it and runtimes rely on it.
    Contract,
    /// ropewalk promises it beyond.
    Better,
}

/// Why a check did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// Something else was seen than what must be.
    Wrong {
        /// Of what.
        what: String,
        /// What must be.
        expected: String,
        /// What is.
        seen: String,
    },
    /// It cannot be found out here: the reason.
    Cannot(String),
}

/// One check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its name within its plugin.
    pub name: &'static str,
    /// What must hold, in one line.
    pub holds: &'static str,
    /// Who promises it.
    pub level: Level,
    /// The release of the reference plugins that brought it, if 1.1.1 lacks it.
    pub since: Option<&'static str>,
    /// What the kernel and the machine must have.
    pub(crate) needs: &'static [Need],
    /// Finds it out.
    pub(crate) run: fn(&Host) -> Held,
}

/// The checks of one plugin; `*` stands for every plugin.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The plugin's name.
    pub plugin: &'static str,
    /// What it is checked for.
    pub checks: &'static [Check],
}

/// A check of what the reference plugins do.
pub(crate) const fn contract(
    name: &'static str,
    holds: &'static str,
    run: fn(&Host) -> Held,
) -> Check {
    Check { name, holds, level: Level::Contract, since: None, needs: &[], run }
}

/// A check of what ropewalk promises beyond.
pub(crate) const fn better(
    name: &'static str,
    holds: &'static str,
    run: fn(&Host) -> Held,
) -> Check {
    Check { name, holds, level: Level::Better, since: None, needs: &[], run }
}

impl Check {
    /// The release of the reference plugins that brought it.
    pub(crate) const fn since(mut self, release: &'static str) -> Self {
        self.since = Some(release);
        self
    }

    /// What it cannot do without.
    pub(crate) const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contract => "contract",
            Self::Better => "better",
        })
    }
}

/// `seen` must be `expected`.
pub(crate) fn same(what: &str, expected: impl Into<Value>, seen: &Value) -> Held {
    let expected = expected.into();
    if expected == *seen { Ok(()) } else { wrong(what, expected, seen) }
}

/// `seen` must hold `part`.
pub(crate) fn has(what: &str, part: &str, seen: &str) -> Held {
    if seen.contains(part) { Ok(()) } else { wrong(what, format!("with {part:?}"), seen) }
}

/// `seen` must not hold `part`.
pub(crate) fn lacks(what: &str, part: &str, seen: &str) -> Held {
    if seen.contains(part) { wrong(what, format!("without {part:?}"), seen) } else { Ok(()) }
}

/// It must be so; `seen` is what is shown when it is not.
pub(crate) fn that(held: bool, what: &str, expected: &str, seen: impl fmt::Display) -> Held {
    if held { Ok(()) } else { wrong(what, expected, seen) }
}

/// Two texts of many lines must be one: the lines that differ are shown.
pub(crate) fn unchanged(what: &str, before: &str, after: &str) -> Held {
    let only = |one: &str, other: &str| {
        let lines = one.lines().filter(|line| !other.lines().any(|found| found == *line));
        lines.collect::<Vec<_>>().join("\n")
    };
    let (gone, new) = (only(before, after), only(after, before));
    if gone.is_empty() && new.is_empty() {
        return Ok(());
    }
    wrong(what, "as before", format!("gone:\n{gone}\nnew:\n{new}"))
}

/// A miss of this kind.
pub(crate) fn wrong<T>(
    what: &str,
    expected: impl fmt::Display,
    seen: impl fmt::Display,
) -> Result<T, Miss> {
    Err(Miss::Wrong {
        what: what.to_owned(),
        expected: expected.to_string(),
        seen: seen.to_string(),
    })
}
