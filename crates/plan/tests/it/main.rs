//! Plans as people read them: what follows from what, and the commands that do the same.
#![expect(clippy::unwrap_used, reason = "tests")]

mod cascade;
mod conflict;
mod moved;
mod script;
mod traffic;
mod world;
