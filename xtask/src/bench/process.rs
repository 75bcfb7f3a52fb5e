//! One process from start to end: what it cost.
//!
//!     fork, exec ─▶ wait4     CPU: user and system time of the whole process · wall: by the clock
//!
//! Never here: what it does.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Fault;

/// What a process cost, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// User and system time.
    pub(crate) cpu: u64,
    /// Time by the clock, from before it is started until it is known to have ended.
    pub(crate) wall: u64,
}

/// Runs a command without environment and output, and measures it.
///
/// # Errors
/// When it fails.
pub(crate) fn measure(command: &mut Command) -> Result<Cost, Fault> {
    timed(command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()))
}

/// As [`measure`], with environment, input and output as they are.
///
/// # Errors
/// When it fails.
pub(crate) fn timed(command: &mut Command) -> Result<Cost, Fault> {
    let begun = Instant::now();
    let child = command.spawn()?;
    let (status, cpu) = wait(child.id())?;
    let wall = u64::try_from(begun.elapsed().as_micros())?;
    if status == 0 {
        return Ok(Cost { cpu, wall });
    }
    Err(format!("{command:?} ended with status {status:#x}").into())
}

/// The status of a child that has ended, and its CPU time in microseconds.
#[expect(unsafe_code, reason = "no safe wrapper of wait4 tells the use of resources")]
fn wait(pid: u32) -> Result<(i32, u64), Fault> {
    let mut status = 0;
    // SAFETY: rusage is plain numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        let pid = libc::pid_t::try_from(pid)?;
        // SAFETY: the child is ours and not yet waited for; both pointers outlive the call.
        if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } == pid {
            break;
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error.into());
        }
    }
    let micros = |t: libc::timeval| u64::try_from(t.tv_sec * 1_000_000 + t.tv_usec);
    Ok((status, micros(usage.ru_utime)? + micros(usage.ru_stime)?))
}
