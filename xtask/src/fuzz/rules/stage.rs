//! Three namespaces in a row; the one in the middle has the rules.
//!
//!     a 10.1.0.2, .3 ── va 10.1.0.1  host  10.2.0.1 vb ── 10.2.0.2, .3, 198.51.100.1 b
//!
//! Neighbours are known everywhere, so that no rule is asked about them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use ropewalk_facts::Ns;
use ropewalk_facts::seen::Scan;
use ropewalk_kernel::{Kernel, netns};
use ropewalk_testnet::Private;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, Protocol, SendFlags, SocketType, sendto, socket};

use super::packet::Packet;
use super::trace::{Ear, Step, Which};
use crate::Fault;

const SCRIPT: &str = "
    echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
    for f in all default; do echo 0 > /proc/sys/net/ipv4/conf/$f/rp_filter; done
    echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
    for n in a b; do
        ip netns add $n; ip -n $n link set lo up
        ip netns exec $n sh -c 'echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
            echo 0 > /proc/sys/net/ipv4/conf/default/rp_filter; echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter'
        ip link add v$n type veth peer name e$n netns $n
    done
    ip link set va address 02:00:00:00:01:01 up; ip -n a link set ea address 02:00:00:00:01:02 up
    ip link set vb address 02:00:00:00:02:01 up; ip -n b link set eb address 02:00:00:00:02:02 up
    ip addr add 10.1.0.1/24 dev va; ip addr add 10.2.0.1/24 dev vb
    ip addr add fd01::1/64 dev va nodad; ip addr add fd02::1/64 dev vb nodad
    for n in 2 3; do
        ip -n a addr add 10.1.0.$n/24 dev ea; ip -n a addr add fd01::$n/64 dev ea nodad
        ip -n b addr add 10.2.0.$n/24 dev eb; ip -n b addr add fd02::$n/64 dev eb nodad
        for f in 10.1.0.$n fd01::$n; do ip neigh add $f lladdr 02:00:00:00:01:02 dev va; done
        for f in 10.2.0.$n fd02::$n; do ip neigh add $f lladdr 02:00:00:00:02:02 dev vb; done
    done
    ip -n b addr add 198.51.100.1/32 dev lo; ip -n b addr add fd09::1/128 dev lo nodad
    ip route add 198.51.100.0/24 via 10.2.0.2; ip route add fd09::/64 via fd02::2
    for f in 10.1.0.1 fd01::1; do ip -n a neigh add $f lladdr 02:00:00:00:01:01 dev ea; ip -n a route add default via $f; done
    for f in 10.2.0.1 fd02::1; do ip -n b neigh add $f lladdr 02:00:00:00:02:01 dev eb; ip -n b route add default via $f; done
    for n in a b; do ip netns exec $n nft -f - <<X
$WATCH
X
    done";

/// Shows every packet to the tracer, first of all, and says where it was last of all.
const WATCH: &str = "add table inet watch
    add chain inet watch first { type filter hook prerouting priority -450; }
    add rule inet watch first meta nftrace set 1
    add chain inet watch begin { type filter hook output priority -450; }
    add rule inet watch begin meta nftrace set 1
    add chain inet watch in { type filter hook input priority 900; }
    add chain inet watch over { type filter hook forward priority 900; }
    add chain inet watch out { type filter hook postrouting priority 900; }";

/// Where packets begin.
pub(super) const PLACES: [&str; 3] = ["host", "a", "b"];

/// The namespaces, and what listens in them.
pub(super) struct Stage {
    net: Private,
    kernel: Kernel,
    ears: Vec<Ear>,
    /// For IPv4 and IPv6, by place.
    out: Vec<[OwnedFd; 2]>,
    _listeners: Vec<TcpListener>,
}

impl Stage {
    /// Builds it in a new network of the calling thread.
    pub(super) fn build() -> Result<Self, Fault> {
        let net = Private::enter();
        net.sh(&SCRIPT.replace("$WATCH", WATCH));
        let mut kernel = Kernel::new()?;
        let (mut ears, mut out, mut listeners) = (Vec::new(), Vec::new(), Vec::new());
        for place in PLACES {
            let open = || -> Result<_, Fault> {
                let raw = |family| socket(family, SocketType::RAW, Some(HEADERS));
                let mut bound = Vec::new();
                for port in [80, 8080] {
                    bound.push(TcpListener::bind(SocketAddr::new("::".parse()?, port))?);
                }
                Ok((Ear::open()?, [raw(AddressFamily::INET)?, raw(AddressFamily::INET6)?], bound))
            };
            let (ear, raw, bound) = match place {
                "host" => open()?,
                name => {
                    kernel.add(space(name), netns::open_named(name)?)?;
                    kernel.inside(&space(name), open)??
                }
            };
            ears.push(ear);
            out.push(raw);
            listeners.extend(bound);
        }
        Ok(Self { net, kernel, ears, out, _listeners: listeners })
    }

    /// Loads rules. Lines that nft or iptables-restore refuses are left out of them.
    pub(super) fn load(&self, lines: &mut Vec<String>) -> Result<(), Fault> {
        let mut rest: Vec<String> = lines.extract_if(.., |l| !l.starts_with("add ")).collect();
        self.load_nft(lines)?;
        for tool in ["iptables", "ip6tables"] {
            let mut own: Vec<String> = rest.extract_if(.., |l| l.starts_with(tool)).collect();
            Self::load_iptables(tool, &mut own)?;
            lines.append(&mut own);
        }
        Ok(())
    }

