//! Random routing tables: the walk's answers beside the kernel's own.
//!
//!     ip route get …  and  … fibmatch     beside     walk::route::lookup, walk::arrives
//!
//! A round is a namespace with random addresses, routes, rules and settings, and many questions.

mod ask;
mod draft;
mod judge;

use std::fmt::Write as _;
use std::time::Duration;

use ropewalk_facts::Ns;
use ropewalk_facts::seen::Scan;
use ropewalk_kernel::Kernel;
use ropewalk_testnet::Private;
use ropewalk_walk::World;

use super::chance::Chance;
use super::tally::Tally;
use crate::Fault;
use draft::Draft;

const LINKS: &str = "ip netns add far
    echo 1 > /proc/sys/net/ipv4/ip_forward
    echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
    for n in 0 1 2 3; do
        ip link add d$n type veth peer name p$n netns far
        ip -n far link set p$n up; ip link set d$n up
    done";

/// How many questions a namespace is asked.
pub(super) const QUESTIONS: usize = 200;

/// One round; the calling thread gets a network of its own.
pub(super) fn round(seed: u64, count: usize, tally: &mut Tally) -> Result<(), Fault> {
    let mut chance = Chance::of(seed);
    let net = Private::enter();
    net.sh(LINKS);
    let drawn = draft::draw(&mut chance);
    load(&net, &drawn, seed)?;
    let mut kernel = Kernel::new()?;
    let scan = settled(&mut kernel)?;
    let world = World::new(&scan);
    let addrs = world.node(&Ns::HOST).map(|node| node.addrs.as_slice()).unwrap_or_default();
    let own: Vec<_> = addrs.iter().map(|addr| addr.key.net.addr()).collect();
    let questions: Vec<_> = (0..count).filter_map(|_| ask::draw(&mut chance, &own)).collect();
    let answers = ask::kernel(&questions)?;
    let mut wrong = Vec::new();
    for (question, answer) in questions.iter().zip(&answers) {
        match judge::compare(&world, question, answer) {
            judge::Judged::Same => tally.same(),
            judge::Judged::Unknown(what) => tally.unknown(what),
            judge::Judged::Differs { walk, kernel } => {
                wrong
                    .push(format!("seed {seed}: {question}\n  walk:   {walk}\n  kernel: {kernel}"));
            }
        }
    }
    if let Some(last) = wrong.last_mut() {
        *last += &format!("\n{}", show(&net));
    }
    wrong.into_iter().for_each(|told| tally.differs(told));
    Ok(())
}

/// What is there, once it stays so: carriers come up by themselves, and addresses of IPv6 with them.
fn settled(kernel: &mut Kernel) -> Result<Scan, Fault> {
    let mut before = kernel.scan(&[Ns::HOST])?;
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(20));
        let now = kernel.scan(&[Ns::HOST])?;
        if now.facts == before.facts && now.seen.values().all(|seen| seen.unusable.is_empty()) {
            return Ok(now);
        }
        before = now;
    }
    Err("it does not settle".into())
}

/// Lines that the kernel refuses are passed over.
fn load(net: &Private, drawn: &Draft, seed: u64) -> Result<(), Fault> {
    let mut script = drawn.script.clone();
    for (family, lines) in [("-4", &drawn.v4), ("-6", &drawn.v6)] {
        let file =
            std::env::temp_dir().join(format!("fuzz-walk-{}-{seed}{family}", std::process::id()));
        std::fs::write(&file, lines)?;
        let _ = writeln!(
            script,
            "ip {family} -force -batch {file} > /dev/null 2>&1 || true; rm -f {file}",
            file = file.display()
        );
    }
    net.sh(&script);
    Ok(())
}

fn show(net: &Private) -> String {
    net.sh("for f in -4 -6; do ip $f rule; ip $f route show table all | grep -v 'proto kernel'; done
        ip -br addr; grep . /proc/sys/net/ipv4/conf/*/rp_filter /proc/sys/net/ipv4/conf/*/accept_local")
}
