//! Packets that are sent, overheard in several namespaces, and dropped for a reason.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use ropewalk_facts::Ns;
use ropewalk_kernel::{
    Answered, Drops, Ears, Kernel, Overheard, Probe, Sending, Toward, functions, netns,
};
use ropewalk_testnet::Private;
use ropewalk_wire::heard::listen::Flow;
use ropewalk_wire::heard::{self, Body, Packet};

const MARK: [u8; 8] = *b"ab-marks";
const LONG: Duration = Duration::from_secs(20);

/// c eth0 10.1.0.2 ── in0 (here, masquerades) out0 10.2.0.1 ── 10.2.0.2 eth0 d
fn chain() -> (Private, Kernel) {
    let net = Private::enter();
    net.sh("ip netns add c; ip netns add d
        ip link add in0 type veth peer name eth0 netns c
        ip link add out0 type veth peer name eth0 netns d
        ip addr add 10.1.0.1/24 dev in0; ip -n c addr add 10.1.0.2/24 dev eth0
        ip addr add 10.2.0.1/24 dev out0; ip -n d addr add 10.2.0.2/24 dev eth0
        for ns in c d; do ip -n $ns link set lo up; ip -n $ns link set eth0 up; done
        ip link set in0 up; ip link set out0 up; ip -n c route add default via 10.1.0.1
        sysctl -qw net.ipv4.ip_forward=1
        nft 'add table ip t; add chain ip t n { type nat hook postrouting priority 100; };
            add chain ip t f { type filter hook forward priority 0; }; add rule ip t n oif out0 masquerade'");
    let mut kernel = Kernel::new().unwrap();
    for name in ["c", "d"] {
        kernel.add(Ns::new(format!("netns:{name}")), netns::open_named(name).unwrap()).unwrap();
    }
    (net, kernel)
}

fn flow() -> Flow {
    let addrs = ["10.1.0.2", "10.2.0.1", "10.2.0.2"].map(|a| a.parse().unwrap()).to_vec();
    Flow { addrs, protos: vec![1, 17], tunnels: Vec::new(), bytes: 200 }
}

fn sending(proto: u8, to: &str) -> Sending {
    Sending {
        to: to.parse().unwrap(),
        proto,
        from: None,
        sport: None,
        dport: 53,
        size: None,
        df: false,
        mark: MARK,
        tries: 3,
    }
}

/// Waits for an answer, and takes what was heard until then.
fn answered(ears: &mut Ears, probe: &mut Probe) -> (Vec<Answered>, Vec<Overheard>) {
    let (until, mut heard) = (Instant::now() + LONG, Vec::new());
    loop {
        heard.extend(ears.take(1000).unwrap());
        let answers: Vec<Answered> = probe.answers().into_iter().map(|(_, how)| how).collect();
        if !answers.is_empty() || Instant::now() > until {
            heard.extend(ears.take(1000).unwrap());
            return (answers, heard);
        }
        ears.wait(&probe.fds(), until.min(Instant::now() + Duration::from_millis(20))).unwrap();
    }
}

/// Who the packets of the probe were from, in the order of time.
fn sources(heard: &[Overheard]) -> Vec<(String, Toward, IpAddr)> {
    let ours = |heard: &Overheard| match heard::read(&heard.bytes, heard.layer, &[])?.packet {
        Packet::Ip(ip) if matches!(&ip.body, Body::Echo { payload, .. } if payload.starts_with(&MARK)) => {
            Some((heard.ns.to_string(), heard.toward, ip.src))
        }
        Packet::Ip(_) | Packet::Ask { .. } => None,
    };
    heard.iter().filter_map(ours).collect()
}

#[test]
fn an_echo_is_heard_at_every_link_behind_the_masquerade_too() {
    let (_net, kernel) = chain();
    let spaces = [Ns::new("netns:c"), Ns::HOST, Ns::new("netns:d")];
    let mut ears = kernel.ears(&spaces, &flow()).unwrap();
    let mut probe = kernel.probe(&spaces[0], &sending(1, "10.2.0.2")).unwrap();
    assert_eq!(probe.send(), Ok(0));
    let (answers, heard) = answered(&mut ears, &mut probe);
    assert_eq!(answers, [Answered::Yes]);
    let (c, h, d) = (spaces[0].to_string(), Ns::HOST.to_string(), spaces[2].to_string());
    let [red, mid, far]: [IpAddr; 3] =
        ["10.1.0.2", "10.2.0.1", "10.2.0.2"].map(|a| a.parse().unwrap());
    let mut expected = vec![
        (c.clone(), Toward::Out, red),
        (h.clone(), Toward::In, red),
        (h.clone(), Toward::Out, mid),
        (d.clone(), Toward::In, mid),
        (d, Toward::Out, far),
        (h.clone(), Toward::In, far),
        (h, Toward::Out, far),
        (c, Toward::In, far),
    ];
    let mut found = sources(&heard);
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert!(
        heard.iter().all(|one| one.at > 1_600_000_000_000_000_000 && one.len >= 42),
        "{heard:?}"
    );
    assert!(heard.is_sorted_by_key(|one| one.at));
}

#[test]
fn who_refuses_a_datagram_is_heard() {
    let (_net, kernel) = chain();
    let c = Ns::new("netns:c");
    let mut ears = kernel.ears(std::slice::from_ref(&c), &flow()).unwrap();
    let mut probe = kernel.probe(&c, &sending(17, "10.2.0.2")).unwrap();
    probe.send().unwrap();
    assert_eq!(answered(&mut ears, &mut probe).0, [Answered::Refused]);
    let mut nowhere = kernel.probe(&Ns::HOST, &sending(17, "203.0.113.9")).unwrap();
    let errno = nowhere.send().unwrap_err();
    assert_eq!(errno.name(), Some("ENETUNREACH"));
}

#[test]
fn a_drop_is_told_with_its_reason_its_place_and_who_called() {
    let (net, kernel) = chain();
    net.sh("nft add rule ip t f icmp type echo-request drop");
    let mut ears = kernel.ears(&[Ns::HOST], &flow()).unwrap();
    let mut drops = Drops::open(&flow().addrs).unwrap();
    let mut probe = kernel.probe(&Ns::new("netns:c"), &sending(1, "10.2.0.2")).unwrap();
    let inode: u64 = net.sh("stat -Lc %i /proc/self/ns/net").trim().parse().unwrap();
    let (until, mut mine) = (Instant::now() + LONG, None);
    while mine.is_none() && Instant::now() < until {
        probe.send().unwrap();
        ears.wait(&[], Instant::now() + Duration::from_millis(20)).unwrap();
        ears.take(1000).unwrap();
        mine = drops.take().unwrap().into_iter().find(|lost| lost.inum == inode);
    }
    let mine = mine.unwrap();
    assert_eq!(mine.reason, "NETFILTER_DROP");
    let heard = heard::read(&mine.bytes, heard::Layer::Network, &[]).unwrap();
    let Packet::Ip(ip) = heard.packet else { panic!("{heard:?}") };
    assert_eq!(ip.dst, "10.2.0.2".parse::<IpAddr>().unwrap());
    let functions = functions(&mine.stack);
    assert!(functions.iter().any(|f| f.contains("ip_forward")), "{functions:?}");
}
