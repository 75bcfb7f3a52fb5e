//! Where things are kept: state that dies with the kernel's, and definitions that people write.
//!
//!     /run/ropewalk               ROPEWALK_STATE    attachments, leases, the journal
//!     /etc/ropewalk/networks/     ROPEWALK_CONFIG   one file a network
//!
//! A host with a state folder of its own has definitions of its own too, unless told otherwise.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folders of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// What lives as long as the kernel state it describes.
    pub state: PathBuf,
    /// What people write.
    pub config: PathBuf,
}

impl Paths {
    /// The folders that the environment names, else the usual ones.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from(std::env::var_os("ROPEWALK_STATE"), std::env::var_os("ROPEWALK_CONFIG"))
    }

    fn from(state: Option<OsString>, config: Option<OsString>) -> Self {
        let given = |v: Option<OsString>| v.filter(|v| !v.is_empty()).map(PathBuf::from);
        let (state, config) = (given(state), given(config));
        let config = config
            .or_else(|| state.as_ref().map(|s| s.join("etc")))
            .unwrap_or_else(|| "/etc/ropewalk".into());
        Self { state: state.unwrap_or_else(|| "/run/ropewalk".into()), config }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_folder_of_its_own_has_definitions_of_its_own() {
        let paths = |s: &str, c: &str| Paths::from(Some(s.into()), Some(c.into()));
        let is = |p: Paths| (p.state.display().to_string(), p.config.display().to_string());
        let own = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(is(Paths::from(None, None)), own("/run/ropewalk", "/etc/ropewalk"));
        assert_eq!(is(paths("", "")), own("/run/ropewalk", "/etc/ropewalk"));
        assert_eq!(is(paths("/x", "")), own("/x", "/x/etc"));
        assert_eq!(is(paths("/x", "/y")), own("/x", "/y"));
        assert_eq!(is(paths("", "/y")), own("/run/ropewalk", "/y"));
    }
}
