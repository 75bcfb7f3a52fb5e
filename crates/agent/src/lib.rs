//! The agent: the one long-running process of a host, which puts right what others break.
//!
//!     kernel ── events ─▶ links ─▶ pace ─▶ doubts? ─▶ tend ─▶ said       within a second
//!     clock ──────────────────────▶ pace ─▶ each task of the list ─▶ said   every minute
//!
//! It looks at what is, not at what an event says happened: an event lost is work postponed, never
//! work forgotten. It holds no state beside the store's; attach and detach never need it.
//! Never here: what is repaired, and how (`engine`).

mod alone;
mod links;
mod notify;
mod pace;
mod said;
mod serve;
mod task;

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
    runtime
        .map_err(failed)?
        .block_on(async { serve::Agent::new(paths, every, tell)?.serve().await })
}

/// The operating system refused something that the agent itself needs.
fn failed(error: std::io::Error) -> Fault {
    Fault::new(Code::Kernel, "the agent cannot run").kernel(error.to_string())
}
