//! A server's answers, whole, cut and bent.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use proptest::prelude::*;

use super::write::{message, packet};
use super::*;
use crate::lan::ether::{self, Protocol};

const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 50);
const SERVER_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const SERVER_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);

fn client() -> Client {
    let (mac, via) = (Mac([2, 0, 0, 0, 0, 9]), Mac([2, 0, 0, 0, 0, 1]));
    Client { name: Some("red".into()), secs: 3, ..Client::new(mac, via, 0x0102_0304) }
}

/// What a server says: its answer is the client's message turned round.
fn answer(kind: u8, options: &[u8]) -> Vec<u8> {
    let mut bytes = message(&client(), Say::Discover { wish: None }).unwrap();
    bytes[0] = 2;
    bytes[16..20].copy_from_slice(&IP.octets());
    bytes.truncate(240);
    bytes.extend([53, 1, kind]);
    bytes.extend(options);
    bytes.push(255);
    let mut udp = packet(SERVER_IP, Ipv4Addr::BROADCAST, &bytes).unwrap();
    udp[20..24].copy_from_slice(&[0, 67, 0, 68]);
    ether::frame(ether::ALL, SERVER_MAC, Protocol::Ipv4, &udp)
}

fn reply(options: &[u8]) -> Reply {
    read(&client(), &answer(5, options)).unwrap()
}

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

#[test]
fn what_a_server_says_is_understood() {
    let said = reply(&[
        51, 4, 0, 0, 0, 120, 58, 4, 0, 0, 0, 60, 59, 4, 0, 0, 0, 105, 1, 4, 255, 255, 252, 0, 3, 8,
        10, 0, 0, 1, 10, 0, 0, 3, 6, 8, 10, 0, 0, 4, 10, 0, 0, 5, 26, 2, 5, 120,
    ]);
    let want = Reply {
        answer: Answer::Ack,
        net: net("10.0.0.50/22"),
        server: SERVER_IP,
        from: SERVER_MAC,
        router: Some(Ipv4Addr::new(10, 0, 0, 1)),
        routes: Vec::new(),
        dns: vec![Ipv4Addr::new(10, 0, 0, 4), Ipv4Addr::new(10, 0, 0, 5)],
        mtu: Some(1400),
        seconds: Some(120),
        renew_after: Some(60),
        rebind_after: Some(105),
    };
    assert_eq!(said, want);
}

#[test]
fn an_answer_to_somebody_else_is_none() {
    let frame = answer(5, &[]);
    assert!(read(&client(), &frame).is_some());
    assert_eq!(read(&Client { id: 1, ..client() }, &frame), None);
    assert_eq!(read(&Client { mac: Mac([2; 6]), ..client() }, &frame), None);
    assert_eq!(read(&client(), &answer(3, &[])), None, "a client's own");
    assert_eq!(read(&client(), &frame_of(Say::Discover { wish: None })), None);
}

fn frame_of(say: Say) -> Vec<u8> {
    frame(&client(), say).unwrap()
}

#[test]
fn classless_routes_take_the_place_of_the_router() {
    let routes = [0, 10, 0, 0, 9, 16, 172, 20, 10, 0, 0, 8, 32, 10, 9, 9, 9, 0, 0, 0, 0];
    let mut options = vec![3, 4, 10, 0, 0, 1, 121, 10];
    // In two pieces.
    options.extend(&routes[..10]);
    options.extend([121, 11]);
    options.extend(&routes[10..]);
    let said = reply(&options);
    assert_eq!(said.router, Some(Ipv4Addr::new(10, 0, 0, 9)));
    let via = Ipv4Addr::new(10, 0, 0, 8);
    assert_eq!(said.routes, [(net("172.20.0.0/16"), Some(via)), (net("10.9.9.9/32"), None)]);
    let broken = reply(&[3, 4, 10, 0, 0, 1, 121, 3, 33, 10, 0]);
    assert_eq!((broken.router, broken.routes.len()), (Some(Ipv4Addr::new(10, 0, 0, 1)), 0));
}

