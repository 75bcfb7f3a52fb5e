//! Published ports.

use ropewalk_engine::Code;

use crate::Host;
use crate::host::{bridge, endpoint, routed, said, same};

/// A process that ends with its test, however that ends.
struct Server(std::process::Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server in `ns` on `port` that answers every connection with the address it came from.
fn serve(ns: &str, port: u16) -> Server {
    let script = format!(
        "import socket\ns=socket.create_server(('::',{port}),family=socket.AF_INET6,dualstack_ipv6=True)\n\
         print('up',flush=True)\nwhile True:\n c,a=s.accept()\n c.sendall(a[0].encode())\n c.close()"
    );
    let mut child = std::process::Command::new("ip")
        .args(["netns", "exec", ns, "python3", "-c", &script])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
    Server(child)
}

fn ask(host: &Host, prefix: &str, addr: &str, port: u16) -> String {
    let script = format!(
        "import socket; print(socket.create_connection(('{addr}',{port}),2).recv(99).decode())"
    );
    host.sh(&format!("{prefix} python3 -c \"{script}\""))
}

fn everywhere(host: &Host, port: u16) {
    let red = "ip netns exec red";
    let blue = "ip netns exec blue";
    for (from, addr) in [
        ("ip netns exec lan", "10.0.0.1"),
        ("ip netns exec lan", "fd00:aa::1"),
        ("", "127.0.0.1"),
        ("", "10.0.0.1"),
        ("", "fd00:aa::1"),
        (blue, "10.0.0.1"),
        (blue, "fd00:aa::1"),
        (red, "10.0.0.1"),
        (red, "fd00:aa::1"),
    ] {
        assert!(!ask(host, from, addr, port).is_empty(), "{from} {addr}");
    }
}

#[test]
fn a_published_port_answers_everyone_on_a_bridge() {
    for netfilter in [0, 1] {
        let host = Host::new();
        crate::attach::outside(&host);
        host.sh(&format!(
            "for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do echo {netfilter} > $f; done"
        ));
        host.create(&bridge("web", &["192.168.15.0/24", "fd00:15::/64"]));
        host.attach("new:blue", "web").unwrap();
        let clean = host.snapshot();
        host.engine().attach(&endpoint("new:red", "web", &["8080:80"])).unwrap();
        let server = serve("red", 80);
        everywhere(&host, 8080);
        drop(server);
        host.engine().detach(&"netns:red".parse().unwrap(), None).unwrap();
        same(&clean, &host.snapshot());
    }
}

#[test]
fn ipv6_gets_in_within_the_second_after_the_first_attach() {
    let host = Host::new();
    crate::attach::outside(&host);
    host.create(&bridge("web", &["fd00:15::/64"]));
    host.engine().attach(&endpoint("new:red", "web", &["8080:80"])).unwrap();
    let _server = serve("red", 80);
    assert_eq!(ask(&host, "ip netns exec lan", "fd00:aa::1", 8080).trim(), "fd00:aa::2");
}

#[test]
fn a_published_port_answers_everyone_without_a_bridge() {
    let host = Host::new();
    crate::attach::outside(&host);
    host.create(&routed("far", &["10.9.0.0/24", "fd00:9::/64"]));
    host.attach("new:blue", "far").unwrap();
    host.attach("new:red", "far").unwrap();
    let before = host.snapshot();
    let red = "netns:red".parse().unwrap();
    host.engine().publish(&red, &["8080:80".parse().unwrap()]).unwrap();
    let server = serve("red", 80);
    everywhere(&host, 8080);
    drop(server);
    host.engine().unpublish(&red, &["8080:80".parse().unwrap()]).unwrap();
    let after = host.snapshot();
    // What lets 127.0.0.1 in stays on the leg as long as the leg.
    let left = crate::host::differences(&before, &after);
    assert!(left.iter().all(|line| line.contains("route_localnet")), "{left:?}");
}

#[test]
fn a_published_port_answers_everyone_with_addresses_of_the_lan() {
    let host = Host::new();
    crate::attach::outside(&host);
    host.create(&crate::flat::flat());
    let flat = crate::flat::endpoint;
    host.engine().attach(&flat("new:blue", &["10.0.0.51", "fd00:aa::51"])).unwrap();
    let mut wish = flat("new:red", crate::flat::BOTH);
    wish.publish = vec!["8080:80".parse().unwrap()];
    host.engine().attach(&wish).unwrap();
    let _server = serve("red", 80);
    everywhere(&host, 8080);
}

#[test]
fn a_port_that_is_published_already_is_refused_by_the_name_of_its_holder() {
    let host = Host::new();
    host.create(&bridge("web", &["192.168.15.0/24"]));
    host.engine().attach(&endpoint("new:red", "web", &["8080:80"])).unwrap();
    let before = host.snapshot();
    let (code, text) = said(host.engine().attach(&endpoint("new:blue", "web", &["8080:80"])));
    assert_eq!(code, Code::PortTaken, "{text}");
    assert!(text.contains("netns:red"), "{text}");
    same(&before, &host.snapshot());
}

#[test]
fn a_port_that_a_process_listens_on_is_refused_by_its_name() {
    let host = Host::new();
    host.create(&bridge("web", &["192.168.15.0/24"]));
    host.attach("new:red", "web").unwrap();
    let _listener = std::net::TcpListener::bind("0.0.0.0:8080").unwrap();
    let before = host.snapshot();
    let red = "netns:red".parse().unwrap();
    let (code, text) = said(host.engine().publish(&red, &["8080:80".parse().unwrap()]));
    assert_eq!(code, Code::PortTaken, "{text}");
    assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
    same(&before, &host.snapshot());
}

/// A line of Python, run in a namespace.
fn python(host: &Host, ns: &str, line: &str) -> String {
    host.sh(&format!("ip netns exec {ns} python3 -c \"{line}\""))
}

#[test]
fn udp_that_came_before_the_port_was_published_does_not_stay_where_it_was() {
    let host = Host::new();
    crate::attach::outside(&host);
    host.create(&bridge("web", &["192.168.15.0/24"]));
    host.attach("new:red", "web").unwrap();
    // The same source port each time: one flow, as conntrack sees it.
    let send = "import socket;s=socket.socket(2,2);s.bind(('',4000));s.settimeout(1);\
                s.sendto(b'x',('10.0.0.1',5353))";
    python(&host, "lan", send);
    assert!(host.sh("conntrack -L -p udp 2>/dev/null").contains("dport=5353"));
    let red = "netns:red".parse().unwrap();
    host.engine().publish(&red, &["5353:53/udp".parse().unwrap()]).unwrap();
    assert!(!host.sh("conntrack -L -p udp 2>/dev/null").contains("dport=5353"));
    let server = "import socket;s=socket.socket(2,2);s.bind(('',53));print('up',flush=True);\
                  d,a=s.recvfrom(9);s.sendto(b'here',a)";
    let mut child = std::process::Command::new("ip")
        .args(["netns", "exec", "red", "python3", "-c", server])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0; 3]).unwrap();
    let answer = python(&host, "lan", &format!("{send};print(s.recv(9).decode())"));
    assert_eq!(answer.trim(), "here");
    child.wait().unwrap();
    assert!(host.sh("conntrack -L -p udp 2>/dev/null").contains("192.168.15.2"));
    host.engine().unpublish(&red, &["5353:53/udp".parse().unwrap()]).unwrap();
    assert!(!host.sh("conntrack -L -p udp 2>/dev/null").contains("192.168.15.2"));
}

#[test]
fn the_last_port_takes_along_what_let_packets_turn_round() {
    let host = Host::new();
    host.create(&routed("far", &["10.9.0.0/24"]));
    host.attach("new:red", "far").unwrap();
    let before = host.snapshot();
    let red = "netns:red".parse().unwrap();
    let ports = ["8080:80".parse().unwrap(), "8081:81".parse().unwrap()];
    host.engine().publish(&red, &ports).unwrap();
    host.engine().unpublish(&red, &ports[..1]).unwrap();
    assert_eq!(host.engine().check().unwrap(), []);
    host.engine().unpublish(&red, &ports[1..]).unwrap();
    same(&before, &host.snapshot());
}
