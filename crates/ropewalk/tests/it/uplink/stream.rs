//! Connections through the NIC live on while it moves.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ropewalk_kernel::{enter, netns};

use super::{LAN, LONG, host};

/// Gives back whatever comes in, until the other side has enough.
fn echo(mut stream: TcpStream) {
    let mut bytes = [0; 64];
    while let Ok(n @ 1..) = stream.read(&mut bytes) {
        stream.write_all(&bytes[..n]).expect("written");
    }
}

/// Sends numbers and gets them back, one after the other, until `enough`.
fn talk(mut stream: TcpStream, said: &AtomicU64, enough: &AtomicBool) {
    stream.set_read_timeout(Some(LONG)).expect("a time-out");
    stream.set_nodelay(true).expect("no delay");
    for n in 1_u64.. {
        if enough.load(Ordering::Relaxed) {
            return;
        }
        stream.write_all(&n.to_be_bytes()).expect("the connection lives");
        let mut back = [0; 8];
        stream.read_exact(&mut back).expect("the connection lives");
        assert_eq!(u64::from_be_bytes(back), n);
        said.store(n, Ordering::Relaxed);
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Waits until more is said on each connection.
fn go_on(said: &[AtomicU64], when: &str) {
    let begun = Instant::now();
    for (at, said) in said.iter().enumerate() {
        let before = said.load(Ordering::Relaxed);
        while said.load(Ordering::Relaxed) < before + 20 {
            assert!(begun.elapsed() < LONG, "{when}: connection {at} is silent");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

#[test]
fn connections_live_on_while_the_nic_moves_there_and_back() {
    let host = host();
    let lan = netns::open_named("lan").expect("the LAN");
    let servers = enter(lan.as_fd(), || {
        ["10.0.0.254:0", "[fd00:aa::254]:0"].map(|at| TcpListener::bind(at).expect("a listener"))
    });
    let servers = servers.expect("entered");
    let ours =
        ["10.0.0.1:0", "[fd00:aa::1]:0"].map(|at| TcpListener::bind(at).expect("a listener"));
    let pairs: Vec<(TcpStream, TcpStream)> = servers
        .iter()
        .map(|server| {
            let out = TcpStream::connect(server.local_addr().expect("bound")).expect("connected");
            (out, server.accept().expect("accepted").0)
        })
        .chain(ours.iter().map(|server| {
            let at = server.local_addr().expect("bound");
            let into = enter(lan.as_fd(), || TcpStream::connect(at).expect("connected"));
            (into.expect("entered"), server.accept().expect("accepted").0)
        }))
        .collect();
    let said: Vec<AtomicU64> = pairs.iter().map(|_| AtomicU64::new(0)).collect();
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for ((here, there), said) in pairs.into_iter().zip(&said) {
            scope.spawn(|| echo(there));
            let enough = &enough;
            scope.spawn(move || talk(here, said, enough));
        }
        // The threads end even if an assertion fails.
        let _end = End(&enough);
        go_on(&said, "before");
        for round in 0..2 {
            host.ok(LAN);
            go_on(&said, &format!("moved, {round}"));
            host.ok("network rm lan");
            go_on(&said, &format!("moved back, {round}"));
        }
    });
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