    fn load_iptables(tool: &str, lines: &mut Vec<String>) -> Result<(), Fault> {
        for _ in 0..200 {
            if lines.is_empty() {
                return Ok(());
            }
            // Which line of the text each rule is.
            let (mut text, mut at, mut places) = (String::new(), 0, Vec::new());
            for (table, _) in super::iptables::TABLES {
                let head = format!("{tool} {table} ");
                text += &format!("*{table}\n");
                at += 1;
                for (nth, rule) in lines
                    .iter()
                    .enumerate()
                    .filter_map(|(nth, line)| Some((nth, line.strip_prefix(&head)?)))
                {
                    text += &format!("{rule}\n");
                    at += 1;
                    places.push((at, nth));
                }
                text += "COMMIT\n";
                at += 1;
            }
            let said = fed(&format!("{tool}-nft-restore"), &["--noflush"], &text)?;
            let Some(said) = said else { return Ok(()) };
            let number = said.split("line").filter_map(|rest| {
                let digits = rest.trim_start_matches([':', ' ']);
                digits.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok()
            });
            let bad = number.filter_map(|n| places.iter().find(|(at, _)| *at == n)).next();
            let Some((_, bad)) = bad else { return Err(format!("{tool}: {said}").into()) };
            lines.remove(*bad);
        }
        Err("iptables refuses all of it".into())
    }

    fn load_nft(&self, lines: &mut Vec<String>) -> Result<(), Fault> {
        for _ in 0..200 {
            let text = format!("flush ruleset\n{WATCH}\n{}\n", lines.join("\n"));
            let Some(said) = fed("nft", &["-f", "-"], &text)? else { return Ok(()) };
            let before = 1 + WATCH.lines().count();
            let bad: std::collections::BTreeSet<usize> = said
                .lines()
                .filter_map(|line| line.split(':').nth(1)?.parse::<usize>().ok())
                .filter_map(|number| number.checked_sub(before + 1))
                .collect();
            if bad.is_empty() {
                return Err(format!("nft: {said}").into());
            }
            let mut nth = 0..;
            lines.retain(|_| nth.next().is_none_or(|n| !bad.contains(&n)));
        }
        Err("nft refuses all of it".into())
    }

    /// What is there.
    pub(super) fn scan(&mut self) -> Result<Scan, Fault> {
        Ok(self.kernel.scan(&[Ns::HOST, space("a"), space("b")])?)
    }

    /// The rules in nft's words, with the handles.
    pub(super) fn rules(&self) -> String {
        self.net.sh("nft -a list ruleset")
    }

    /// Sends a packet from a place.
    pub(super) fn send(&self, place: usize, packet: &Packet) -> Result<(), Fault> {
        let v6 = packet.dst.is_ipv6();
        let [four, six] = self.out.get(place).ok_or("a place")?;
        let to = SocketAddr::new(packet.dst, 0);
        // What is refused by a rule of the way out is told here, too.
        let _sent = sendto(if v6 { six } else { four }, &packet.bytes(), SendFlags::empty(), &to);
        Ok(())
    }

    /// What was heard by place, once nothing more comes for so long.
    pub(super) fn hear(&mut self, quiet: Duration) -> Result<Heard, Fault> {
        let mut heard: Heard = vec![BTreeMap::new(); self.ears.len()];
        let patience = rustix::event::Timespec::try_from(quiet)?;
        loop {
            let mut any = false;
            for (ear, heard) in self.ears.iter_mut().zip(&mut heard) {
                any |= ear.drain(heard)?;
            }
            if any {
                continue;
            }
            let fds: Vec<_> = self.ears.iter().map(Ear::fd).collect();
            let mut fds: Vec<_> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            if poll(&mut fds, Some(&patience))? == 0 {
                return Ok(heard);
            }
        }
    }
}

/// What a program says of its input, where it refuses it.
fn fed(program: &str, args: &[&str], text: &str) -> Result<Option<String>, Fault> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().ok_or("no input")?.write_all(text.as_bytes())?;
    let done = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    Ok((!done.status.success()).then_some(said))
}

/// By place, the steps of each packet.
pub(super) type Heard = Vec<BTreeMap<Which, Vec<Step>>>;

/// `IPPROTO_RAW`: whole packets are sent.
const HEADERS: Protocol = Protocol::from_raw(rustix::net::RawProtocol::new(255).unwrap());

/// The namespace of a place.
pub(super) fn space(place: &str) -> Ns {
    if place == "host" { Ns::HOST } else { Ns::new(format!("netns:{place}")) }
}

/// The addresses of a place that packets may come from.
pub(super) fn sources(place: &str, v6: bool) -> Vec<IpAddr> {
    let words = match (place, v6) {
        ("a", false) => "10.1.0.2 10.1.0.3",
        ("a", true) => "fd01::2 fd01::3",
        ("b", false) => "10.2.0.2 10.2.0.3 198.51.100.1",
        ("b", true) => "fd02::2 fd02::3 fd09::1",
        (_, false) => "10.1.0.1 10.2.0.1",
        (_, true) => "fd01::1 fd02::1",
    };
    words.split(' ').filter_map(|word| word.parse().ok()).collect()
}
