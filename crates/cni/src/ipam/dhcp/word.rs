//! What plugin and daemon say to each other: one value of JSON each way, then the end.
//!
//!     {"lend": {"key": {…}, "netns": "/run/netns/c1", "asked": {…}}}  ──▶  {"lent": {"net": …}}

use std::fmt;
use std::io::{BufReader, Error, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use ropewalk_store::DhcpLease;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::options::Asked;

/// The most that one of them says, in bytes.
const MOST: u64 = 1 << 20;

/// One attachment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) container: String,
    pub(super) network: String,
    pub(super) ifname: String,
}

/// What is to be lent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wanted {
    pub(super) key: Key,
    pub(super) netns: PathBuf,
    pub(super) asked: Asked,
}

/// What a plugin says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ask {
    /// An address is wanted.
    Lend(Wanted),
    /// It is not any more.
    Return(Key),
    /// Is it kept?
    Holds(Key),
    /// Of this network nothing but these is wanted any more.
    Keep { network: String, valid: Vec<(String, String)> },
}

/// What the daemon says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Answer {
    Lent(DhcpLease),
    Done,
    Refused { code: u16, msg: String, details: String },
}

/// As servers know it, and as messages name it.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.container, self.network, self.ifname)
    }
}

/// Says `value`, which is all.
pub(super) fn write(stream: &mut UnixStream, value: &impl Serialize) -> Result<(), Error> {
    stream.write_all(&serde_json::to_vec(value)?)?;
    stream.shutdown(Shutdown::Write)
}

/// Hears one value.
pub(super) fn read<T: DeserializeOwned>(stream: &UnixStream) -> Result<T, Error> {
    let mut bytes = Vec::new();
    BufReader::new(stream).take(MOST).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}
