//! Questions to an engine: HTTP over its local socket, with an end to patience and to length.
//!
//! Never here: what the questions and answers mean.

use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::engine::Engine;
use crate::error::Error;

/// How long an engine is waited for, connection and all questions together.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most bytes of an answer; a container with many mounts and labels has some tens of thousands.
const LIMIT: usize = 4 << 20;

/// A connection to an engine.
pub(crate) struct Client {
    engine: Engine,
    sender: SendRequest<Empty<Bytes>>,
}

/// Connects, does what is to be done, and hangs up.
pub(crate) fn with<T>(
    engine: Engine,
    socket: &Path,
    work: impl AsyncFnOnce(&mut Client) -> Result<T, Error>,
) -> Result<T, Error> {
    let away = |source| Error::Away { engine, socket: socket.to_owned(), source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(away)?.block_on(async {
        let talk = async {
            let stream = UnixStream::connect(socket).await.map_err(away)?;
            let (sender, connection) = handshake(TokioIo::new(stream))
                .await
                .map_err(|source| Error::Speech { engine, source })?;
            // Ends with the runtime; what goes wrong on the connection, the sender is told too.
            tokio::spawn(connection);
            work(&mut Client { engine, sender }).await
        };
        let slow =
            |_| Error::Slow { engine, socket: socket.to_owned(), seconds: PATIENCE.as_secs() };
        tokio::time::timeout(PATIENCE, talk).await.map_err(slow)?
    })
}

impl Client {
    /// Asks one question; the status and the bytes of the answer.
    pub(crate) async fn ask(&mut self, question: Uri) -> Result<(u16, Bytes), Error> {
        let engine = self.engine;
        let speech = |source| Error::Speech { engine, source };
        self.sender.ready().await.map_err(speech)?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = question;
        // HTTP/1.1 wants a host; on a local socket any will do.
        request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
        let answer = self.sender.send_request(request).await.map_err(speech)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), LIMIT).collect().await;
        let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(source) => Error::Speech { engine, source: *source },
            Err(_longer) => Error::TooLong { engine, limit: LIMIT },
        })?;
        Ok((status, body.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

    /// Answers one request on a socket with these bytes, and hangs up.
    fn told(name: &str, answer: Vec<u8>) -> Result<(u16, Bytes), Error> {
        let path = std::env::temp_dir().join(format!("ropewalk-{name}-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let other = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let count = stream.read(&mut request).unwrap();
            // Who hangs up at the limit does not read it all.
            let _cut = stream.write_all(&answer);
            String::from_utf8_lossy(request.get(..count).unwrap()).into_owned()
        });
        let question = Uri::from_static("/containers/web/json");
        let result = with(Engine::Docker, &path, async |client| client.ask(question).await);
        std::fs::remove_file(&path).unwrap();
        let request = other.join().unwrap();
        assert!(request.starts_with("GET /containers/web/json HTTP/1.1\r\n"), "{request}");
        result
    }

    #[test]
    fn an_answer_is_its_status_and_its_bytes() {
        let (status, body) =
            told("plain", b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}".into()).unwrap();
        assert_eq!((status, body.as_ref()), (404, b"{}".as_ref()));
    }

    #[test]
    fn an_answer_without_end_is_given_up() {
        let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        answer.resize(LIMIT + 4096, b' ');
        let refused = told("long", answer).unwrap_err();
        assert!(matches!(refused, Error::TooLong { limit: LIMIT, .. }), "{refused}");
    }

    #[test]
    fn nonsense_is_refused() {
        for (name, answer) in [
            ("noise", b"\x00\xff\x00\xff\r\n\r\n".to_vec()),
            ("cut", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}".to_vec()),
            ("nothing", Vec::new()),
        ] {
            let refused = told(name, answer).unwrap_err();
            assert!(matches!(refused, Error::Speech { .. }), "{name}: {refused}");
        }
    }

    #[test]
    fn nobody_there() {
        let refused = with(Engine::Podman, Path::new("/nowhere/socket"), async |_| Ok(()));
        let refused = refused.unwrap_err().to_string();
        let said = "the podman engine does not answer on /nowhere/socket: No such file";
        assert!(refused.starts_with(said), "{refused}");
    }
}
