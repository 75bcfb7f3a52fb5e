#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;

use ropewalk_facts::Ns;
use ropewalk_facts::seen::Tuple;
use ropewalk_walk::{
    Dropped, Ending, Hop, Journey, Question, Stop, Trip, Why, World, diagnose, trip,
};
use ropewalk_wire::heard::{Layer, read};

use super::*;

const MARK: [u8; 8] = *b"\x12\x34mark42";

fn ns(name: &str) -> Ns {
    Ns::new(format!("netns:{name}"))
}

fn spot(name: &str, dev: &str, out: bool) -> Spot {
    Spot { ns: ns(name), dev: dev.parse().unwrap(), out, past: false }
}

fn ip(proto: u8, src: [u8; 4], dst: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let head = [0x45, 0, 0, 60, 0, 1, 0, 0, 64, proto, 0, 0];
    [&head[..], &src, &dst, rest].concat()
}

fn echo(kind: u8, number: u8, mark: &[u8]) -> Vec<u8> {
    [&[kind, 0, 0, 0, 0x12, 0x34, 0, number][..], mark].concat()
}

fn tcp(ports: (u16, u16), numbers: (u32, u32), flags: u8) -> Vec<u8> {
    let mut all = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
    all.extend(numbers.0.to_be_bytes());
    all.extend(numbers.1.to_be_bytes());
    all.extend([0x50, flags, 0, 0, 0, 0, 0, 0]);
    all
}

const RED: [u8; 4] = [10, 9, 0, 2];
const HOST: [u8; 4] = [172, 31, 0, 2];
const FAR: [u8; 4] = [198, 51, 100, 8];

fn follower(proto: u8) -> Follower {
    let (from, dst) = (ns("red"), FAR.into());
    Follower::new(Mark { proto, from, mark: MARK, ports: vec![40_001, 40_002], dst })
}

fn parts(follower: &Follower) -> Vec<Part> {
    follower.sightings.iter().map(|s| s.part).collect()
}

fn hear(follower: &mut Follower, at: u64, spot: &Spot, bytes: &[u8]) {
    if let Some(heard) = read(bytes, Layer::Network, &[]) {
        follower.take(spot, at, &heard);
    }
}

#[test]
fn an_echo_is_known_behind_a_masquerade_and_others_are_not() {
    let mut f = follower(1);
    hear(&mut f, 1, &spot("red", "eth0", true), &ip(1, RED, FAR, &echo(8, 2, &MARK)));
    hear(&mut f, 2, &spot("h", "up0", true), &ip(1, HOST, FAR, &echo(8, 2, &MARK)));
    hear(&mut f, 3, &spot("h", "up0", true), &ip(1, HOST, FAR, &echo(8, 2, b"somebody")));
    hear(&mut f, 4, &spot("h", "up0", false), &ip(1, FAR, HOST, &echo(0, 2, &MARK)));
    let about = [&[3, 1, 0, 0, 0, 0, 0, 0][..], &ip(1, RED, FAR, &echo(8, 2, &MARK))].concat();
    hear(&mut f, 5, &spot("red", "eth0", false), &ip(1, [10, 9, 0, 1], RED, &about));
    assert_eq!(
        parts(&f),
        [Part::Request(2), Part::Request(2), Part::Answer(2), Part::Told((3, 1))]
    );
    assert_eq!(f.sightings[1].tuple.src, std::net::IpAddr::from(HOST));
}

#[test]
fn a_connection_is_known_by_its_numbers() {
    let mut f = follower(6);
    let (red, host) = (spot("red", "eth0", true), spot("h", "up0", true));
    hear(&mut f, 1, &host, &ip(6, HOST, FAR, &tcp((40_002, 80), (70, 0), 2)));
    hear(&mut f, 2, &red, &ip(6, RED, FAR, &tcp((40_002, 80), (70, 0), 2)));
    hear(&mut f, 3, &host, &ip(6, HOST, FAR, &tcp((50_000, 8080), (70, 0), 2)));
    hear(&mut f, 4, &host, &ip(6, FAR, HOST, &tcp((8080, 50_000), (9, 71), 0x12)));
    hear(&mut f, 5, &host, &ip(6, FAR, HOST, &tcp((8080, 50_000), (9, 99), 0x12)));
    assert_eq!(parts(&f), [Part::Request(1), Part::Request(1), Part::Answer(1)]);
}

