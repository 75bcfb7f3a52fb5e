//! Listeners against the running kernel.

use std::os::fd::OwnedFd;

use ropewalk_testnet::Private;
use ropewalk_wire::diag::{self, Listener};
use rustix::net::{AddressFamily, SocketType, bind, connect, listen, socket, sockopt};

use crate::socket::Socket;

const TCP: u8 = 6;
const UDP: u8 = 17;

fn bound(kind: SocketType, at: &str, v6only: bool) -> OwnedFd {
    let at: std::net::SocketAddr = at.parse().unwrap();
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = socket(family, kind, None).unwrap();
    if v6only {
        sockopt::set_ipv6_v6only(&fd, true).unwrap();
    }
    bind(&fd, &at).unwrap();
    if kind == SocketType::STREAM {
        listen(&fd, 1).unwrap();
    }
    fd
}

fn found(proto: u8, v6: bool, port: Option<u16>) -> Vec<Listener> {
    let kept = Socket::diag().must(&[diag::listeners(proto, v6, port)]);
    let mut all: Vec<_> =
        kept.iter().filter_map(|k| diag::listener(&k.message()).unwrap()).collect();
    all.sort_by_key(|l| l.port);
    all
}

fn inode(fd: &OwnedFd) -> u32 {
    rustix::fs::fstat(fd).unwrap().st_ino.try_into().unwrap()
}

#[test]
fn listeners_are_found_with_address_port_and_inode() {
    let _net = Private::enter();
    let any = bound(SocketType::STREAM, "0.0.0.0:80", false);
    let own = bound(SocketType::STREAM, "127.0.0.1:81", false);
    let six = bound(SocketType::STREAM, "[::]:82", true);
    let both = bound(SocketType::STREAM, "[::]:83", false);
    let tell = |l: &Listener| (l.addr.to_string(), l.port, l.v6only, l.inode);
    let v4: Vec<_> = found(TCP, false, None).iter().map(tell).collect();
    assert_eq!(
        v4,
        [
            ("0.0.0.0".to_owned(), 80, false, inode(&any)),
            ("127.0.0.1".to_owned(), 81, false, inode(&own)),
        ]
    );
    let v6: Vec<_> = found(TCP, true, None).iter().map(tell).collect();
    assert_eq!(
        v6,
        [("::".to_owned(), 82, true, inode(&six)), ("::".to_owned(), 83, false, inode(&both)),]
    );
    let one = found(TCP, false, Some(81));
    assert_eq!(one.iter().map(|l| l.port).collect::<Vec<_>>(), [81]);
    assert_eq!(found(TCP, false, Some(82)), []);
    assert!(one.iter().all(|l| l.cookie != 0 && l.uid == 0));
}

#[test]
fn datagram_sockets_that_are_connected_take_no_port() {
    let _net = Private::enter();
    let _bound = bound(SocketType::DGRAM, "127.0.0.1:53", false);
    let connected = bound(SocketType::DGRAM, "127.0.0.1:54", false);
    let to: std::net::SocketAddr = "127.0.0.1:53".parse().unwrap();
    connect(&connected, &to).unwrap();
    assert_eq!(found(UDP, false, None).iter().map(|l| l.port).collect::<Vec<_>>(), [53]);
    assert_eq!(found(UDP, false, Some(54)), []);
}
