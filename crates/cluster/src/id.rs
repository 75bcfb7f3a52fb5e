//! Which host: a number of 128 bits, as 32 hexadecimal digits, that it keeps for ever.
//!
//! Never here: where it is kept, chance.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A host of the cluster: the bytes of its number, the highest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct HostId([u8; 16]);

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
        Self(number.to_be_bytes())
    }
}

impl FromStr for HostId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let plain = text.len() == 32 && text.bytes().all(digit);
        let number = if plain { u128::from_str_radix(text, 16).ok() } else { None };
        number.map(Self::new).ok_or_else(|| NotAnId { text: text.to_owned() })
    }
}

/// Without a copy of the text: there may be a hundred thousand.
impl<'de> Deserialize<'de> for HostId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = HostId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the id of a host")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<HostId, E> {
                text.parse().map_err(E::custom)
            }
        }
        from.deserialize_str(Text)
    }
}

impl From<HostId> for String {
    fn from(id: HostId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}
