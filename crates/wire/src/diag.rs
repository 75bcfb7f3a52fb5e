//! Who listens where (sock_diag).
//!
//!     ss -Hlntu 'sport = :8080'
//!
//! struct inet_diag_req_v2 { family u8, protocol u8, ext u8, pad u8, states u32, id }
//! struct inet_diag_msg    { family u8, state u8, timer u8, retrans u8, id, expires u32, rqueue
//!                           u32, wqueue u32, uid u32, inode u32 }, attributes
//! id = { sport be16, dport be16, src [u8; 16], dst [u8; 16], if u32, cookie [u32; 2] }
//!
//! Never here: which process holds a socket; that stands under /proc.

use std::net::IpAddr;

use crate::Error;
use crate::consts::consts;
use crate::nl::{Message, Request, attrs, flag, u32_at};

consts! {
    "linux/sock_diag.h";
    SOCK_DIAG_BY_FAMILY: u16 = 20;

    "linux/inet_diag.h";
    INET_DIAG_SKV6ONLY: u16 = 11;

    "linux/bpf.h";
    BPF_TCP_CLOSE: u32 = 7;
    BPF_TCP_LISTEN: u32 = 10;

    "linux/in.h";
    IPPROTO_UDP: u8 = 17;
}

use crate::family::{AF_INET, AF_INET6};

/// Length of `struct inet_diag_req_v2`.
const REQUEST: usize = 56;
/// Length of `struct inet_diag_msg`.
const HEADER: usize = 72;

/// A socket that takes what is sent to its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The address it is bound to; all zero for any.
    pub addr: IpAddr,
    /// Its port.
    pub port: u16,
    /// IPv6 only: it does not take IPv4.
    pub v6only: bool,
    /// The index of the interface that it is bound to; 0 for any.
    pub dev: u32,
    /// The inode of the socket, by which `/proc/PID/fd` names it.
    pub inode: u32,
    /// The user who made it.
    pub uid: u32,
    /// Its number, never used twice.
    pub cookie: u64,
    /// TCP: how many connections wait to be taken.
    pub waiting: u32,
    /// TCP: how many may wait.
    pub room: u32,
}

/// Asks for those who listen by `proto` (6, 17, 132) on IPv4 or IPv6: on `port`, or on any. Of
/// UDP, the bound sockets that are not connected.
#[must_use]
pub fn listeners(proto: u8, v6: bool, port: Option<u16>) -> Request {
    let state = if proto == IPPROTO_UDP { BPF_TCP_CLOSE } else { BPF_TCP_LISTEN };
    let mut body = vec![if v6 { AF_INET6 } else { AF_INET }, proto, 0, 0];
    body.extend((1u32 << state).to_ne_bytes());
    body.extend(port.unwrap_or(0).to_be_bytes());
    body.resize(REQUEST, 0);
    Request { kind: SOCK_DIAG_BY_FAMILY, flags: flag::DUMP, body }
}

/// The socket that an answer tells of; `None` for a message of another kind, and for a socket
/// that is not bound.
///
/// # Errors
/// [`Error::Malformed`].
pub fn listener(message: &Message<'_>) -> Result<Option<Listener>, Error> {
    if message.kind != SOCK_DIAG_BY_FAMILY {
        return Ok(None);
    }
    let found = read(message.body).ok_or(Error::Malformed { kind: message.kind })?;
    Ok(Some(found).filter(|l| l.port != 0))
}

fn read(body: &[u8]) -> Option<Listener> {
    let src = body.get(8..24)?;
    let addr = match *body.first()? {
        AF_INET => IpAddr::from(src.first_chunk::<4>().copied()?),
        AF_INET6 => IpAddr::from(<[u8; 16]>::try_from(src).ok()?),
        _ => return None,
    };
    let v6only = attrs(body.get(HEADER..)?).first(INET_DIAG_SKV6ONLY).and_then(|a| a.u8());
    Some(Listener {
        addr,
        port: u16::from_be_bytes(body.get(4..)?.first_chunk().copied()?),
        v6only: v6only.is_some_and(|v| v != 0),
        dev: u32_at(body, 40)?,
        inode: u32_at(body, 68)?,
        uid: u32_at(body, 64)?,
        cookie: u64::from_ne_bytes(body.get(44..)?.first_chunk().copied()?),
        waiting: u32_at(body, 56)?,
        room: u32_at(body, 60)?,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_those_of_the_kernels_headers() {
        crate::uapi::compare(super::UAPI);
    }

    fn sample() -> Vec<u8> {
        let mut body = vec![0; HEADER];
        body[0] = AF_INET6;
        body[4..6].copy_from_slice(&8080u16.to_be_bytes());
        body[23] = 1;
        body[44] = 9;
        body[68] = 77;
        body.extend([5, 0, 11, 0, 1, 0, 0, 0]);
        body
    }

    fn message(body: &[u8]) -> Message<'_> {
        Message { kind: SOCK_DIAG_BY_FAMILY, flags: 0, seq: 0, pid: 0, body }
    }

    #[test]
    fn an_answer_is_read_and_no_prefix_of_it_panics() {
        let body = sample();
        let found = listener(&message(&body)).unwrap().unwrap();
        assert_eq!((found.addr, found.port), ("::1".parse().unwrap(), 8080));
        assert_eq!((found.inode, found.cookie, found.v6only), (77, 9, true));
        for end in 0..HEADER {
            assert!(listener(&message(&body[..end])).is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_do_not_panic(body in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = listener(&message(&body));
        }
    }
}
