//! What the agent does beside listening: a list of functions, each with its occasions.
//!
//!     compare    at the start, every 60 s: the host and every sandbox against what was made
//!     renew      every 15 s, or when the next is due: leases of a DHCP server
//!     announce   when a link comes up, and 2 s later: where the addresses of flat networks are
//!     review     every 60 s, when a link comes up: whether peers of routed networks are on a link
//!     try        every 60 s, when a link comes up: what tunnels leave to hardware
//!
//! Each comes up to an eighth sooner, by chance, so that hosts that began together do not do it together.
//! A further duty is a function of the engine and a line in [`TASKS`].  Never here: how a duty is done.

use std::time::Duration;

use ropewalk_engine::{Engine, Fault, Tended};

/// A duty. It does nothing and says `None` while another verb is at work: it is called again soon.
pub(crate) struct Task {
    /// In the words of "because of …".
    pub(crate) name: &'static str,
    /// How often, beginning at the start; else as often as was asked for, every minute if not.
    pub(crate) every: Option<Duration>,
    /// Also when a link that is none of ours comes up.
    pub(crate) on_link_up: bool,
    /// And once more so long after that.
    pub(crate) again: Option<Duration>,
    /// It mostly waits for others, so that it costs nothing that a rest would make up for.
    pub(crate) waits: bool,
    /// The duty.
    pub(crate) run: Work,
}

/// What came of a duty; none when another verb was at work.
pub(crate) type Done = Result<Option<Tended>, Fault>;

/// What is done.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// At once.
    Now(fn(&mut Engine) -> Done),
    /// The trial of tunnels, whose answers are waited for in a thread of its own.
    Trial,
}

/// All duties, in the order in which they are done.
pub(crate) const TASKS: &[Task] = &[
    Task {
        name: "the look at everything",
        every: None,
        on_link_up: true,
        again: None,
        waits: false,
        run: Work::Now(|engine| engine.tend(None)),
    },
    // A switch forgets when a link goes down, and the kernel tells it of the host's own addresses
    // only. Its port may not pass on yet what is sent at once (RFC 5227: twice, 2 s between them).
    Task {
        name: "the announcement of addresses",
        every: Some(Duration::from_secs(3600)),
        on_link_up: true,
        again: Some(Duration::from_secs(2)),
        waits: false,
        run: Work::Now(|engine| engine.announce(None, None).map(|_| Some(Tended::default()))),
    },
    // It says itself when the next lease is due; others may be made meanwhile.
    Task {
        name: "the renewal of leases",
        every: Some(Duration::from_secs(15)),
        on_link_up: true,
        again: None,
        waits: true,
        run: Work::Now(Engine::renew),
    },
    Task {
        name: "the review of ways to other hosts",
        every: None,
        on_link_up: true,
        again: Some(Duration::from_secs(2)),
        waits: false,
        run: Work::Now(Engine::review_ways),
    },
    Task {
        name: "the trial of tunnels",
        every: None,
        on_link_up: true,
        again: Some(Duration::from_secs(2)),
        waits: true,
        run: Work::Trial,
    },
];
