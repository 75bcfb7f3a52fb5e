#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use super::listen::{Flow, Instruction, program};
use super::*;

fn frame(kind: u16, rest: &[u8]) -> Vec<u8> {
    [&[2; 12][..], &kind.to_be_bytes(), rest].concat()
}

fn ipv4(proto: u8, src: [u8; 4], dst: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + rest.len()).unwrap().to_be_bytes();
    let head = [0x45, 0, len[0], len[1], 0x12, 0x34, 0, 0, 63, proto, 0, 0];
    [&head[..], &src, &dst, rest].concat()
}

fn ipv6(proto: u8, last: (u8, u8), rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    let mut all = vec![0x60, 0, 0, 0, len[0], len[1], proto, 64];
    for last in [last.0, last.1] {
        all.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    [all, rest.to_vec()].concat()
}

const A: [u8; 4] = [10, 9, 0, 2];
const B: [u8; 4] = [10, 9, 0, 3];
const OTHER: [u8; 4] = [192, 0, 2, 9];

fn echo() -> Vec<u8> {
    [&[8, 0, 0, 0, 0, 7, 0, 2][..], b"ropewalk"].concat()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    [&[0x9c, 0x40][..], &port.to_be_bytes(), &[0, 0, 0, 0], payload].concat()
}

/// An echo from A to B inside a tunnel between two others.
fn tunnelled(inner: &[u8]) -> Vec<u8> {
    let vxlan = [&[8, 0, 0, 0, 0, 0, 42, 0][..], inner].concat();
    frame(0x0800, &ipv4(17, OTHER, [192, 0, 2, 8], &udp(4789, &vxlan)))
}

fn ip(heard: &Packet) -> &Ip {
    let Packet::Ip(ip) = heard else { panic!("{heard:?}") };
    ip
}

#[test]
fn an_echo_is_read_whole_and_in_a_message_about_it() {
    let whole = ipv4(1, A, B, &echo());
    let heard = read(&frame(0x0800, &whole), Layer::Ethernet, &[]).unwrap();
    let found = ip(&heard.packet);
    assert_eq!((found.src, found.ttl, found.id, found.len), (A.into(), 63, 0x1234, 36));
    let Body::Echo { answer: false, ident: 7, sequence: 2, payload } = &found.body else {
        panic!("{found:?}")
    };
    assert_eq!(payload, b"ropewalk");
    let about = ipv4(1, B, A, &[&[3, 13, 0, 0, 0, 0, 0, 0][..], &whole].concat());
    let heard = read(&about, Layer::Network, &[]).unwrap();
    let Body::Error { kind: (3, 13), about } = &ip(&heard.packet).body else { panic!("{heard:?}") };
    assert_eq!((about.dst, about.ports()), (B.into(), (7, 0)));
}

#[test]
fn what_a_tunnel_carries_is_read_too() {
    let heard = read(&tunnelled(&frame(0x0800, &ipv4(1, A, B, &echo()))), Layer::Ethernet, &[]);
    let heard = heard.unwrap();
    assert_eq!(ip(&heard.packet).src, IpAddr::from(OTHER));
    assert_eq!(ip(&heard.inner.unwrap()).dst, IpAddr::from(B));
}

#[test]
fn who_asks_for_an_address_and_who_answers() {
    let arp = |op: u8| {
        let head = [0, 1, 8, 0, 6, 4, 0, op];
        frame(0x0806, &[&head[..], &[2; 6], &A, &[0; 6], &B].concat())
    };
    let said = |bytes: &[u8]| read(bytes, Layer::Ethernet, &[]).unwrap().packet;
    assert_eq!(said(&arp(1)), Packet::Ask { from: A.into(), whose: B.into(), answer: false });
    assert_eq!(said(&arp(2)), Packet::Ask { from: A.into(), whose: A.into(), answer: true });
    let target = ipv6(58, (1, 2), &[])[24..40].to_vec();
    let asks = ipv6(58, (1, 9), &[&[135, 0, 0, 0, 0, 0, 0, 0][..], &target].concat());
    let Packet::Ask { whose, answer: false, .. } = said(&frame(0x86dd, &asks)) else { panic!() };
    assert_eq!(whose.to_string(), "2001:db8::2");
}

#[test]
fn whatever_is_cut_short_is_no_panic() {
    let tcp = [&[0, 80, 0x9c, 0x40, 0, 0, 0, 5, 0, 0, 0, 6, 0x50, 0x12][..], &[0; 6]].concat();
    for whole in [
        frame(0x0800, &ipv4(6, A, B, &tcp)),
        frame(0x86dd, &ipv6(44, (1, 2), &[&[6, 0, 0, 1, 0, 0, 0, 0][..], &tcp].concat())),
        tunnelled(&frame(0x0800, &ipv4(1, A, B, &echo()))),
    ] {
        for cut in 0..whole.len() {
            let _read = read(&whole[..cut], Layer::Ethernet, &[]);
            let _read = read(&whole[cut..], Layer::Network, &[]);
        }
        assert!(read(&whole, Layer::Ethernet, &[]).is_some());
    }
}

/// What the kernel makes of a program and a packet, whose network header stands at 14.
fn run(program: &[Instruction], bytes: &[u8]) -> u32 {
    let (mut at, mut value) = (0, 0);
    let load = |k: u32, len: usize| {
        let start = usize::try_from(k - 0xfff0_0000).unwrap() + 14;
        let part = bytes.get(start..start + len)?;
        Some(part.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)))
    };
    loop {
        let (code, jt, jf, k) = program[at];
        at += 1;
        let loaded = match code {
            0x28 if k == 0xffff_f000 => Some(u32::from(half(bytes, 12).unwrap())),
            0x20 => load(k, 4),
            0x28 => load(k, 2),
            0x30 => load(k, 1),
            0x15 => {
                at += usize::from(if value == k { jt } else { jf });
                continue;
            }
            0x05 => {
                at += usize::try_from(k).unwrap();
                continue;
            }
            0x06 => return k,
            other => panic!("{other:#x}"),
        };
        let Some(loaded) = loaded else { return 0 };
        value = loaded;
    }
}

