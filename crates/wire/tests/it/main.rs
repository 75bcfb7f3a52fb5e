//! What the kernel makes of our bytes, and we of its: each test in a network of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that finds what it does not expect has failed"
)]

mod ct;
mod diag;
mod link;
mod net;
mod nft;
mod oracle;
mod rt;
mod socket;
