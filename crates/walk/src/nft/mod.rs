//! Rules of nf_tables as the kernel runs them, on a packet that is only thought of.
//!
//!     Ruleset ── chains of a hook, by priority ──▶ eval ──▶ Decision, packet changed, who decided
//!
//! Three values: a match holds, does not hold, or is unknown.  Where the decision hangs on an
//! unknown, it says on which.  Never here: which hooks a packet meets, connections.

mod ebt;
mod eval;
mod expr;
mod load;
mod regs;
mod ruleset;
#[cfg(test)]
mod tests;
mod xt;
mod xt_more;

pub use eval::{Decision, Doubt, End, Env, Nat, Outcome, Track, Who, run};
pub(crate) use ruleset::ARP;
pub use ruleset::{Hook, Line, Ruleset, families, path};
