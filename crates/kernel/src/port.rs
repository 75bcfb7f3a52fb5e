//! Whether a port can be bound: the cheap question, before anybody is asked who holds it.

use std::net::{IpAddr, SocketAddr};

use rustix::io::Errno as Sys;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{
    AddressFamily, Protocol, RawProtocol, SocketFlags, SocketType, bind, socket_with,
};

use crate::error::{Doing, Error, sys};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// True when no process of this namespace holds `port` of `addr`. `proto` is the IP protocol (6
/// TCP, 17 UDP, 132 SCTP); one that the kernel does not have is free, and so is an address that
/// the host does not have.
///
/// # Errors
/// When the kernel does not let us try, for want of rights say.
pub fn port_free(addr: IpAddr, proto: u8, port: u16) -> Result<bool, Error> {
    let refused = sys(Doing::Probe);
    let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = if proto == UDP { SocketType::DGRAM } else { SocketType::STREAM };
    let raw = RawProtocol::new(u32::from(proto)).map(Protocol::from_raw);
    let socket = match socket_with(family, kind, SocketFlags::CLOEXEC, raw) {
        Ok(socket) => socket,
        Err(Sys::PROTONOSUPPORT | Sys::SOCKTNOSUPPORT | Sys::AFNOSUPPORT) => return Ok(true),
        Err(e) => return Err(refused(e)),
    };
    if addr.is_ipv6() {
        set_ipv6_v6only(&socket, true).map_err(&refused)?;
    }
    if proto == TCP {
        // Connections that are only waiting to be forgotten (TIME_WAIT) hold nothing.
        set_socket_reuseaddr(&socket, true).map_err(&refused)?;
    }
    match bind(&socket, &SocketAddr::new(addr, port)) {
        Ok(()) | Err(Sys::ADDRNOTAVAIL) => Ok(true),
        Err(Sys::ADDRINUSE) => Ok(false),
        Err(e) => Err(refused(e)),
    }
}
