//! What a chain does to a packet that no rule speaks of in particular.
//!
//!     FORWARD: jump A (if …) · jump B · drop        ─▶ dropped by the third rule
//!     B: accept (if …) · return
//!
//! Rules with a condition are passed over: whose packets they are for is not known here.

use std::collections::BTreeMap;

/// What a rule does to every packet that comes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// It lets the packet through.
    Accept,
    /// It drops or rejects it.
    Drop,
    /// The chain that jumped here goes on.
    Return,
    /// Another chain goes on, then this one.
    Jump(String),
    /// Another chain goes on, then the one that jumped here.
    Goto(String),
    /// Nothing, or only to some packets.
    Nothing,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) does: Does,
    /// The chain that it leads to, be it for some packets only.
    pub(super) leads: Option<String>,
    /// Its name.
    pub(super) tag: String,
}

/// The chains of a table.
pub(super) type Chains = BTreeMap<String, Vec<Line>>;

/// The end of a packet in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Dropped by the rule at this place, or by what it leads to.
    Dropped(usize),
    Accepted,
    /// Sent back by the rule at this place, or past the last one.
    Left(usize),
}

/// As deep as chains are followed (`NFT_JUMP_STACK_SIZE`).
const DEEP: u8 = 16;

/// What becomes of a packet in the chain called `name`.
pub(super) fn end(chains: &Chains, name: &str) -> End {
    within(chains, name, DEEP)
}

fn within(chains: &Chains, name: &str, deep: u8) -> End {
    let Some(deep) = deep.checked_sub(1) else { return End::Left(0) };
    let lines = chains.get(name).map(Vec::as_slice).unwrap_or_default();
    for (at, line) in lines.iter().enumerate() {
        let after = match &line.does {
            Does::Accept => return End::Accepted,
            Does::Drop => return End::Dropped(at),
            Does::Return => return End::Left(at),
            Does::Jump(chain) | Does::Goto(chain) => within(chains, chain, deep),
            Does::Nothing => continue,
        };
        match after {
            End::Dropped(_) => return End::Dropped(at),
            End::Accepted => return End::Accepted,
            End::Left(_) if matches!(line.does, Does::Goto(_)) => return End::Left(at),
            End::Left(_) => {}
        }
    }
    End::Left(lines.len())
}
