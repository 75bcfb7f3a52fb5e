//! Servers in containers, and clients that ask them who they are and whom they see.
//!
//!     let server = host.serve("c1", "tcp", "10.9.0.2:80")?;      answers "c1 192.0.2.1" to a peer 192.0.2.1
//!     host.ask("lan", "tcp", "192.0.2.1:8080")                   that answer, or None
//!
//! A server ends when it is dropped.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Host;
use crate::check::{Held, Miss, that, wrong};
use crate::host::enter;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(2500);
/// How long is waited for one that must not come.
const SHORT: Duration = Duration::from_millis(300);
/// How long it takes until a question by UDP is asked again.
const AGAIN: Duration = Duration::from_millis(150);

/// A server on a thread of its own.
#[derive(Debug)]
pub(crate) struct Server {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

enum Ear {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Host {
    /// A server in a container (on the host if it has no name): `tcp` or `udp`, at an address.
    pub(crate) fn serve(&self, container: &str, way: &str, at: &str) -> Result<Server, Miss> {
        let over = Arc::new(AtomicBool::new(false));
        let (said, hears) = std::sync::mpsc::channel();
        let (watched, place) = (Arc::clone(&over), container.to_owned());
        let (tcp, address) = (way == "tcp", at.to_owned());
        let thread = std::thread::spawn(move || {
            let listens = enter(&place).map_err(|miss| format!("{miss:?}")).and_then(|()| {
                let bind = || {
                    if tcp {
                        TcpListener::bind(&address).map(Ear::Tcp)
                    } else {
                        UdpSocket::bind(&address).map(Ear::Udp)
                    }
                };
                // A program that another thread is just starting holds what was open until it runs.
                let mut ear = bind();
                for _ in 0..100 {
                    if !ear.as_ref().is_err_and(|why| why.kind() == ErrorKind::AddrInUse) {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(10));
                    ear = bind();
                }
                ear.map_err(|why| why.to_string())
            });
            match listens {
                Ok(ear) => {
                    said.send(None).ok();
                    answer(&ear, &place, &watched);
                }
                Err(why) => drop(said.send(Some(why))),
            }
        });
        let server = Server { over, thread: Some(thread) };
        match hears.recv() {
            Ok(None) => Ok(server),
            Ok(Some(why)) => {
                wrong(&format!("a {way} server in {container:?} at {at}"), "it listens", why)
            }
            Err(_) => wrong(at, "a server", "its thread ended"),
        }
    }

    /// Asks the server at an address who it is and whom it sees; none when nobody answers.
    pub(crate) fn ask(&self, container: &str, way: &str, at: &str) -> Result<Option<String>, Miss> {
        self.ask_for(container, way, at, PATIENCE)
    }

    /// The server must answer that it is `name`; the address of the peer that it sees.
    pub(crate) fn reaches(
        &self,
        container: &str,
        way: &str,
        at: &str,
        name: &str,
    ) -> Result<String, Miss> {
        let what = format!("{way} from {container:?} to {at}");
        match self.ask(container, way, at)? {
            Some(answer) => match answer.split_once(' ') {
                Some((found, peer)) if found == name => Ok(peer.to_owned()),
                _ => wrong(&what, format!("an answer of {name:?}"), answer),
            },
            None => wrong(&what, format!("an answer of {name:?}"), "no answer"),
        }
    }

    /// Nobody must answer.
    pub(crate) fn misses(&self, container: &str, way: &str, at: &str) -> Held {
        let answer = self.ask_for(container, way, at, SHORT)?;
        let what = format!("{way} from {container:?} to {at}");
        that(answer.is_none(), &what, "no answer", answer.as_deref().unwrap_or_default())
    }

    fn ask_for(
        &self,
        container: &str,
        way: &str,
        at: &str,
        patience: Duration,
    ) -> Result<Option<String>, Miss> {
        let Ok(address) = at.parse::<SocketAddr>() else {
            return wrong(at, "an address with a port", "none");
        };
        self.within(container, || match way {
            "tcp" => ask_tcp(address, patience),
            _ => ask_udp(address, patience, None),
        })
    }

    /// As [`Host::ask`] by UDP, from a port of the client's that stays the same.
    pub(crate) fn ask_from(
        &self,
        container: &str,
        port: u16,
        at: &str,
    ) -> Result<Option<String>, Miss> {
        let Ok(address) = at.parse::<SocketAddr>() else {
            return wrong(at, "an address with a port", "none");
        };
        self.within(container, || ask_udp(address, PATIENCE, Some(port)))
    }
}

fn ask_tcp(at: SocketAddr, patience: Duration) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&at, patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// A question may get lost while links come up: it is asked again.
fn ask_udp(at: SocketAddr, patience: Duration, port: Option<u16>) -> Option<String> {
    let any = if at.is_ipv4() { "0.0.0.0" } else { "[::]" };
    let socket = UdpSocket::bind(format!("{any}:{}", port.unwrap_or_default())).ok()?;
    socket.connect(at).ok()?;
    socket.set_read_timeout(Some(AGAIN)).ok()?;
    let begun = Instant::now();
    while begun.elapsed() < patience {
        socket.send(b"who").ok();
        let mut answer = [0; 200];
        if let Ok(length) = socket.recv(&mut answer) {
            return Some(String::from_utf8_lossy(answer.get(..length)?).into_owned());
        }
    }
    None
}

fn answer(ear: &Ear, name: &str, over: &AtomicBool) {
    let wait = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    while !over.load(Ordering::Relaxed) {
        let fd = match ear {
            Ear::Tcp(ear) => ear.as_fd(),
            Ear::Udp(ear) => ear.as_fd(),
        };
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        if !matches!(poll(&mut fds, Some(&wait)), Ok(1..)) {
            continue;
        }
        match ear {
            Ear::Tcp(ear) => {
                if let Ok((mut stream, peer)) = ear.accept() {
                    write!(stream, "{name} {}", plain(peer)).ok();
                }
            }
            Ear::Udp(ear) => {
                let mut words = [0; 200];
                if let Ok((_, peer)) = ear.recv_from(&mut words) {
                    ear.send_to(format!("{name} {}", plain(peer)).as_bytes(), peer).ok();
                }
            }
        }
    }
}

/// The address, an IPv4 one that came to an IPv6 socket as what it is.
fn plain(peer: SocketAddr) -> String {
    peer.ip().to_canonical().to_string()
}
