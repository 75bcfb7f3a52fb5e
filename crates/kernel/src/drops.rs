//! Packets that the kernel drops, as it does so: a program of BPF at `skb:kfree_skb`.
//!
//!     Drops::open(addrs)   loads the program     take() ──▶ what was dropped since     drop: unloads it
//!
//! It sees all namespaces of the machine, and says which.  Never here: the program itself (`wire::trace`).

use std::net::IpAddr;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use ropewalk_wire::trace::{self, LICENCE, Layout, RECORD, btf};
use rustix::time::{ClockId, clock_gettime};

use crate::errno::Errno;
use crate::error::{Doing, Error, file, sys};
use crate::sys::bpf;

/// Where the kernel describes its structures.
const DESCRIPTION: &str = "/sys/kernel/btf/vmlinux";
/// So many records wait to be taken; what comes then is lost.
const ROOM: u32 = 512;

/// A program that runs at every drop, until this is dropped itself.
#[derive(Debug)]
pub struct Drops {
    queue: OwnedFd,
    _program: OwnedFd,
    _hook: OwnedFd,
    layout: Layout,
    /// From the time since boot to that since 1970, in nanoseconds.
    since: i128,
}

/// A packet that was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Nanoseconds since 1970.
    pub at: u64,
    /// The kernel's word for the reason, `NETFILTER_DROP`.
    pub reason: String,
    /// The inode of the namespace; 0 where it is not known.
    pub inum: u64,
    /// The link's name; empty where there is none.
    pub dev: String,
    /// From the network header on.
    pub bytes: Vec<u8>,
    /// Where in the kernel: the place itself, then who called. See [`functions`].
    pub stack: Vec<u64>,
}

impl Drops {
    /// Begins to see drops of packets from or to these addresses.
    ///
    /// # Errors
    /// The kernel does not describe itself, or refuses the program.
    pub fn open(addrs: &[IpAddr]) -> Result<Self, Error> {
        let refused = sys(Doing::Trace);
        let bytes = std::fs::read(DESCRIPTION).map_err(file(Doing::Trace))?;
        let layout = btf::read(&bytes).ok_or_else(|| Error::sys(Doing::Trace, Errno::BADMSG))?;
        let queue = bpf::queue(RECORD, ROOM).map_err(&refused)?;
        let code = trace::program(&layout, addrs, queue.as_raw_fd());
        let code = code.ok_or_else(|| Error::sys(Doing::Trace, Errno::MSGSIZE))?;
        let program = bpf::load(&code, LICENCE).map_err(&refused)?;
        let hook = bpf::at_tracepoint(program.as_fd(), c"kfree_skb").map_err(&refused)?;
        let since = nanoseconds(ClockId::Realtime) - nanoseconds(ClockId::Monotonic);
        Ok(Self { queue, _program: program, _hook: hook, layout, since })
    }

    /// What was dropped since.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn take(&mut self) -> Result<Vec<Lost>, Error> {
        let mut all = Vec::new();
        let mut record = [0; RECORD];
        while bpf::take_out(self.queue.as_fd(), &mut record).map_err(sys(Doing::Trace))? {
            let Some(lost) = trace::record(&record) else { continue };
            let reason = self.layout.reasons.get(&lost.reason).cloned();
            all.push(Lost {
                at: u64::try_from(i128::from(lost.at) + self.since).unwrap_or(0),
                reason: reason.unwrap_or_else(|| "NOT_SPECIFIED".to_owned()),
                inum: u64::from(lost.inum),
                dev: lost.name,
                bytes: lost.bytes,
                stack: lost.stack,
            });
        }
        Ok(all)
    }
}

fn nanoseconds(clock: ClockId) -> i128 {
    let now = clock_gettime(clock);
    i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec)
}

/// The names of the kernel's functions that these places are in; what has none is left out.
#[must_use]
pub fn functions(places: &[u64]) -> Vec<String> {
    let text = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let mut best: Vec<(u64, &str)> = vec![(0, ""); places.len()];
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(at), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let Ok(at) = u64::from_str_radix(at, 16) else { continue };
        if at == 0 || !matches!(kind, "t" | "T" | "w" | "W") {
            continue;
        }
        for (place, best) in places.iter().zip(&mut best) {
            if at <= *place && at > best.0 {
                *best = (at, name);
            }
        }
    }
    let named = best.iter().map(|(_, name)| name.split('\t').next().unwrap_or_default());
    named.filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
}
