//! The kernel layer against a real kernel, in private namespaces.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod crash;
mod ears;
mod execute;
mod kinds;
mod laws;
mod netns;
mod nft;
mod nouns;
mod port;
mod random;
mod read;
mod settle;
mod socket;
mod space;
mod traffic;
mod trial;
mod twin;
mod watch;
mod xt;
