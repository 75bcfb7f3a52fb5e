//! How outcomes are put into words and tables for people; scripts read `--json`.
//!
//! Never here: writing to a terminal, the width of one: lines are made to fit 80 columns where names
//! allow.

mod attachments;
mod changes;
pub(crate) mod cluster;
mod columns;
mod fix;
mod interfaces;
mod networks;
mod outcomes;
mod paint;
mod pairs;
mod paragraph;
#[cfg(test)]
#[expect(clippy::expect_used, reason = "tests fail by panicking")]
mod tests;
mod why;

pub(crate) use attachments::{attached, attachments, detached, published, unpublished};
pub(crate) use changes::trial;
pub(crate) use fix::{mended, repairs, undone};
pub(crate) use interfaces::interfaces;
pub(crate) use networks::{confirmed, created, network, networks, removed};
pub(crate) use outcomes::{announced, at_stake, checked, done, repaired, routes};
pub(crate) use paint::{Color, Paint};
pub(crate) use pairs::pairs;
pub(crate) use paragraph::wrapped;
pub(crate) use why::{Look, verdict};
