//! Packets of a flow at every hop, in one file that Wireshark reads.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a capture that runs")]

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::host::Host;

/// A process that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn run(program: &str, words: &str) -> Running {
    let mut command = Command::new(program);
    command.args(words.split_whitespace()).stdin(Stdio::null()).stdout(Stdio::null());
    Running(command.spawn().expect(program))
}

fn until(host: &Host, script: &str) {
    for _ in 0..500 {
        if host.net.try_sh(script).0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("never: {script}");
}

/// red publishes 8080, blue asks the host for it: a DNAT to red, and a masquerade on the way back in.
fn published() -> (Host, Running) {
    let host = Host::new();
    host.net.sh("ip link add up0 type dummy 2>/dev/null || ip link add up0 type bridge
        ip link set up0 up; ip addr add 10.0.0.1/24 dev up0");
    host.ok("network create web --subnet 10.9.0.0/24");
    host.ok("attach new:red web --publish 8080:80");
    host.ok("attach new:blue web");
    let server = run("ip", "netns exec red nc -lk 80");
    until(&host, "ip netns exec red ss -Hltn sport = :80 | grep -q .");
    (host, server)
}

/// By packet: the links, sources and destinations, and comments.
type Rows = BTreeMap<String, Vec<[String; 4]>>;

fn read(host: &Host, file: &str) -> Rows {
    let fields = "-e frame.packet_id -e frame.interface_name -e ip.src -e ip.dst -e frame.comment";
    let text = host.net.sh(&format!(
        "tshark -r {file} -Y 'tcp.flags.syn == 1 && tcp.flags.ack == 0' -T fields {fields} 2>/dev/null"
    ));
    let mut rows = Rows::new();
    for line in text.lines() {
        let mut cells = line.split('\t').map(ToOwned::to_owned);
        let id = cells.next().unwrap_or_default();
        let row: Vec<String> = cells.chain(std::iter::repeat_n(String::new(), 4)).take(4).collect();
        rows.entry(id).or_default().push(row.try_into().expect("four"));
    }
    rows
}

#[test]
fn a_published_port_has_an_interface_for_each_hop_and_one_number_for_each_packet() {
    let (host, _server) = published();
    let file = "/run/ropewalk/f.pcapng";
    let binary = env!("CARGO_BIN_EXE_ropewalk");
    // Others' namespaces, which are seen as well, may have the same addresses.
    let flow = "capture blue 10.0.0.1:8080 --visible host,red,blue";
    let capture = run(binary, &format!("{flow} -w {file} --count 6"));
    // It is begun when it listens everywhere.
    until(&host, &format!("test -s {file}"));
    host.net.sh("ip netns exec blue timeout 5 nc -z -w 3 10.0.0.1 8080");
    let mut capture = capture;
    let status = capture.0.wait().expect("it ends by itself");
    assert!(status.success());
    let rows = read(&host, file);
    let (_, first) = rows.first_key_value().expect("a packet");
    assert_eq!(rows.len(), 1, "one packet: {rows:#?}");
    let links: Vec<&str> = first.iter().map(|row| row[0].as_str()).collect();
    assert_eq!((links.first(), links.last()), (Some(&"blue/eth0"), Some(&"red/eth0")), "{rows:#?}");
    assert!(links.contains(&"host/rw-web"), "{links:?}");
    let unique: std::collections::BTreeSet<&&str> = links.iter().collect();
    assert!(unique.len() >= 5, "the legs, too: {links:?}");
    let [_, source, target, _] = first.first().expect("a row");
    assert_eq!((source.as_str(), target.as_str()), ("10.9.0.3", "10.0.0.1"));
    let [_, source, target, _] = first.last().expect("a row");
    assert_eq!(target, "10.9.0.2", "translated");
    assert_ne!(source, "10.9.0.3", "masqueraded: {rows:#?}");
    let said: String = first.iter().map(|row| row[3].clone() + "\n").collect();
    assert!(said.contains("destination 10.0.0.1:8080 to 10.9.0.2:80"), "{said}");
    assert!(said.contains("by inet/ropewalk/"), "the rule that did it: {said}");
    let listed = host.net.sh(&format!("capinfos -I {file} 2>/dev/null | grep -c 'Name = '"));
    assert_eq!(listed.trim(), unique.len().to_string(), "interfaces and links are as many");
}

#[test]
fn what_is_dropped_says_so_where_it_was_last() {
    let (host, _server) = published();
    host.net.sh("nft 'add table inet corp; add chain inet corp fw { type filter hook forward priority 10; };
        add rule inet corp fw icmp type echo-request drop'");
    host.net.sh("ip netns add far; ip link add far0 type veth peer name eth0 netns far; ip link set far0 up
        ip -n far link set eth0 up; ip addr add 10.5.0.1/24 dev far0; ip -n far addr add 10.5.0.2/24 dev eth0");
    let file = "/run/ropewalk/d.pcapng";
    let binary = env!("CARGO_BIN_EXE_ropewalk");
    let mut capture =
        run(binary, &format!("capture blue 10.5.0.2 -w {file} --count 1 --proto icmp"));
    until(&host, &format!("test -s {file}"));
    assert!(!host.net.try_sh("ip netns exec blue ping -c1 -W1 10.5.0.2").0, "it is dropped");
    assert!(capture.0.wait().expect("it ends by itself").success());
    let said = host.net.sh(&format!("tshark -r {file} -T fields -e frame.comment 2>/dev/null"));
    assert!(said.contains("dropped by host: NETFILTER_DROP in nft_do_chain"), "{said}");
    assert!(said.contains("the model says that it stops at host inet/corp/fw"), "{said}");
}

#[test]
fn a_file_that_cannot_be_written_is_refused() {
    let host = Host::new();
    host.refuses("capture host 10.0.0.1 -w /nowhere/f.pcapng --for 1s", 1, &["/nowhere/f.pcapng"]);
}
