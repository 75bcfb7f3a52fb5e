//! Names: of interfaces, of namespaces, of hardware.
//!
//! Each is checked once, where it enters, and cannot hold nonsense afterwards.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// The name is empty.
    Empty,
    /// The name is longer than `max` bytes.
    TooLong {
        /// How many bytes are allowed.
        max: usize,
    },
    /// The name holds a character that the kernel or ropewalk does not take.
    BadChar(char),
    /// The name is `.` or `..`.
    Dots,
    /// The text is not six hexadecimal bytes with colons.
    NotMac,
    /// The address is a multicast or an all-zero one.
    NotUnicast,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong { max } => write!(f, "it is longer than {max} bytes"),
            Self::BadChar(c) => write!(f, "it holds the character {c:?}"),
            Self::Dots => f.write_str("it consists of dots"),
            Self::NotMac => f.write_str("it is not of the form 02:00:00:00:00:01"),
            Self::NotUnicast => f.write_str("it is not a unicast address"),
        }
    }
}

impl std::error::Error for NameError {}

/// The name of a network interface: 1 to 15 bytes, no `/`, no `:`, no white space
/// (`dev_valid_name` in net/core/dev.c).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IfName(String);

impl IfName {
    /// The longest name in bytes (`IFNAMSIZ` less its final zero).
    pub const MAX: usize = 15;

    /// Checks `name` by the kernel's rules; printable ASCII only.
    ///
    /// # Errors
    /// [`NameError`] says which rule it breaks.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        check_ifname(&name, Self::MAX)?;
        Ok(Self(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl IfName {
    /// An index for a link of this name where one has to be told: above those that the kernel gives
    /// by itself, and another for each of `eth0`, `eth1` and so on (FNV-1a).
    #[must_use]
    pub fn index(&self) -> u32 {
        let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let hash = self.0.bytes().fold(0x811c_9dc5, step);
        0x1_0000 + (hash & 0xffff)
    }
}

fn check_ifname(name: &str, max: usize) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > max {
        return Err(NameError::TooLong { max });
    }
    if name == "." || name == ".." {
        return Err(NameError::Dots);
    }
    match name.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '/' | ':' | '%')) {
        Some(c) => Err(NameError::BadChar(c)),
        None => Ok(()),
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl FromStr for IfName {
    type Err = NameError;
    fn from_str(s: &str) -> Result<Self, NameError> {
        Self::new(s)
    }
}
impl TryFrom<String> for IfName {
    type Error = NameError;
    fn try_from(s: String) -> Result<Self, NameError> {
        Self::new(s)
    }
}
impl From<IfName> for String {
    fn from(n: IfName) -> Self {
        n.0
    }
}

/// How a plan names a network namespace: [`Ns::HOST`] for the one ropewalk runs in, else the text
/// that people use for a sandbox (`netns:red`, `pid:812`, `docker:web`, `/run/netns/x`).
/// Which namespace the text means is for the kernel layer to find out.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ns(String);

/// That of the texts. Most of what is compared is on the host: a third of the time of 100,000 facts went
/// into comparing texts of no length.
impl Ord for Ns {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_host(), other.is_host()) {
            (true, true) => Ordering::Equal,
            (false, false) => self.0.cmp(&other.0),
            (here, there) => there.cmp(&here),
        }
    }
}

impl PartialOrd for Ns {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ns {
    /// The namespace ropewalk runs in.
    pub const HOST: Self = Self(String::new());

    /// A namespace other than the host's. The empty text is the host.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// True for the namespace ropewalk runs in.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, empty for the host.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_host() { "host" } else { &self.0 })
    }
}
impl fmt::Debug for Ns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A 48-bit hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// True for an address that an interface may carry: not multicast, not all zero.
    #[must_use]
    pub fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for Mac {
    type Err = NameError;
    fn from_str(s: &str) -> Result<Self, NameError> {
        let mut bytes = [0; 6];
        let mut parts = s.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|p| (1..=2).contains(&p.len()));
            let part = part.filter(|p| p.bytes().all(|b| b.is_ascii_hexdigit()));
            let part = part.ok_or(NameError::NotMac)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| NameError::NotMac)?;
        }
        if parts.next().is_some() { Err(NameError::NotMac) } else { Ok(Self(bytes)) }
    }
}
impl TryFrom<String> for Mac {
    type Error = NameError;
    fn try_from(s: String) -> Result<Self, NameError> {
        s.parse()
    }
}
impl From<Mac> for String {
    fn from(m: Mac) -> Self {
        m.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_in_the_order_of_their_texts_and_the_host_is_the_first() {
        let texts = ["", "netns:a", "netns:b", "pid:1"];
        for (n, one) in texts.iter().enumerate() {
            for (m, other) in texts.iter().enumerate() {
                assert_eq!(Ns::new(*one).cmp(&Ns::new(*other)), n.cmp(&m), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn interface_names_follow_the_kernels_rules() {
        assert!(IfName::new("eth0").is_ok());
        assert!(IfName::new("a.b-c_d@e").is_ok());
        assert_eq!(IfName::new(""), Err(NameError::Empty));
        assert_eq!(IfName::new(".."), Err(NameError::Dots));
        assert_eq!(IfName::new("a/b"), Err(NameError::BadChar('/')));
        assert_eq!(IfName::new("a b"), Err(NameError::BadChar(' ')));
        assert_eq!(IfName::new("é"), Err(NameError::BadChar('é')));
        assert_eq!(IfName::new("a234567890123456"), Err(NameError::TooLong { max: 15 }));
    }

    #[test]
    fn hardware_addresses_are_six_hex_bytes() {
        assert_eq!("02:00:00:00:00:0a".parse(), Ok(Mac([2, 0, 0, 0, 0, 10])));
        for bad in ["", "02:00", "02:00:00:00:00:0a:0b", "2:0:0:0:0:zz", "+2:00:00:00:00:00"] {
            assert_eq!(bad.parse::<Mac>(), Err(NameError::NotMac), "{bad}");
        }
        assert!(!Mac([1, 0, 0, 0, 0, 0]).is_unicast());
    }
}