#[test]
fn a_datagram_is_answered_by_whatever_comes_back() {
    let mut f = follower(17);
    let datagram = |ports: [u8; 4], payload: &[u8]| [&ports[..], &[0; 4], payload].concat();
    let red = spot("red", "eth0", true);
    let marked = [&MARK[..], &[1]].concat();
    hear(&mut f, 1, &red, &ip(17, RED, FAR, &datagram([1, 2, 0, 53], &marked)));
    hear(&mut f, 2, &red, &ip(17, FAR, RED, &datagram([0, 53, 1, 2], b"ok")));
    hear(&mut f, 3, &red, &ip(17, FAR, RED, &datagram([0, 54, 1, 2], b"ok")));
    assert_eq!(parts(&f), [Part::Request(1), Part::Answer(1)]);
}

fn tuple() -> Tuple {
    Tuple { src: RED.into(), dst: FAR.into(), proto: 1, sport: 0, dport: 0 }
}

fn hop(name: &str, dev: &str) -> Hop {
    let (at, link) = (dev.to_owned(), dev.parse().ok());
    let (what, dev, over) = (String::new(), None, None);
    Hop { ns: ns(name), at, what, tuple: tuple(), dev, over, link }
}

/// What is walked where there is nothing.
fn nowhere() -> Trip {
    trip(&World::default(), &question())
}

fn packet() -> ropewalk_walk::Packet {
    nowhere().stop().unwrap().packet.clone()
}

fn question() -> Question {
    Question::ping("red", FAR.into())
}

/// red eth0 ── h br0, up0 ── where h stops it, or not.
fn walked(stop: Option<Why>) -> Trip {
    let hops = vec![hop("red", "eth0"), hop("h", "br0")];
    let passes = stop.is_none();
    let end = match stop {
        Some(why) => {
            let dev = "br0".parse().ok();
            Ending::Stopped(Box::new(Stop { ns: ns("h"), dev, why, packet: packet() }))
        }
        None => Ending::Delivered { ns: ns("h"), dev: "br0".parse().unwrap(), packet: packet() },
    };
    let back = Ending::Delivered { ns: ns("red"), dev: "eth0".parse().unwrap(), packet: packet() };
    Trip {
        request: Journey { shown: Vec::new(), hops, end },
        reply: passes.then(|| Journey {
            shown: Vec::new(),
            hops: vec![hop("red", "eth0")],
            end: back,
        }),
        ..nowhere()
    }
}

fn seen(name: &str, dev: &str, at: u64, part: Part) -> Sighting {
    Sighting { spot: spot(name, dev, false), at, part, tuple: tuple(), tunnelled: false }
}

fn judged(stop: Option<Why>, sightings: &[Sighting], answered: &[u16]) -> Seen {
    let answered = BTreeSet::from_iter(answered.iter().copied());
    let reply = Reply { sent: 3, answered, ..Reply::default() };
    judge(&walked(stop), &question(), sightings, &reply, Vec::new())
}

#[test]
fn what_goes_as_predicted_is_counted_hop_by_hop() {
    let all = [
        seen("red", "eth0", 1, Part::Request(0)),
        seen("h", "br0", 2, Part::Request(0)),
        seen("red", "eth0", 3, Part::Request(1)),
        seen("red", "eth0", 4, Part::Answer(0)),
    ];
    let found = judged(None, &all, &[0]);
    assert!(found.live.agrees, "{found:?}");
    assert_eq!((found.path, found.reply), (vec![Some(2), Some(1)], vec![Some(1)]));
    let stopped = judged(Some(Why::NotForwarding), &all[..3], &[]);
    assert!(stopped.live.agrees, "{stopped:?}");
}

#[test]
fn what_goes_otherwise_is_said() {
    let lost = judged(None, &[seen("red", "eth0", 1, Part::Request(0))], &[]);
    assert_eq!(
        lost.live.finding.unwrap(),
        "the model says that it gets through; it was last seen coming in by red:eth0 (1 of 3), and no answer was seen"
    );
    assert_eq!(lost.path, [Some(1), Some(0)]);
    let passed = judged(Some(Why::NotForwarding), &[], &[0, 2]);
    assert!(passed.live.finding.unwrap().ends_with("2 of 3 were answered"));
    let short = judged(Some(Why::NotForwarding), &[], &[]);
    assert!(short.live.finding.unwrap().ends_with("it was never seen to leave red"));
    let far = [
        seen("red", "eth0", 1, Part::Request(0)),
        seen("h", "br0", 2, Part::Request(0)),
        seen("u", "eth0", 3, Part::Request(0)),
    ];
    let beyond = judged(Some(Why::NotForwarding), &far, &[]);
    assert!(beyond.live.finding.unwrap().ends_with("stops in h; it was seen in u"));
}