#[test]
fn the_kernel_is_asked_for_one_flow_only() {
    let six: IpAddr = "2001:db8::2".parse().unwrap();
    for tunnels in [vec![], vec![4789, 8472]] {
        let tunnel = u32::from(!tunnels.is_empty());
        let flow = Flow { addrs: vec![A.into(), six], protos: vec![1], tunnels, bytes: 200 };
        let program = program(&flow);
        let heard = |bytes: &[u8]| run(&program, bytes);
        assert_eq!(heard(&frame(0x0800, &ipv4(1, A, OTHER, &echo()))), 200);
        assert_eq!(heard(&frame(0x0800, &ipv4(1, OTHER, A, &echo()))), 200);
        assert_eq!(heard(&frame(0x0800, &ipv4(1, OTHER, B, &echo()))), 0, "others");
        assert_eq!(heard(&frame(0x0800, &ipv4(17, A, B, &udp(53, b"x")))), 0, "another protocol");
        assert_eq!(heard(&frame(0x0806, &[0; 28])), 200, "ARP");
        assert_eq!(heard(&frame(0x86dd, &ipv6(58, (9, 2), &echo()))), 200);
        assert_eq!(heard(&frame(0x86dd, &ipv6(58, (2, 9), &echo()))), 200);
        assert_eq!(heard(&frame(0x86dd, &ipv6(58, (9, 8), &echo()))), 0);
        assert_eq!(heard(&frame(0x88cc, &[0; 60])), 0);
        let four = frame(0x0800, &ipv4(1, OTHER, A, &echo()));
        assert_eq!(heard(&tunnelled(&four)), 200 * tunnel);
        assert_eq!(heard(&tunnelled(&frame(0x86dd, &ipv6(58, (9, 2), &echo())))), 200 * tunnel);
        assert_eq!(heard(&tunnelled(&frame(0x0800, &ipv4(1, OTHER, B, &echo())))), 0);
        assert_eq!(heard(&tunnelled(&frame(0x0806, &[0; 28]))), 200 * tunnel);
    }
}
