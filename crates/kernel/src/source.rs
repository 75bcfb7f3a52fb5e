//! Which of its addresses the host uses towards another.
//!
//!     ip route get 10.0.0.50     … src 10.0.0.1
//!
//! Asked by connecting a socket of UDP, which sends nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The address of this namespace that packets to `ip` leave with; `ip` itself where it is one of
/// its own, none where there is no way to it.
#[must_use]
pub fn source_to(ip: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    // The discard service's port; any would do.
    socket.connect(SocketAddr::new(ip, 9)).ok()?;
    socket.local_addr().ok().map(|addr| addr.ip())
}
