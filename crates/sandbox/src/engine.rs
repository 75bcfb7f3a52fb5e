//! Container engines: where their sockets are, and how one is asked about a container.
//!
//!     docker   $DOCKER_HOST      or /run/docker.sock           /containers/NAME/json
//!     podman   $CONTAINER_HOST   or /run/podman/podman.sock    /v4.0.0/libpod/containers/NAME/json

use std::fmt;
use std::path::PathBuf;

use hyper::Uri;

use crate::error::Error;

/// A container engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Docker's.
    Docker,
    /// Podman's API service.
    Podman,
}

impl Engine {
    /// The variable of the environment that says where it listens.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Docker => "DOCKER_HOST",
            Self::Podman => "CONTAINER_HOST",
        }
    }

    /// Where it listens when nothing else is said.
    fn usual(self) -> &'static str {
        match self {
            Self::Docker => "/run/docker.sock",
            Self::Podman => "/run/podman/podman.sock",
        }
    }

    /// How to start it.
    pub(crate) fn start(self) -> &'static str {
        match self {
            Self::Docker => "start it (systemctl start docker), or set DOCKER_HOST=unix:///PATH",
            Self::Podman => {
                "start its API (systemctl start podman.socket, or podman system service --time=0 &), \
                 or name the sandbox pid:N"
            }
        }
    }

    /// The path of the question for all containers that run.
    pub(crate) fn list(self) -> Uri {
        Uri::from_static(match self {
            Self::Docker => "/containers/json",
            Self::Podman => "/v4.0.0/libpod/containers/json",
        })
    }

    /// The path of the question about a container.
    ///
    /// Docker's is without a version, which is that of the newest it knows; podman's own API has
    /// kept what is asked for here since its version 4.
    ///
    /// # Errors
    /// A name that makes no path is that of no container.
    pub(crate) fn question(self, name: &str) -> Result<Uri, Error> {
        let path = match self {
            Self::Docker => format!("/containers/{name}/json"),
            Self::Podman => format!("/v4.0.0/libpod/containers/{name}/json"),
        };
        path.parse().map_err(|_| Error::NoContainer { engine: self, name: name.to_owned() })
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        })
    }
}

/// Where the engines listen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Engines {
    /// What DOCKER_HOST says.
    pub docker: Option<String>,
    /// What CONTAINER_HOST says.
    pub podman: Option<String>,
}

impl Engines {
    /// As the environment says.
    #[must_use]
    pub fn from_env() -> Self {
        let said = |engine: Engine| {
            let value = std::env::var_os(engine.variable())?.to_string_lossy().into_owned();
            (!value.is_empty()).then_some(value)
        };
        Self { docker: said(Engine::Docker), podman: said(Engine::Podman) }
    }

    /// The socket of an engine.
    ///
    /// # Errors
    /// [`Error::Address`] when it is said to be elsewhere than on this machine.
    pub fn socket(&self, engine: Engine) -> Result<PathBuf, Error> {
        let said = match engine {
            Engine::Docker => &self.docker,
            Engine::Podman => &self.podman,
        };
        let Some(value) = said else { return Ok(engine.usual().into()) };
        match value.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => Ok(path.into()),
            _ => Err(Error::Address { variable: engine.variable(), value: value.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn sockets_are_where_they_are_said_to_be() {
        let usual = Engines::default();
        assert_eq!(usual.socket(Engine::Docker).unwrap(), PathBuf::from("/run/docker.sock"));
        assert_eq!(usual.socket(Engine::Podman).unwrap(), PathBuf::from("/run/podman/podman.sock"));
        let said = Engines { docker: Some("unix:///a/b".to_owned()), podman: None };
        assert_eq!(said.socket(Engine::Docker).unwrap(), PathBuf::from("/a/b"));
    }

    #[test]
    fn a_socket_elsewhere_is_refused() {
        for value in ["tcp://127.0.0.1:2375", "ssh://a", "/a/b", "unix://a", ""] {
            let said = Engines { docker: None, podman: Some(value.to_owned()) };
            let refused = said.socket(Engine::Podman).unwrap_err();
            assert!(refused.to_string().starts_with(&format!("CONTAINER_HOST is {value}")));
        }
    }
}
