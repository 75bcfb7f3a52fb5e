//! Every interface of every namespace, in a table.

use ropewalk_engine::ForeignRow;

use super::columns::{cell, table};

/// What is there, ropewalk's or not.
pub(crate) fn interfaces(rows: &[ForeignRow]) -> String {
    let head = ["NAMESPACE", "INTERFACE", "KIND", "JOINED TO", "ADDRESSES, MAC", "MTU", "OWNER"];
    let cells = |row: &ForeignRow| {
        let down = if row.up { "" } else { " (down)" };
        let peer = row.peer.as_ref().map(|peer| format!("{} in {}", peer.interface, peer.ns));
        let bridge = row.master.as_ref().map(|bridge| format!("bridge {bridge}"));
        vec![
            cell(&row.ns),
            cell(&row.interface),
            cell(format!("{}{down}", row.kind).trim_start()),
            peer.into_iter().chain(bridge).collect(),
            row.addresses.iter().chain(&row.mac).cloned().collect(),
            row.mtu.iter().map(u32::to_string).collect(),
            row.owner.iter().cloned().collect(),
        ]
    };
    table(&head, &rows.iter().map(cells).collect::<Vec<_>>())
}
