//! What a list of changes looks like as commands: `ip`, `bridge`, `sysctl` and `nft`.
//!
//! Never here: running them.

pub mod nft;
