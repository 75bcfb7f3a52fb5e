//! The agent: the one long-running process of a host, which puts right what others break.
//!
//!     kernel ── events ─▶ links ─▶ pace ─▶ doubts? ─▶ tend ─▶ said       within a second
//!     clock ──────────────────────▶ pace ─▶ each task of the list ─▶ said   every minute
//!     store of a cluster ── news ─▶ cluster ─▶ networks, peers ─▶ said      at once
//!
//! It looks at what is, not at what an event says happened: an event lost is work postponed, never
//! work forgotten. It holds no state beside the store's; attach and detach never need it.
//! Never here: what is repaired, and how (`engine`).

mod alone;
mod cluster;
mod links;
mod notify;
mod pace;
mod said;
mod serve;
mod task;

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ropewalk_engine::{Code, Engine, Fault, Paths, need_root};

pub use said::Said;

/// Runs until SIGTERM or SIGINT, and looks at everything `every` so often; `tell` hears what is
/// done.
///
/// # Errors
/// [`Code::NotPrivileged`], [`Code::AgentRunning`], [`Code::StateUnusable`],
/// [`Code::StateForeign`], [`Code::Kernel`]: all before anything is done.
pub fn run(paths: &Paths, every: Duration, tell: &mut dyn FnMut(&Said)) -> Result<(), Fault> {
    need_root()?;
    // The folder is made, and is this host's.
    drop(Engine::open(paths)?);
    let _alone = alone::lock(&paths.state)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let tell = RefCell::new(tell);
    let mut of_host = |said: &Said| (tell.borrow_mut())(said);
    let mut of_cluster = |said: &Said| (tell.borrow_mut())(said);
    runtime.map_err(failed)?.block_on(async {
        let mut serve = pin!(serve::Agent::new(paths, every, &mut of_host)?.serve());
        let mut stay = pin!(cluster::stay(paths, &mut of_cluster));
        poll_fn(|cx| match serve.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(ended),
            Poll::Pending => stay.as_mut().poll(cx).map(|never| match never {}),
        })
        .await
    })
}

/// The operating system refused something that the agent itself needs.
fn failed(error: std::io::Error) -> Fault {
    Fault::new(Code::Kernel, "the agent cannot run").kernel(error.to_string())
}