fn packet_of(bytes: &[u8]) -> ropewalk_wire::heard::Ip {
    match read(bytes, Layer::Network, &[]).map(|heard| heard.packet) {
        Some(ropewalk_wire::heard::Packet::Ip(ip)) => ip,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_packet_keeps_its_number_behind_a_translation_and_another_gets_its_own() {
    let mut tie = Tie::default();
    let (red, host) = (spot("red", "eth0", true), spot("h", "up0", true));
    let own = packet_of(&ip(6, RED, FAR, &tcp((40_001, 80), (70, 0), 2)));
    let changed = packet_of(&ip(6, HOST, FAR, &tcp((50_000, 80), (70, 0), 2)));
    let next = packet_of(&ip(6, HOST, FAR, &tcp((50_000, 80), (71, 9), 0x10)));
    assert_eq!(tie.tie(&red, 1, &own).number, 1);
    assert!(tie.knows(&host, 2, &changed) && !tie.knows(&red, 2, &own));
    let tied = tie.tie(&host, 2, &changed);
    assert_eq!((tied.number, tied.before.unwrap().src), (1, RED.into()));
    assert_eq!(tie.tie(&host, 3, &next).number, 2);
    assert_eq!(tie.tie(&red, 4, &own).number, 3, "sent again");
    assert_eq!(tie.tie(&host, 5_000_000_000, &changed).number, 4, "much later");
}

#[test]
fn only_packets_of_the_flow_are_taken() {
    let asked = Question { proto: "tcp".to_owned(), dport: Some(80), ..question() };
    let mut trip = walked(Some(Why::NotForwarding));
    for hop in &mut trip.request.hops {
        hop.tuple = Tuple { proto: 6, sport: 40_123, dport: 80, ..hop.tuple };
    }
    let wanted = Wanted::new(&asked, &trip, Some(6));
    let takes = |bytes: &[u8]| wanted.takes(&read(bytes, Layer::Network, &[]).unwrap().packet);
    assert!(takes(&ip(6, RED, FAR, &tcp((55_555, 80), (1, 0), 2))));
    assert!(takes(&ip(6, FAR, RED, &tcp((80, 55_555), (1, 2), 0x12))));
    assert!(!takes(&ip(6, RED, FAR, &tcp((55_555, 443), (1, 0), 2))), "another port");
    assert!(!takes(&ip(6, RED, FAR, &tcp((40_123, 443), (1, 0), 2))), "a port that was made up");
    assert!(!takes(&ip(6, RED, HOST, &tcp((55_555, 80), (1, 0), 2))), "another host");
    let about =
        [&[3, 1, 0, 0, 0, 0, 0, 0][..], &ip(6, RED, FAR, &tcp((5, 80), (1, 0), 2))].concat();
    assert!(takes(&ip(1, HOST, RED, &about)), "what is said about it");
}

#[test]
fn what_the_model_does_not_know_is_told_by_the_kernel_or_by_a_host() {
    let lost = [seen("red", "eth0", 1, Part::Request(0))];
    let stack = vec!["nft_do_chain".to_owned(), "ip_forward".to_owned()];
    let dropped = Dropped {
        netns: "h".to_owned(),
        device: Some("br0".to_owned()),
        reason: "NETFILTER_DROP".to_owned(),
        stack,
        reply: false,
        count: 3,
    };
    let told = |drops: Vec<Dropped>, reply: Reply, gaps: &[&str]| {
        let mut verdict = diagnose(&World::default(), &question());
        verdict.code = "OK".to_owned();
        verdict.model_gaps = gaps.iter().map(|gap| (*gap).to_owned()).collect();
        note(&mut verdict, judge(&walked(None), &question(), &lost, &reply, drops));
        (verdict.code, verdict.place, verdict.certainty)
    };
    let sent = || Reply { sent: 3, ..Reply::default() };
    let found = told(vec![dropped.clone()], sent(), &["h:ip/filter/FORWARD: u32"]);
    let only = "seen-only".to_owned();
    assert_eq!(found, ("FILTER_DROP".to_owned(), "h:ip/filter/FORWARD".to_owned(), only.clone()));
    let other = Dropped { reason: "IP_RPFILTER".to_owned(), ..dropped.clone() };
    assert_eq!(told(vec![other], sent(), &[]), ("RP_FILTER".to_owned(), "h:br0".to_owned(), only));
    let refused = told(Vec::new(), Reply { refused: true, ..sent() }, &[]);
    assert_eq!((refused.0.as_str(), refused.1.as_str()), ("NO_LISTENER", "red:eth0"));
    assert_eq!(told(Vec::new(), sent(), &[]).0, "OK", "that no answer came is no cause");
    let flooded = Dropped { reason: "OTHERHOST".to_owned(), ..dropped };
    assert_eq!(told(vec![flooded], sent(), &[]).0, "OK");
}
