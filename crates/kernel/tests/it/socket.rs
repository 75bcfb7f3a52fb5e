//! Batches and dumps over a socket, whatever is asked.

use ropewalk_kernel::{Protocol, Socket};
use ropewalk_testnet::Private;
use ropewalk_wire::nl::{Request, flag};

/// `RTM_NEWLINK`, `RTM_DELLINK`, `RTM_GETLINK`.
const NEW: u16 = 16;
const DEL: u16 = 17;
const GET: u16 = 18;

/// A request about the link with this index.
fn about(kind: u16, index: i32, flags: u16) -> Request {
    let mut body = vec![0; 16];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    Request { kind, flags, body }
}

#[test]
fn each_request_of_a_batch_has_its_own_outcome() {
    let _net = Private::enter();
    let mut socket = Socket::open(Protocol::Route).unwrap();
    let mut seen = Vec::new();
    let batch = [about(GET, 1, 0), about(GET, 99, 0), about(DEL, 1, 0), about(GET, 1, 0)];
    let outcomes = socket.exchange(&batch, |place, m| seen.push((place, m.kind))).unwrap();
    let errnos: Vec<i32> = outcomes.iter().map(|o| o.errno).collect();
    assert_eq!(errnos, [0, 19, 95, 0]);
    assert_eq!(seen, [(0, NEW), (3, NEW)]);
    assert_eq!(socket.exchange(&[], |_, _| {}).unwrap(), []);
}

#[test]
fn a_refusal_carries_the_kernels_words() {
    let _net = Private::enter();
    let mut socket = Socket::open(Protocol::Route).unwrap();
    let mut request = about(GET, 0, flag::DUMP);
    request.body[4] = 7;
    request.body[0] = 99;
    let words = socket.dump(&request, |_| Some(())).unwrap_err().to_string();
    assert!(words.contains('('), "{words}");
}

#[test]
fn a_dump_of_two_hundred_links_is_whole() {
    let net = Private::enter();
    net.sh("for i in $(seq 100); do echo link add a$i type veth peer name b$i; done | ip -b -");
    let mut socket = Socket::open(Protocol::Route).unwrap();
    let links = socket.dump(&about(GET, 0, 0), |m| Some(m.kind)).unwrap();
    assert_eq!(links, [NEW; 201]);
}
