//! firewalld, asked over D-Bus: sources of its zones.
//!
//!     firewall-cmd --zone=trusted --add-source=10.22.0.5/32
//!
//! One connection to the system's bus for each question, ended with it. firewalld is never started.
//! Never here: messages (`wire::dbus`), which zone.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ropewalk_wire::dbus::{self, Call, Reply, Said};

/// Where the system's bus listens, unless `DBUS_SYSTEM_BUS_ADDRESS` says otherwise.
const SOCKET: &str = "/run/dbus/system_bus_socket";
/// How long an answer is waited for; firewalld answers when its rules are in the kernel.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many messages that are no answer are passed over: signals, for one.
const OTHERS: usize = 64;
/// The longest line of the bus before messages begin.
const LINE: usize = 4096;

const BUS: (&str, &str) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
const DAEMON: (&str, &str) = ("org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1");
const ZONE: &str = "org.fedoraproject.FirewallD1.zone";
/// Its program. Where there is none, nobody is asked.
const PROGRAMS: [&str; 3] =
    ["/usr/sbin/firewalld", "/usr/bin/firewalld", "/usr/local/sbin/firewalld"];

/// Why firewalld did not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bus cannot be spoken to.
    #[error("D-Bus: {0}")]
    Bus(#[from] io::Error),
    /// The bus, or firewalld, said no.
    #[error("{name}: {text}")]
    Refused {
        /// The kind of refusal.
        name: String,
        /// In words.
        text: String,
    },
    /// The answer is none.
    #[error("D-Bus: an answer that is none")]
    Nonsense,
}

/// True when firewalld has its name on the system's bus.
#[must_use]
pub fn runs() -> bool {
    if !PROGRAMS.iter().any(|path| Path::new(path).exists()) {
        return false;
    }
    let owner = |mut bus: Bus| bus.ask(BUS, BUS.0, "GetNameOwner", &[DAEMON.0]);
    matches!(Bus::open().and_then(owner), Ok(Said::Text(_)))
}

/// Adds a source to a zone. One that is in a zone already stays there.
///
/// # Errors
/// [`Error`]
pub fn add(zone: &str, source: &str) -> Result<(), Error> {
    tolerant(ask("addSource", zone, source), &["ZONE_ALREADY_SET", "ALREADY_ENABLED"])
}

/// Takes a source from a zone, where it is in it. A firewalld that does not run has none.
///
/// # Errors
/// [`Error`]
pub fn remove(zone: &str, source: &str) -> Result<(), Error> {
    match ask("removeSource", zone, source) {
        Err(Error::Bus(_)) => Ok(()),
        Err(Error::Refused { name, .. }) if is_away(&name) => Ok(()),
        other => tolerant(other, &["UNKNOWN_SOURCE", "NOT_ENABLED", "ZONE_CONFLICT"]),
    }
}

/// True when a zone has a source.
///
/// # Errors
/// [`Error`]
pub fn has(zone: &str, source: &str) -> Result<bool, Error> {
    ask("querySource", zone, source).map(|said| said == Said::Truth(true))
}

fn ask(member: &str, zone: &str, source: &str) -> Result<Said, Error> {
    Bus::open()?.ask(DAEMON, ZONE, member, &[zone, source])
}

/// No error where the words of a refusal begin so.
fn tolerant(done: Result<Said, Error>, begins: &[&str]) -> Result<(), Error> {
    match done {
        Err(Error::Refused { text, .. }) if begins.iter().any(|word| text.starts_with(word)) => {
            Ok(())
        }
        other => other.map(drop),
    }
}

/// True for the kinds of refusal that say that nobody has the name.
fn is_away(name: &str) -> bool {
    ["ServiceUnknown", "NameHasNoOwner"].iter().any(|end| name.ends_with(end))
}

/// A connection to the system's bus.
struct Bus {
    socket: UnixStream,
    serial: u32,
}

impl Bus {
    fn open() -> Result<Self, Error> {
        let address = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_default();
        let path =
            address.strip_prefix("unix:path=").and_then(|rest| rest.split([',', ';']).next());
        let socket = UnixStream::connect(path.unwrap_or(SOCKET))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut bus = Self { socket, serial: 0 };
        bus.introduce()?;
        bus.ask(BUS, BUS.0, "Hello", &[])?;
        Ok(bus)
    }

    /// Who we are, the kernel tells the bus.
    fn introduce(&mut self) -> Result<(), Error> {
        let uid = rustix::process::geteuid().as_raw().to_string();
        let hex: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.socket.write_all(format!("\0AUTH EXTERNAL {hex}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.socket.read_exact(&mut byte)?;
            line.extend(byte);
            if line.len() > LINE {
                return Err(Error::Nonsense);
            }
        }
        if !line.starts_with(b"OK ") {
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            return Err(Error::Refused { name: "AUTH".into(), text });
        }
        Ok(self.socket.write_all(b"BEGIN\r\n")?)
    }

    fn ask(
        &mut self,
        (destination, path): (&str, &str),
        interface: &str,
        member: &str,
        words: &[&str],
    ) -> Result<Said, Error> {
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        let call = Call { serial, destination, path, interface, member, words };
        self.socket.write_all(&call.bytes())?;
        for _ in 0..OTHERS {
            match self.hear()? {
                Some(Reply { serial, said }) if serial == self.serial => {
                    return match said {
                        Said::Error { name, text } => Err(Error::Refused { name, text }),
                        said @ (Said::Text(_) | Said::Truth(_) | Said::Other) => Ok(said),
                    };
                }
                Some(_) | None => {}
            }
        }
        Err(Error::Nonsense)
    }

    /// The next message, if it is an answer.
    fn hear(&mut self) -> Result<Option<Reply>, Error> {
        let mut head = [0; dbus::HEAD];
        self.socket.read_exact(&mut head)?;
        let length = dbus::whole(&head).ok_or(Error::Nonsense)?;
        let mut message = head.to_vec();
        message.resize(length, 0);
        let rest = message.get_mut(dbus::HEAD..).ok_or(Error::Nonsense)?;
        self.socket.read_exact(rest)?;
        Ok(dbus::reply(&message))
    }
}
