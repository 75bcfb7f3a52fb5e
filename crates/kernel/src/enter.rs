//! Entering a network namespace and coming back, on the calling thread.
//!
//!     enter(red, || open a socket, write a sysctl)      nsenter --net=/run/netns/red …
//!
//! A thread that cannot come back would work on the wrong network from then on: the process
//! aborts instead.  Never here: other kinds of namespaces, new threads.

use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Doing, Error, sys};
use crate::netns;

/// Runs `work` in the namespace `fd`, then comes back.
///
/// # Errors
/// When the namespace cannot be entered; `work` has then not run.
pub fn enter<T>(fd: BorrowedFd<'_>, work: impl FnOnce() -> T) -> Result<T, Error> {
    let home = netns::current()?;
    enter_from(home.as_fd(), fd, work)
}

/// As [`enter`], for a thread that is in `home`.
pub(crate) fn enter_from<T>(
    home: BorrowedFd<'_>,
    fd: BorrowedFd<'_>,
    work: impl FnOnce() -> T,
) -> Result<T, Error> {
    let back = Back(home);
    set(fd)?;
    let out = work();
    drop(back);
    Ok(out)
}

/// Moves the calling thread for good.
fn set(fd: BorrowedFd<'_>) -> Result<(), Error> {
    move_into_link_name_space(fd, Some(LinkNameSpaceType::Network)).map_err(sys(Doing::Enter))
}

/// Brings the thread back when dropped, however `work` ended.
pub(crate) struct Back<'a>(pub(crate) BorrowedFd<'a>);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        if let Err(e) = set(self.0) {
            let mut err = std::io::stderr();
            // Nothing is left to do about a failure to say so.
            let _said = writeln!(err, "ropewalk: cannot come back from a network namespace: {e}");
            std::process::abort();
        }
    }
}
