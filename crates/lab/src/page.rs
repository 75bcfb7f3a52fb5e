//! A page over HTTP: fetching one, and the server that says who asked.
//!
//!     GET / ──▶ 200  "You are 192.168.2.20.\n"
//!
//! What the server sees tells whether an address was translated on the way.
//! Never here: namespaces; both work in the one that the thread is in.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// The most of a page that is read.
const MOST: u64 = 16 * 1024;

/// How long a server waits for the request of one who has connected.
const PATIENCE: Duration = Duration::from_secs(2);

/// Fetches the page at `to`, trying for `limit`; returns its text.
///
/// # Errors
/// Why it cannot be had; `InvalidData` when what comes is no page.
pub(crate) fn fetch(to: SocketAddr, limit: Duration) -> io::Result<String> {
    let begun = Instant::now();
    let left = || limit.checked_sub(begun.elapsed()).filter(|left| !left.is_zero());
    let timed_out = || io::Error::from(io::ErrorKind::TimedOut);
    let mut stream = loop {
        match TcpStream::connect_timeout(&to, left().ok_or_else(timed_out)?) {
            Ok(stream) => break stream,
            // The server may still be starting.
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused && left().is_some() => {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            Err(e) => return Err(e),
        }
    };
    stream.set_read_timeout(Some(left().ok_or_else(timed_out)?))?;
    write!(stream, "GET / HTTP/1.0\r\nHost: {to}\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(MOST).read_to_end(&mut bytes)?;
    text(&String::from_utf8_lossy(&bytes)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The text of a page that was found.
fn text(answer: &str) -> Option<String> {
    let (head, text) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    (status == "200").then(|| text.to_owned())
}

/// Whom the server of a page says it saw.
pub(crate) fn seen(text: &str) -> Option<IpAddr> {
    text.strip_prefix("You are ")?.split_once(".\n")?.0.parse().ok()
}

/// Serves the page on `port`, on every address of both families, until the process ends.
///
/// # Errors
/// When the port cannot be had.
pub fn serve(port: u16) -> io::Result<()> {
    let any = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    let any = any.map(|ip| SocketAddr::new(ip, port));
    let listener = TcpListener::bind(any.as_slice())?;
    for stream in listener.incoming() {
        // One who went away before the answer is no reason to stop.
        let _answered = stream.and_then(answer);
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let who = stream.peer_addr()?.ip().to_canonical();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < 4096 {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        request.extend(byte);
    }
    let text = format!("You are {who}.\n");
    let head = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nConnection: close";
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_that_was_found_counts() {
        assert_eq!(text("HTTP/1.0 200 OK\r\nA: b\r\n\r\nhello").as_deref(), Some("hello"));
        for bad in ["", "HTTP/1.0 404 No\r\n\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\n"] {
            assert_eq!(text(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_page_tells_who_asked() {
        assert_eq!(seen("You are 10.0.0.1.\n"), Some([10, 0, 0, 1].into()));
        assert_eq!(seen("You are fd00::1.\n"), "fd00::1".parse().ok());
        assert_eq!(seen("You are lost.\n"), None);
    }
}
