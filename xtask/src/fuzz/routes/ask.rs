//! Questions to the routing tables, and the kernel's own answers.
//!
//!     ip route get [fibmatch] DST from SRC iif DEV oif DEV mark M ipproto P sport A dport B

use std::net::IpAddr;

use ropewalk_facts::{IfName, Ns, Route};
use ropewalk_kernel::{Protocol, Socket};
use ropewalk_wire::nl::{Request, Writer};
use ropewalk_wire::rt::{self, Links};

use super::super::chance::Chance;
use super::draft::DEVS;
use crate::Fault;

const SOME4: &str = "10.0.0.9 10.0.0.1 10.0.0.7 10.0.0.200 10.0.0.255 10.1.0.1 10.1.0.9 10.1.4.1 10.1.4.9 10.2.3.4 10.2.3.5 \
    10.2.3.200 10.2.9.9 10.77.0.1 172.16.5.1 172.16.5.2 172.20.0.1 192.0.2.1 192.0.2.44 192.0.2.200 198.51.100.1 \
    198.51.100.66 198.51.100.70 198.51.100.120 203.0.113.7 203.0.113.99 8.8.8.8 200.1.2.3 127.0.0.1 127.0.0.9";
const SOME6: &str = "2001:db8::1 2001:db8::9 2001:db8:0:1::1 2001:db8:0:1::9 2001:db8:2:3::4 2001:db8:2:3::9 2001:db8:2:3::77 \
    2001:db8:2:9::1 2001:db8:ffff::1 2001:db8:f::3 fd00::1 fd00::9 fd00:1::5 fd00:1::9 fd00:7::1 fd77::1 2a00::1 ::1";

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) dst: IpAddr,
    pub(super) src: Option<IpAddr>,
    pub(super) iif: Option<IfName>,
    pub(super) oif: Option<IfName>,
    pub(super) mark: u32,
    pub(super) flow: (u8, u16, u16),
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ip route get {}", self.dst)?;
        self.src.map_or(Ok(()), |src| write!(f, " from {src}"))?;
        self.iif.as_ref().map_or(Ok(()), |dev| write!(f, " iif {dev}"))?;
        self.oif.as_ref().map_or(Ok(()), |dev| write!(f, " oif {dev}"))?;
        let (proto, sport, dport) = self.flow;
        write!(f, " mark {} ipproto {proto}", self.mark)?;
        if ported(proto) { write!(f, " sport {sport} dport {dport}") } else { Ok(()) }
    }
}

fn ported(proto: u8) -> bool {
    matches!(proto, 6 | 17)
}

/// Draws one; `own` are the addresses of the namespace: who sends from it can only use those.
pub(super) fn draw(chance: &mut Chance, own: &[IpAddr]) -> Option<Question> {
    let v6 = chance.one_in(3);
    let some = if v6 { SOME6 } else { SOME4 };
    let dst = chance.of_words(some).parse().ok()?;
    let mine: Vec<IpAddr> =
        own.iter().copied().filter(|ip| ip.is_ipv6() == v6 && !ip.is_loopback()).collect();
    let iif = if chance.one_in(2) { IfName::new(chance.of_words(DEVS)).ok() } else { None };
    let src = match (&iif, chance.one_in(2)) {
        (Some(_), _) => chance.of_words(some).parse().ok(),
        (None, true) => chance.of_list(&mine).copied(),
        (None, false) => None,
    };
    let oif = if iif.is_none() && (src.is_none() || !v6) && chance.one_in(6) {
        IfName::new(chance.of_words("d0 d1 d2")).ok()
    } else {
        None
    };
    let proto = chance.of_words("6 17 17 1").parse().ok()?;
    let proto = if v6 && proto == 1 { 58 } else { proto };
    let mark = chance.of_words("0 0 1 2 3 16 255").parse().ok()?;
    let ports = (chance.between(900, 6000), chance.between(1, 100));
    let flow = if ported(proto) { (proto, ports.0, ports.1) } else { (proto, 0, 0) };
    Some(Question { dst, src, iif, oif, mark, flow })
}

/// What the kernel answers: the entry of a table, and the route that is made of it; or an error.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) entry: Result<Route, i32>,
    pub(super) taken: Result<Route, i32>,
}

/// Asks all in one go.
pub(super) fn kernel(questions: &[Question]) -> Result<Vec<Answer>, Fault> {
    let mut socket = Socket::open(Protocol::Route)?;
    let mut links = Links::new(Ns::HOST);
    socket.dump(&rt::links_dump()?, |message| {
        links.learn(&message);
        None::<()>
    })?;
    let mut all = Vec::new();
    for some in questions.chunks(50) {
        let mut requests = Vec::new();
        for question in some {
            requests.push(request(question, true, &links)?);
            requests.push(request(question, false, &links)?);
        }
        let mut found: Vec<Option<Route>> = vec![None; requests.len()];
        let outcomes = socket.exchange(&requests, |place, message| {
            if let Some(slot) = found.get_mut(place) {
                *slot = rt::route_taken(&message, &links).ok().flatten();
            }
        })?;
        let each: Vec<Result<Route, i32>> = found
            .into_iter()
            .zip(outcomes)
            .map(|(found, outcome)| found.ok_or(outcome.errno))
            .collect();
        for pair in each.chunks(2) {
            if let [entry, taken] = pair {
                all.push(Answer { entry: entry.clone(), taken: taken.clone() });
            }
        }
    }
    Ok(all)
}

/// `RTM_GETROUTE`, include/uapi/linux/rtnetlink.h.
fn request(q: &Question, entry: bool, links: &Links) -> Result<Request, Fault> {
    const GETROUTE: u16 = 26;
    const FIB_MATCH: u32 = 0x2000;
    const LOOKUP_TABLE: u32 = 0x1000;
    // IPv6 tells the table always, and refuses to be asked.
    let table = if q.dst.is_ipv4() { LOOKUP_TABLE } else { 0 };
    let (family, bits) = if q.dst.is_ipv6() { (10, 128) } else { (2, 32) };
    let [a, b, c, d] = (table | if entry { FIB_MATCH } else { 0 }).to_ne_bytes();
    let from = if q.src.is_some() { bits } else { 0 };
    let mut w = Writer::with(&[family, bits, from, 0, 0, 0, 0, 0, a, b, c, d]);
    let mut put = |kind, ip: IpAddr| match ip {
        IpAddr::V4(ip) => w.bytes(kind, &ip.octets()),
        IpAddr::V6(ip) => w.bytes(kind, &ip.octets()),
    };
    put(1, q.dst);
    q.src.into_iter().for_each(|src| put(2, src));
    let index = |dev: &IfName| links.index(dev).ok_or("a link that is not there");
    if let Some(dev) = &q.iif {
        w.u32(3, index(dev)?);
    }
    if let Some(dev) = &q.oif {
        w.u32(4, index(dev)?);
    }
    w.u32(16, q.mark);
    // Root's, as what comes in is.
    w.u32(25, 0);
    w.u8(27, q.flow.0);
    if ported(q.flow.0) {
        w.be16(28, q.flow.1);
        w.be16(29, q.flow.2);
    }
    Ok(Request { kind: GETROUTE, flags: 0, body: w.finish()? })
}
