//! Sandboxes: how people name a network namespace and what lives in it.
//!
//!     netns:red   /run/netns/red   pid:812   docker:web   podman:web   new:red (make it first)
//!
//! Never here: finding the namespace.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ropewalk_facts::Ns;
use serde::{Deserialize, Serialize};

use crate::error::{Form, Problem};
use crate::name::{ContainerName, NetnsName};

/// Which sandbox is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SandboxRef {
    /// The namespace of that name under /run/netns.
    Netns(NetnsName),
    /// The namespace that this file refers to; an absolute path.
    Path(PathBuf),
    /// The namespace of this process.
    Pid(u32),
    /// A container of the Docker engine.
    Docker(ContainerName),
    /// A container of podman.
    Podman(ContainerName),
    /// A namespace of that name under /run/netns, which is made if it is not there.
    New(NetnsName),
}

impl SandboxRef {
    /// How plans and records name its namespace. `new:red` and `netns:red` are the same.
    #[must_use]
    pub fn ns(&self) -> Ns {
        match self {
            Self::New(name) => Ns::new(format!("netns:{name}")),
            Self::Netns(_) | Self::Path(_) | Self::Pid(_) | Self::Docker(_) | Self::Podman(_) => {
                Ns::new(self.to_string())
            }
        }
    }

    /// How it is named once it is there: `new:red` has become `netns:red`.
    #[must_use]
    pub fn there(&self) -> Self {
        match self {
            Self::New(name) => Self::Netns(name.clone()),
            Self::Netns(_) | Self::Path(_) | Self::Pid(_) | Self::Docker(_) | Self::Podman(_) => {
                self.clone()
            }
        }
    }
}

impl fmt::Display for SandboxRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Netns(name) => write!(f, "netns:{name}"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Pid(pid) => write!(f, "pid:{pid}"),
            Self::Docker(name) => write!(f, "docker:{name}"),
            Self::Podman(name) => write!(f, "podman:{name}"),
            Self::New(name) => write!(f, "new:{name}"),
        }
    }
}

impl FromStr for SandboxRef {
    type Err = Problem;
    fn from_str(s: &str) -> Result<Self, Problem> {
        if s.starts_with('/') {
            return path(s);
        }
        let (kind, rest) = s.split_once(':').ok_or_else(|| unreadable(s))?;
        let netns = || NetnsName::new(rest).map_err(|why| Problem::name(rest, why));
        let container = || ContainerName::new(rest).map_err(|why| Problem::name(rest, why));
        match kind {
            "netns" => netns().map(Self::Netns),
            "new" => netns().map(Self::New),
            "docker" => container().map(Self::Docker),
            "podman" => container().map(Self::Podman),
            "path" => path(rest),
            "pid" => pid(rest).map(Self::Pid).ok_or_else(|| unreadable(s)),
            _ => Err(unreadable(s)),
        }
    }
}

fn unreadable(s: &str) -> Problem {
    Problem::unreadable(s, Form::Sandbox)
}

fn path(s: &str) -> Result<SandboxRef, Problem> {
    match s.starts_with('/') && !s.contains(|c: char| c.is_control()) {
        true => Ok(SandboxRef::Path(PathBuf::from(s))),
        false => Err(Problem::RelativePath { text: s.to_owned() }),
    }
}

/// A process id: 1 up to what fits the kernel's signed type.
fn pid(s: &str) -> Option<u32> {
    let digits = s.bytes().all(|b| b.is_ascii_digit());
    s.parse::<i32>().ok().filter(|_| digits).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0)
}

impl TryFrom<String> for SandboxRef {
    type Error = Problem;
    fn try_from(s: String) -> Result<Self, Problem> {
        s.parse()
    }
}
impl From<SandboxRef> for String {
    fn from(s: SandboxRef) -> Self {
        s.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn sandboxes_are_read_and_written() {
        for text in ["netns:red", "/run/netns/x", "pid:12", "docker:web", "podman:web", "new:red"] {
            let sandbox: SandboxRef = text.parse().unwrap();
            assert_eq!(sandbox.to_string(), text);
        }
        assert_eq!("path:/a/b".parse(), Ok(SandboxRef::Path("/a/b".into())));
    }

    #[test]
    fn a_new_namespace_is_the_named_one() {
        let ns = |s: &str| s.parse::<SandboxRef>().unwrap().ns();
        assert_eq!(ns("new:red"), ns("netns:red"));
        let there = |s: &str| s.parse::<SandboxRef>().unwrap().there().to_string();
        assert_eq!((there("new:red"), there("pid:1")), ("netns:red".into(), "pid:1".into()));
        assert_eq!(ns("pid:1").as_str(), "pid:1");
        assert_eq!(ns("path:/a"), ns("/a"));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            "red",
            "netns:",
            "netns:../x",
            "netns:a b",
            "pid:0",
            "pid:-1",
            "pid:+1",
            "pid:x",
            "pid:2147483648",
            "path:x",
            "docker:",
            "docker:a/b",
            "moby:web",
            ":",
            "/a\nb",
        ] {
            assert!(bad.parse::<SandboxRef>().is_err(), "{bad:?}");
        }
    }
}
