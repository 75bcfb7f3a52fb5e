//! Why kernels drop packets: a small program of BPF that they run where they do, and what it says.
//!
//!     BTF of the kernel ─ btf ─▶ Layout ─ program ─▶ instructions ─(kernel layer)─▶ skb:kfree_skb
//!     record ◀── Lost { reason, namespace, link, bytes from the network header on, who called }
//!
//! Made at run time for the kernel that runs: no compiler, no object, nothing to relocate.
//! Never here: loading it.

pub mod btf;
mod insn;
mod program;
#[cfg(test)]
mod tests;

pub use btf::Layout;
pub use program::{LICENCE, Lost, RECORD, program, record};
