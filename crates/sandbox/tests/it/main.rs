//! Sandboxes of every sort are found, in private namespaces and with real engines.

mod containers;
mod namespaces;

use ropewalk_sandbox::{Engines, Error, Resolved, resolve};

/// Finds a sandbox by its text, with engines where the environment of no one says.
fn find(text: &str, engines: &Engines) -> Result<Resolved, Error> {
    #[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    resolve(&text.parse().unwrap(), engines)
}

/// Why a sandbox is not found.
fn refusal(text: &str, engines: &Engines) -> String {
    match find(text, engines) {
        Ok(_) => format!("{text} was found"),
        Err(error) => error.to_string(),
    }
}

/// The number of a namespace, as `stat -L --format %i` tells it.
fn number(found: &Resolved) -> String {
    #[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    let status = rustix::fs::fstat(&found.fd).unwrap();
    status.st_ino.to_string()
}
