//! Names of networks, of network namespaces and of containers.
//!
//! Each becomes part of a path, of an interface's name or of a request to an engine, so each is
//! held to plain characters where it enters.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ropewalk_facts::NameError;
use serde::{Deserialize, Serialize};

/// Declares a checked name: its type, its longest length, and which characters it may begin with
/// besides letters and digits.
macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $max:literal, $first:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest name in bytes.
            pub const MAX: usize = $max;

            /// Checks `name`.
            ///
            /// # Errors
            /// [`NameError`] says which rule it breaks.
            pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
                let name = name.into();
                check(&name, Self::MAX, $first)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = NameError;
            fn from_str(s: &str) -> Result<Self, NameError> {
                Self::new(s)
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(s: String) -> Result<Self, NameError> {
                Self::new(s)
            }
        }
        impl From<$name> for String {
            fn from(n: $name) -> Self {
                n.0.as_ref().to_owned()
            }
        }
    };
}

checked_name!(
    /// The name of a network: a letter or digit, then letters, digits, `_`, `.` and `-`.
    NetworkName, 32, ""
);
checked_name!(
    /// The name of a network namespace under /run/netns.
    NetnsName, 128, "_"
);
checked_name!(
    /// The name or the id of a container.
    ContainerName, 128, ""
);

fn check(name: &str, max: usize, first: &str) -> Result<(), NameError> {
    if name == "." || name == ".." {
        return Err(NameError::Dots);
    }
    let begins = |c: char| c.is_ascii_alphanumeric() || first.contains(c);
    let goes_on = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    match name.chars().next() {
        None => return Err(NameError::Empty),
        Some(c) if !begins(c) => return Err(NameError::BadChar(c)),
        Some(_) => {}
    }
    match name.chars().find(|c| !goes_on(*c)) {
        Some(c) => Err(NameError::BadChar(c)),
        None if name.len() > max => Err(NameError::TooLong { max }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_short() {
        for good in ["a", "web", "7", "a_b.c-d", &"x".repeat(32)] {
            assert!(NetworkName::new(good).is_ok(), "{good}");
        }
        assert_eq!(NetworkName::new(""), Err(NameError::Empty));
        assert_eq!(NetworkName::new("-a"), Err(NameError::BadChar('-')));
        assert_eq!(NetworkName::new("a/b"), Err(NameError::BadChar('/')));
        assert_eq!(NetworkName::new("naïve"), Err(NameError::BadChar('ï')));
        assert_eq!(NetworkName::new("x".repeat(33)), Err(NameError::TooLong { max: 32 }));
    }

    #[test]
    fn a_namespace_name_cannot_leave_its_folder() {
        for bad in ["..", ".", "../x", "a/b", "", "a\0b"] {
            assert!(NetnsName::new(bad).is_err(), "{bad:?}");
        }
        assert!(NetnsName::new("_red").is_ok());
    }
}