#[test]
fn what_makes_no_sense_is_left_out() {
    let said =
        reply(&[1, 4, 255, 0, 255, 0, 3, 4, 255, 255, 255, 255, 26, 2, 0, 68, 51, 3, 1, 2, 3]);
    assert_eq!(
        (said.net, said.router, said.mtu, said.seconds),
        (net("10.0.0.50/8"), None, None, None)
    );
    for ip in [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 1], [255, 255, 255, 255]] {
        let mut frame = answer(2, &[]);
        frame[58..62].copy_from_slice(&ip);
        assert_eq!(read(&client(), &frame), None, "{ip:?}");
    }
}

#[test]
fn a_client_says_who_it_is_and_where_it_is_to_be_answered() {
    let discover = frame_of(Say::Discover { wish: Some(IP) });
    // The broadcast flag, since another hardware address hears the answer.
    assert_eq!(discover[52..54], [0x80, 0]);
    assert_eq!(
        (discover[6..12].to_vec(), discover[70..76].to_vec()),
        (vec![2, 0, 0, 0, 0, 1], vec![2, 0, 0, 0, 0, 9])
    );
    let has = |option: &[u8]| discover.windows(option.len()).any(|part| part == option);
    assert!(
        has(&[61, 7, 1, 2, 0, 0, 0, 0, 9]) && has(b"\x0c\x03red") && has(&[50, 4, 10, 0, 0, 50])
    );
    let renew = frame_of(Say::Renew { ip: IP, to: Some((SERVER_IP, SERVER_MAC)) });
    assert_eq!(
        (renew[..6].to_vec(), renew[30..34].to_vec()),
        (SERVER_MAC.0.to_vec(), SERVER_IP.octets().to_vec())
    );
    assert_eq!(
        (renew[26..30].to_vec(), renew[54..58].to_vec()),
        (IP.octets().to_vec(), IP.octets().to_vec())
    );
    assert_eq!(frame_of(Say::Renew { ip: IP, to: None })[..6], [255; 6]);
}

#[test]
fn a_client_may_be_known_by_something_else_and_say_more() {
    let identity = Some(b"\0web/net/eth0".to_vec());
    let provide = vec![(60, b"a-class".to_vec())];
    let client = Client { identity, provide, ask: Some(vec![1, 121]), ..client() };
    let bytes = frame(&client, Say::Discover { wish: None }).unwrap();
    let has = |option: &[u8]| bytes.windows(option.len()).any(|part| part == option);
    assert!(has(b"\x3d\x0d\0web/net/eth0") && has(b"\x3c\x07a-class") && has(&[55, 2, 1, 121]));
    assert!(!has(&[61, 7, 1]), "one identity");
    let long = Client { provide: vec![(60, vec![b'x'; 256])], ..client };
    assert_eq!(frame(&long, Say::Discover { wish: None }), None);
}

#[test]
fn what_is_cut_says_nothing() {
    let frame = answer(2, &[54, 4, 10, 0, 0, 2]);
    let said = (0..frame.len()).filter(|n| read(&client(), &frame[..*n]).is_some());
    assert_eq!(said.count(), 0);
}

proptest! {
    #[test]
    fn any_options_and_bent_frames_are_read_within_bounds(
        at in 14_usize..400, byte in any::<u8>(), options in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        let mut frame = answer(5, &options);
        prop_assert!(read(&client(), &frame).is_none_or(|reply| reply.net.prefix_len() <= 32));
        let at = at % frame.len();
        frame[at] = byte;
        let _ = read(&client(), &frame);
    }

    #[test]
    fn routes_of_any_bytes_are_read_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut options = vec![121, u8::try_from(bytes.len()).unwrap()];
        options.extend(&bytes);
        let said = reply(&options);
        prop_assert!(said.routes.iter().all(|(to, _)| *to == to.trunc() && to.prefix_len() > 0));
    }
}
