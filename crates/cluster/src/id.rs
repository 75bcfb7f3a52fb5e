//! Which host: a number of 128 bits, as 32 hexadecimal digits, that it keeps for ever.
//!
//! Never here: where it is kept, chance.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A host of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostId(String);

/// The text is not 32 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a host's id: 32 hexadecimal digits")]
pub struct NotAnId {
    /// The text.
    pub text: String,
}

impl HostId {
    /// The host with this number.
    #[must_use]
    pub fn new(number: u128) -> Self {
        Self(format!("{number:032x}"))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match text.len() == 32 && text.bytes().all(digit) {
            true => Ok(Self(text.to_owned())),
            false => Err(NotAnId { text: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for HostId {
    type Error = NotAnId;
    fn try_from(text: String) -> Result<Self, NotAnId> {
        text.parse()
    }
}

impl From<HostId> for String {
    fn from(id: HostId) -> Self {
        id.0
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
