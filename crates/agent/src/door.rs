//! Where others ask the agent: a socket in the state folder, and a TCP port if one was named.
//!
//!     GET /metrics    figures for Prometheus      both
//!     POST /sync      look at everything now      the socket alone, which is root's
//!
//! As much HTTP as that takes: one question a connection, one connection at a time, two seconds for it.
//! Never here: what is counted or looked at.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ropewalk_engine::{Code, Fault};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;

use crate::desk::Desk;

/// How long a question may take to be asked and the answer to be taken.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a look may take.
const LOOK: Duration = Duration::from_secs(60);
/// The longest question.
const LONGEST: usize = 4096;

/// The name of the socket in the state folder.
pub(crate) const NAME: &str = "agent.sock";

/// Answers for ever.
pub(crate) struct Door<'a> {
    socket: UnixListener,
    port: Option<TcpListener>,
    desk: &'a Desk,
}

/// Whoever asks.
enum Guest {
    Socket(UnixStream),
    Port(TcpStream),
}

impl<'a> Door<'a> {
    /// Opens it, and the port if one is named.
    pub(crate) fn open(
        state: &Path,
        port: Option<SocketAddr>,
        desk: &'a Desk,
    ) -> Result<Self, Fault> {
        let path = state.join(NAME);
        // The agent is alone on its host, so this one is of the dead.
        let _none = std::fs::remove_file(&path);
        let refused = |what: String| {
            move |error: std::io::Error| {
                Fault::new(Code::StateUnusable, format!("cannot listen on {what}"))
                    .kernel(error.to_string())
            }
        };
        let socket = UnixListener::bind(&path).map_err(refused(path.display().to_string()))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
            .map_err(refused(path.display().to_string()))?;
        let port = match port {
            None => None,
            Some(at) => {
                let refused = refused(at.to_string());
                let port = std::net::TcpListener::bind(at).and_then(|port| {
                    port.set_nonblocking(true)?;
                    TcpListener::from_std(port)
                });
                Some(port.map_err(refused)?)
            }
        };
        Ok(Self { socket, port, desk })
    }

    /// Answers one after another.
    pub(crate) async fn serve(self) -> Infallible {
        loop {
            match self.guest().await {
                // A guest who is cut off has only himself to blame.
                Ok(guest) => drop(self.answer(&guest).await),
                // No more file descriptors, for now.
                Err(_) => tokio::time::sleep(PATIENCE).await,
            }
        }
    }

    async fn guest(&self) -> std::io::Result<Guest> {
        std::future::poll_fn(|cx| {
            if let std::task::Poll::Ready(came) = self.socket.poll_accept(cx) {
                return std::task::Poll::Ready(came.map(|(guest, _)| Guest::Socket(guest)));
            }
            let Some(port) = &self.port else { return std::task::Poll::Pending };
            port.poll_accept(cx).map(|came| came.map(|(guest, _)| Guest::Port(guest)))
        })
        .await
    }

    async fn answer(&self, guest: &Guest) -> std::io::Result<()> {
        let question =
            timeout(PATIENCE, guest.question()).await.map_err(|_| ErrorKind::TimedOut)??;
        let (status, text) = match (question.as_str(), guest) {
            ("GET /metrics", _) => ("200 OK", self.desk.metrics()),
            ("POST /sync", Guest::Socket(_)) => self.look().await,
            _ => ("404 Not Found", "GET /metrics\n".to_owned()),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{text}",
            text.len()
        );
        timeout(PATIENCE, guest.tell(answer.as_bytes())).await.map_err(|_| ErrorKind::TimedOut)?
    }

    /// Has all parts look, and waits for them.
    async fn look(&self) -> (&'static str, String) {
        let number = self.desk.ask();
        let wait = async {
            while !self.desk.done(number) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match timeout(LOOK, wait).await {
            Ok(()) => ("200 OK", "done\n".to_owned()),
            Err(_) => ("503 Service Unavailable", "another verb is at work\n".to_owned()),
        }
    }
}

impl Guest {
    /// Method and path of the question, which is read to its end.
    async fn question(&self) -> std::io::Result<String> {
        let mut all = Vec::new();
        let mut part = [0; 512];
        while !all.windows(4).any(|end| end == b"\r\n\r\n") && all.len() < LONGEST {
            let got = match self {
                Self::Socket(guest) => {
                    guest.readable().await?;
                    guest.try_read(&mut part)
                }
                Self::Port(guest) => {
                    guest.readable().await?;
                    guest.try_read(&mut part)
                }
            };
            match got {
                Ok(0) => break,
                Ok(n) => all.extend(part.iter().take(n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        let text = String::from_utf8_lossy(&all);
        let mut words = text.split_whitespace();
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        Ok(format!("{method} {}", path.split('?').next().unwrap_or_default()))
    }

    async fn tell(&self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let sent = match self {
                Self::Socket(guest) => {
                    guest.writable().await?;
                    guest.try_write(bytes)
                }
                Self::Port(guest) => {
                    guest.writable().await?;
                    guest.try_write(bytes)
                }
            };
            match sent {
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Has the agent of the host whose state is in `folder` look at everything, and waits for it.
///
/// # Errors
/// [`Code::AgentAbsent`] when there is none.
pub(crate) fn sync(folder: &Path) -> Result<(), Fault> {
    use std::io::{Read as _, Write as _};
    let path: PathBuf = folder.join(NAME);
    let absent = |error: std::io::Error| {
        Fault::new(Code::AgentAbsent, "no agent of this host answers")
            .kernel(format!("{}: {error}", path.display()))
            .or_try("systemctl start ropewalk-agent   or, without an agent: ropewalk repair")
    };
    let mut stream = std::os::unix::net::UnixStream::connect(&path).map_err(absent)?;
    let mut answer = String::new();
    let asked = stream
        .set_read_timeout(Some(LOOK + PATIENCE))
        .and_then(|()| stream.write_all(b"POST /sync HTTP/1.1\r\nHost: agent\r\n\r\n"))
        .and_then(|()| stream.read_to_string(&mut answer));
    asked.map_err(absent)?;
    match answer.contains(" 200 ") {
        true => Ok(()),
        false => {
            let said = answer.lines().last().unwrap_or_default().to_owned();
            Err(Fault::new(Code::Kernel, "the agent could not look at everything").cause(said))
        }
    }
}
