//! Dying at a chosen step, for tests of what a crash leaves behind. Only in debug builds.
//!
//!     ROPEWALK_FAILPOINT=7           killed just before the seventh step
//!     ROPEWALK_FAILPOINT_LIST=FILE   every step's name is added to FILE
//!
//! A step is one kernel request, one nft transaction, or one commit of the store. While either
//! variable is set batches are sent one request at a time, so that every prefix can be reached.

/// True when steps are counted: requests must then be sent one by one.
#[must_use]
pub fn active() -> bool {
    cfg!(debug_assertions) && imp::active()
}

/// Counts the step `name` that is about to be taken, and dies if it is the chosen one.
pub fn hit(name: &str) {
    if active() {
        imp::hit(name);
    }
}

#[cfg(not(debug_assertions))]
mod imp {
    pub(super) fn active() -> bool {
        false
    }
    pub(super) fn hit(_name: &str) {}
}

#[cfg(debug_assertions)]
mod imp {
    use std::env;
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::path::PathBuf;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    struct Wanted {
        at: Option<usize>,
        list: Option<PathBuf>,
    }

    static WANTED: OnceLock<Wanted> = OnceLock::new();
    static STEPS: AtomicUsize = AtomicUsize::new(0);

    fn wanted() -> &'static Wanted {
        WANTED.get_or_init(|| Wanted {
            at: env::var("ROPEWALK_FAILPOINT").ok().and_then(|n| n.parse().ok()),
            list: env::var_os("ROPEWALK_FAILPOINT_LIST").map(PathBuf::from),
        })
    }

    pub(super) fn active() -> bool {
        let wanted = wanted();
        wanted.at.is_some() || wanted.list.is_some()
    }

    pub(super) fn hit(name: &str) {
        let wanted = wanted();
        let step = STEPS.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(path) = &wanted.list
            && let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path)
        {
            // A list that cannot be written fails the test that reads it.
            let _written = writeln!(file, "{step} {name}");
        }
        if wanted.at == Some(step) {
            // Death by SIGKILL runs no destructor, as in a crash.
            let _killed = kill_process(getpid(), Signal::KILL);
        }
    }
}
