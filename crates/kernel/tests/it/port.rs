//! Whether a port is free.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

use ropewalk_facts::Ns;
use ropewalk_kernel::{Kernel, listeners, port_free};
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

#[test]
fn who_holds_a_port_is_named() {
    let _net = Private::enter();
    let _tcp = TcpListener::bind("127.0.0.1:8080").unwrap();
    let _udp = UdpSocket::bind("[::]:53").unwrap();
    let found = listeners(6, 8080).unwrap();
    assert_eq!(found.len(), 1);
    let holder = found[0].holder.clone().unwrap();
    assert_eq!(holder.pid, std::process::id());
    assert!(!holder.command.is_empty());
    let addr = |text: &str| text.parse::<IpAddr>().unwrap();
    assert!(found[0].takes(addr("127.0.0.1")) && found[0].takes(V4));
    assert!(!found[0].takes(addr("192.0.2.1")) && !found[0].takes(V6));
    let found = listeners(17, 53).unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].takes(V4) && found[0].takes(addr("fd00::1")), "{found:?}");
    assert_eq!(listeners(6, 8081).unwrap(), []);
}

/// Sends from `from` to `to`, and returns the sockets, which keep the flow alive.
fn flow(from: &str, to: &str) -> (UdpSocket, UdpSocket) {
    let (from, to) = (UdpSocket::bind(from).unwrap(), UdpSocket::bind(to).unwrap());
    from.send_to(b"x", to.local_addr().unwrap()).unwrap();
    (from, to)
}

#[test]
fn stale_udp_flows_are_forgotten_and_others_kept() {
    let net = Private::enter();
    net.sh("nft 'add table inet t; add chain inet t c { type filter hook output priority 0; };
              add rule inet t c ct state new counter'");
    net.sh("ip addr add fd00::1/128 dev lo nodad; ip addr add fd00::2/128 dev lo nodad");
    let flows = [
        flow("127.0.0.1:1001", "127.0.0.1:5353"),
        flow("127.0.0.1:1002", "127.0.0.2:5353"),
        flow("127.0.0.1:1003", "127.0.0.1:5354"),
        flow("[::1]:1004", "[fd00::1]:5353"),
        flow("[::1]:1005", "[fd00::2]:5353"),
    ];
    let left = || {
        let all = net.sh("cat /proc/net/nf_conntrack || conntrack -L 2>/dev/null");
        let mut ports: Vec<String> = Vec::new();
        for port in 1001..=1005 {
            if all.contains(&format!("sport={port} ")) {
                ports.push(port.to_string());
            }
        }
        ports.join(" ")
    };
    // An address on lo may take a moment until it can be reached.
    for _ in 0..50 {
        if left() == "1001 1002 1003 1004 1005" {
            break;
        }
        for (from, to) in &flows {
            from.send_to(b"x", to.local_addr().unwrap()).unwrap();
        }
    }
    assert_eq!(left(), "1001 1002 1003 1004 1005");
    let mut kernel = Kernel::new().unwrap();
    let mut forget = |port, addr: Option<&str>| {
        kernel.forget_udp(&Ns::HOST, port, addr.map(|a| a.parse().unwrap())).unwrap();
    };
    forget(5353, Some("127.0.0.2"));
    assert_eq!(left(), "1001 1003 1004 1005");
    forget(5353, Some("fd00::1"));
    assert_eq!(left(), "1001 1003 1005");
    forget(5353, None);
    assert_eq!(left(), "1003");
    forget(5353, None);
}
