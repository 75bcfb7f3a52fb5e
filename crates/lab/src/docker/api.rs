//! The few questions to Docker that the demo needs, over its socket, in HTTP/1.0: one request, one
//! answer, and the end of the connection is its end.
//!
//! Docker Engine API, "import", "container create", "start", "remove".  Never here: what for.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use ropewalk_sandbox::{Engine, Engines};

/// The longest time until an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most of an answer that is read.
const MOST: u64 = 256 * 1024;

/// A Docker engine that answers.
pub(crate) struct Docker {
    socket: PathBuf,
}

impl Docker {
    /// The engine of this machine, if it runs.
    pub(crate) fn find() -> Option<Self> {
        let docker = Self::at(Engines::from_env().socket(Engine::Docker).ok()?);
        docker.ask("GET", "/_ping", b"").ok().map(|_| docker)
    }

    /// The engine that listens on `socket`.
    pub(crate) fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Makes the image `name:tag` of a tar archive.
    pub(crate) fn import(&self, image: &str, archive: &[u8]) -> io::Result<()> {
        let (repo, tag) = image.split_once(':').unwrap_or((image, "latest"));
        let path = format!("/images/create?fromSrc=-&repo={repo}&tag={tag}");
        let said = self.ask("POST", &path, archive)?;
        // A failure in the middle comes as a line of the answer.
        if said.contains("\"error\"") { Err(io::Error::other(said)) } else { Ok(()) }
    }

    /// Makes a container.
    pub(crate) fn create(&self, name: &str, json: &str) -> io::Result<()> {
        self.ask("POST", &format!("/containers/create?name={name}"), json.as_bytes()).map(drop)
    }

    /// Starts a container.
    pub(crate) fn start(&self, name: &str) -> io::Result<()> {
        self.ask("POST", &format!("/containers/{name}/start"), b"").map(drop)
    }

    /// Ends and removes a container and removes its image, as far as they are there.
    pub(crate) fn remove(&self, container: &str, image: &str) -> io::Result<()> {
        let paths =
            [format!("/containers/{container}?force=1"), format!("/images/{image}?force=1")];
        for path in paths {
            match self.ask("DELETE", &path, b"") {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    /// One request; the body of its answer.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> io::Result<String> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let kind = if body.first() == Some(&b'{') { "json" } else { "x-tar" };
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/{kind}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )?;
        stream.write_all(body)?;
        let mut bytes = Vec::new();
        stream.take(MOST).read_to_end(&mut bytes)?;
        answer(&String::from_utf8_lossy(&bytes))
    }
}

/// The body of an answer that says yes.
fn answer(text: &str) -> io::Result<String> {
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(bad)?;
    let status = head.split(' ').nth(1).ok_or_else(bad)?;
    match status.parse::<u16>().map_err(|_| bad())? {
        200..=299 => Ok(body.to_owned()),
        404 => Err(io::ErrorKind::NotFound.into()),
        _ => Err(io::Error::other(body.trim().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_yes_no_or_not_there() {
        let kind = |text: &str| answer(text).map_err(|e| e.kind());
        assert_eq!(kind("HTTP/1.0 200 OK\r\nA: b\r\n\r\nOK"), Ok("OK".into()));
        assert_eq!(kind("HTTP/1.0 204 No Content\r\n\r\n"), Ok(String::new()));
        assert_eq!(kind("HTTP/1.0 404 x\r\n\r\n{}"), Err(io::ErrorKind::NotFound));
        assert_eq!(kind("HTTP/1.0 409 x\r\n\r\n{}"), Err(io::ErrorKind::Other));
        for bad in ["", "HTTP/1.0", "HTTP/1.0 x y\r\n\r\n", "HTTP/1.0 200 OK\r\n"] {
            assert_eq!(kind(bad), Err(io::ErrorKind::InvalidData), "{bad}");
        }
    }
}
