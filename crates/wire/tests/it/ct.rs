//! Connection tracking against the running kernel, with `conntrack` as witness.

use ropewalk_testnet::Private;
use ropewalk_wire::ct::{self, To};

use crate::socket::Socket;

const UDP: u8 = 17;

fn entry(proto: &str, src: &str, dst: &str, ports: (u16, u16)) -> String {
    let (sport, dport) = ports;
    let state = if proto == "tcp" { "--state ESTABLISHED" } else { "" };
    format!(
        "conntrack -I -p {proto} -s {src} -d {dst} --sport {sport} --dport {dport} \
         --timeout 100 {state} 2>&1\n"
    )
}

fn filled() -> (Private, Socket) {
    let net = Private::enter();
    let all = [
        entry("udp", "10.0.0.1", "10.0.0.9", (1000, 53)),
        entry("udp", "10.0.0.2", "10.0.0.9", (1000, 53)),
        entry("udp", "10.0.0.2", "10.0.0.8", (1001, 53)),
        entry("udp", "10.0.0.2", "10.0.0.9", (53, 54)),
        entry("tcp", "10.0.0.1", "10.0.0.9", (1000, 53)),
        entry("udp", "fd00::1", "fd00::9", (1000, 53)),
        entry("udp", "fd00::1", "fd00::8", (1000, 53)),
    ];
    net.sh(&all.concat());
    (net, Socket::netfilter())
}

/// The entries that are left, told by the tool.
fn left(net: &Private) -> Vec<String> {
    let all = net.sh("conntrack -L -f ipv4 2>/dev/null; conntrack -L -f ipv6 2>/dev/null");
    let field = |line: &str, name: &str| {
        line.split_whitespace().find_map(|w| w.strip_prefix(name)).map(str::to_owned).unwrap()
    };
    let line = |l: &str| {
        let proto = l.split_whitespace().next().unwrap().to_owned();
        format!("{proto} {} {} {}", field(l, "src="), field(l, "dst="), field(l, "dport="))
    };
    let mut all: Vec<_> = all.lines().map(line).collect();
    all.sort();
    all
}

#[test]
fn one_request_removes_the_flows_to_a_port_and_no_others() {
    let (net, socket) = filled();
    assert_eq!(left(&net).len(), 7);
    let to = To { v6: false, proto: UDP, port: 53, addr: "10.0.0.9".parse().ok() };
    socket.must(&[ct::purge(&to).unwrap().unwrap()]);
    assert_eq!(
        left(&net),
        [
            "tcp 10.0.0.1 10.0.0.9 53",
            "udp 10.0.0.2 10.0.0.8 53",
            "udp 10.0.0.2 10.0.0.9 54",
            "udp fd00::1 fd00::8 53",
            "udp fd00::1 fd00::9 53",
        ]
    );
    socket.must(&[ct::purge(&To { addr: None, ..to }).unwrap().unwrap()]);
    assert_eq!(left(&net).len(), 4, "{:?}", left(&net));
    let all = To { v6: true, addr: None, ..to };
    socket.must(&[ct::purge(&all).unwrap().unwrap()]);
    assert_eq!(left(&net), ["tcp 10.0.0.1 10.0.0.9 53", "udp 10.0.0.2 10.0.0.9 54"]);
}

#[test]
fn flows_to_one_ipv6_address_are_told_apart_by_us() {
    let (net, socket) = filled();
    let to = To { v6: true, proto: UDP, port: 53, addr: "fd00::9".parse().ok() };
    assert_eq!(ct::purge(&to), Ok(None));
    let kept = socket.must(&[ct::find(&to).unwrap()]);
    let flows = kept.iter().map(|k| ct::flow(&k.message()).unwrap().unwrap());
    for flow in flows.filter(|f| to.takes(f)) {
        socket.must(&[ct::delete(&flow).unwrap()]);
    }
    assert!(left(&net).iter().any(|l| l == "udp fd00::1 fd00::8 53"));
    assert!(!left(&net).iter().any(|l| l == "udp fd00::1 fd00::9 53"));
}

#[test]
fn nothing_to_remove_is_no_error() {
    let (net, socket) = filled();
    let to = To { v6: false, proto: UDP, port: 9, addr: None };
    socket.must(&[ct::purge(&to).unwrap().unwrap()]);
    assert_eq!(left(&net).len(), 7);
}

#[test]
fn flows_to_a_port_are_found_and_removed_one_by_one() {
    let (net, socket) = filled();
    for (v6, count) in [(false, 3), (true, 2)] {
        let to = To { v6, proto: UDP, port: 53, addr: None };
        let kept = socket.must(&[ct::find(&to).unwrap()]);
        let flows: Vec<_> = kept.iter().map(|k| ct::flow(&k.message()).unwrap().unwrap()).collect();
        assert_eq!(flows.len(), count, "{flows:?}");
        assert!(flows.iter().all(|f| to.takes(f)));
        for flow in &flows {
            socket.must(&[ct::delete(flow).unwrap()]);
        }
        let (outcome, _) = socket.ask(&ct::delete(flows.first().unwrap()).unwrap());
        assert_eq!(outcome.errno, libc::ENOENT);
    }
    assert_eq!(left(&net), ["tcp 10.0.0.1 10.0.0.9 53", "udp 10.0.0.2 10.0.0.9 54"]);
}
