//! BIRD beside it: how soon a route that one host announces by BGP is in the kernels of all others.
//!
//!     h0: ip route add … ─▶ bird ─▶ reflector on the LAN ─▶ bird of h1 … h100 ─▶ their kernels
//!
//! From the moment at which `ip` is called, which takes a millisecond or two.  `bird` is that of Debian's package bird2, as
//! found in PATH.  Never here: ropewalk.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use ropewalk_testnet::Private;

use super::ears::Ears;
use super::stage::{Folder, Running, host, ip};
use super::{Figure, percentile};
use crate::Fault;

const HOSTS: usize = 100;
const ROUNDS: usize = 60;
/// How long a route may take, the first one with all sessions.
const PATIENCE: Duration = Duration::from_secs(120);
const QUIET: Duration = Duration::from_millis(300);

pub(super) fn run(_: &Path) -> Result<Vec<Figure>, Fault> {
    let version = Command::new("bird").arg("--version").output();
    version.map_err(|error| format!("bird, of Debian's package bird2: {error}"))?;
    let mut figures = Vec::new();
    for hosts in [1, HOSTS] {
        let mut last = measure(hosts)?;
        let what = format!("to the last of {hosts}, median of {ROUNDS}");
        figures.push(Figure::new(what, percentile(&mut last, 50), "ms"));
        let what = format!("to the last of {hosts}, 99 %");
        figures.push(Figure::new(what, percentile(&mut last, 99), "ms"));
    }
    Ok(figures)
}

/// How long each route took to the last of so many hosts.
fn measure(hosts: usize) -> Result<Vec<Duration>, Fault> {
    let net = Private::enter();
    let folder = Folder::new("bird")?;
    net.sh("ip link add lan type bridge; ip link set lan up; ip addr add 10.0.0.1/16 dev lan");
    let mut all = vec![bird(&folder.0, None, &reflector())?];
    // The last one announces.
    let from = hosts + 1;
    for n in 1..=from {
        net.sh(&host(n));
        all.push(bird(&folder.0, Some(n), &client(n))?);
    }
    let ears = Ears::routes(1..=hosts)?;
    let mut last = Vec::new();
    for round in 0..=ROUNDS {
        let route = Ipv4Net::new([10, 128, u8::try_from(round)?, 0].into(), 28)?;
        let (before, words) = (Instant::now(), format!("-n h{from} route add {route} dev lo"));
        if !Command::new("ip").args(words.split(' ')).status()?.success() {
            return Err(format!("ip {words}").into());
        }
        let there = ears.until(route, PATIENCE)?;
        // The first one waits for the sessions.
        if round > 0 {
            last.extend(there.iter().map(|at| *at - before).max());
        }
        std::thread::sleep(QUIET);
    }
    drop(all);
    Ok(last)
}

/// Starts one, on a host or beside them all.
fn bird(folder: &Path, n: Option<usize>, config: &str) -> Result<Running, Fault> {
    let name = n.map_or_else(|| "reflector".to_owned(), |n| format!("h{n}"));
    let file = |end: &str| -> PathBuf { folder.join(format!("{name}.{end}")) };
    std::fs::write(file("conf"), config)?;
    let mut command = match n {
        Some(_) => Command::new("ip"),
        None => Command::new("bird"),
    };
    if n.is_some() {
        command.args(["netns", "exec", &name, "bird"]);
    }
    command.arg("-f").arg("-c").arg(file("conf")).arg("-s").arg(file("ctl"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Running(command.spawn()?))
}

/// Sends on what each client says to all others.
fn reflector() -> String {
    "router id 10.0.0.1;
    protocol device { }
    protocol bgp clients {
        local 10.0.0.1 as 64512;
        neighbor range 10.0.1.0/24 as 64512;
        direct; rr client; passive;
        ipv4 { import all; export all; };
    }
    "
    .to_owned()
}

/// Says what its kernel has of others, and gives its kernel what it hears.
fn client(n: usize) -> String {
    format!(
        "router id {own};
        protocol device {{ }}
        protocol kernel {{
            learn;
            ipv4 {{ import where net ~ [ 10.128.0.0/9+ ]; export where source = RTS_BGP; }};
        }}
        protocol bgp reflector {{
            local {own} as 64512;
            neighbor 10.0.0.1 as 64512;
            direct; connect delay time 1; connect retry time 1; error wait time 1, 1;
            ipv4 {{ import all; export where source = RTS_INHERIT; next hop self; }};
        }}
        ",
        own = ip(n)
    )
}
