//! All checks: a file for what every plugin must do, and one for each plugin.

mod bridge;
mod host_local;
mod protocol;
mod static_;

use crate::Group;

/// Every check there is, by plugin.
pub const GROUPS: &[Group] = &[
    Group { plugin: "*", checks: protocol::CHECKS },
    Group { plugin: "bridge", checks: bridge::CHECKS },
    Group { plugin: "host-local", checks: host_local::CHECKS },
    Group { plugin: "static", checks: static_::CHECKS },
];
