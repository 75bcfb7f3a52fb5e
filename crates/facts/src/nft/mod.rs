//! nf_tables: tables, chains, rules, sets, maps and their elements.
//!
//! The same objects as `nft list ruleset` shows, in the kernel's own terms: a rule is the list of
//! expressions that the kernel runs (include/uapi/linux/netfilter/nf_tables.h), so that what is
//! written and what is read back are one type.

mod datatype;
mod expr;
mod ruleset;

pub use datatype::{ByteOrder, DataType, RAW};
pub use expr::{
    Bytes, CmpOp, Expr, FibFlags, FibResult, MetaKey, NatKind, Payload, Reg, Verdict, VerdictCode,
};
pub use ruleset::{
    Base, Chain, ChainKey, Element, ElementKey, Family, Rule, RuleKey, Set, SetFlags, SetKey,
    Table, TableKey, Value,
};
