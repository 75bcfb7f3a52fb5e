//! Whether a port is free.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

use ropewalk_kernel::port_free;
use ropewalk_testnet::Private;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

#[test]
fn a_listener_holds_its_port_in_its_family() {
    let _net = Private::enter();
    let listener = TcpListener::bind("127.0.0.1:8080").unwrap();
    assert!(!port_free(V4, 6, 8080).unwrap());
    assert!(port_free(V4, 6, 8081).unwrap());
    assert!(port_free(V6, 6, 8080).unwrap());
    assert!(port_free(V4, 17, 8080).unwrap());
    drop(listener);
    assert!(port_free(V4, 6, 8080).unwrap());
}

#[test]
fn a_udp_socket_holds_its_port() {
    let _net = Private::enter();
    let _socket = UdpSocket::bind("[::1]:53").unwrap();
    assert!(!port_free(V6, 17, 53).unwrap());
    assert!(port_free(V4, 17, 53).unwrap());
}

#[test]
fn an_address_of_nobody_is_free() {
    let _net = Private::enter();
    assert!(port_free("192.0.2.1".parse().unwrap(), 6, 80).unwrap());
}
