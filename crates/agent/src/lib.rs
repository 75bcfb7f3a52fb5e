//! The agent: the one long-running process of a host, which puts right what others break.
//!
//!     kernel ── events ─▶ links ─▶ pace ─▶ doubts? ─▶ tend ─▶ said       within a second
//!     clock ──────────────────────▶ pace ─▶ each task of the list ─▶ said   every minute
//!     somebody ── metrics, sync ─▶ door ─▶ desk ◀─ figures ── the others
//!     store of a cluster ── news ─▶ cluster ─▶ networks, peers ─▶ said      at once
//!
//! It looks at what is, not at what an event says happened: an event lost is work postponed, never
//! work forgotten. It holds no state beside the store's; attach and detach never need it.
//! Never here: what is repaired, and how (`engine`).

mod alone;
mod cluster;
mod desk;
mod door;
mod endpoints;
mod hands;
mod leads;
mod links;
mod notify;
mod pace;
mod said;
mod serve;
mod share;
mod swift;
mod task;

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use desk::Desk;
use ropewalk_engine::{Code, Engine, Fault, Paths, Written, need_root};

pub use said::Said;

/// How an agent runs.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// How often everything is looked at.
    pub every: Duration,
    /// Where figures are told beside the socket in the state folder.
    pub metrics: Option<SocketAddr>,
}

/// Runs until SIGTERM or SIGINT; `tell` hears what is done.
///
/// # Errors
/// [`Code::NotPrivileged`], [`Code::AgentRunning`], [`Code::StateUnusable`],
/// [`Code::StateForeign`], [`Code::Kernel`]: all before anything is done.
pub fn run(paths: &Paths, wishes: &Wishes, tell: &mut dyn FnMut(&Said)) -> Result<(), Fault> {
    need_root()?;
    ropewalk_kernel::give_back_memory();
    // The folder is made, and is this host's.
    drop(Engine::open(paths)?);
    let _alone = alone::lock(&paths.state)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let desk = Desk::default();
    if ropewalk_cluster::Site::read(&paths.config).is_ok_and(|site| site.is_some()) {
        // The one before this may have led to what it had not written down.
        desk.written.set(Written::Older);
    }
    let tell = RefCell::new(tell);
    let heard = |said: &Said| {
        desk.hear(said);
        (tell.borrow_mut())(said);
    };
    let (mut of_host, mut of_cluster) = (heard, heard);
    let runtime = runtime.map_err(failed)?;
    let worked = runtime.block_on(async {
        let mut door = pin!(door::Door::open(&paths.state, wishes.metrics, &desk)?.serve());
        let mut serve = pin!(serve::Agent::new(paths, wishes.every, &desk, &mut of_host)?.serve());
        let mut stay = pin!(cluster::stay(paths, &desk, &mut of_cluster));
        // All parts are one task: who is woken last has heard of what the first has put on the desk.
        poll_fn(|cx| {
            if let Poll::Ready(never) = door.as_mut().poll(cx) {
                match never {}
            }
            match serve.as_mut().poll(cx) {
                Poll::Ready(ended) => Poll::Ready(ended),
                Poll::Pending => stay.as_mut().poll(cx).map(|never| match never {}),
            }
        })
        .await
    });
    // Who waits for others is not waited for.
    runtime.shutdown_background();
    worked
}

/// Has the agent of this host look at everything and list its store anew, and waits until it has.
///
/// # Errors
/// [`Code::AgentAbsent`] when there is none.
pub fn sync(paths: &Paths) -> Result<(), Fault> {
    need_root()?;
    door::sync(&paths.state)
}

/// The operating system refused something that the agent itself needs.
fn failed(error: std::io::Error) -> Fault {
    Fault::new(Code::Kernel, "the agent cannot run").kernel(error.to_string())
}
