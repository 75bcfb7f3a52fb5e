//! Answers: what a command prints, and its exit status.

use std::io::{self, Write};
use std::process::ExitCode;

use ropewalk_engine::{Code, Fault};
use serde::Serialize;

/// `check` found something.
pub(crate) const FOUND: u8 = 3;

/// What goes to standard output, and the exit status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) status: u8,
}

impl Answer {
    /// `value` as JSON, or in the words of `show`.
    pub(crate) fn of<T: Serialize + ?Sized>(
        json: bool,
        value: &T,
        show: impl FnOnce(&T) -> String,
    ) -> Result<Self, Fault> {
        let text = if json { written(value)? } else { show(value) };
        Ok(Self { text, status: 0 })
    }

    /// With another exit status.
    pub(crate) fn status(self, status: u8) -> Self {
        Self { status, ..self }
    }

    /// Prints it, in one write. A reader that has heard enough (`| head`) is no fault.
    pub(crate) fn print(&self) -> ExitCode {
        let mut out = io::stdout().lock();
        let done = out.write_all(self.text.as_bytes()).and_then(|()| out.flush());
        match done {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
            Ok(()) | Err(_) => ExitCode::from(self.status),
        }
    }
}

/// Tells what happens while it happens. Who no longer listens hears the exit status.
pub(crate) fn tell(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Says what happens while it happens, beside the result: to standard error.
pub(crate) fn note(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes());
}

/// `value` as JSON that people can read, too.
pub(crate) fn written<T: Serialize + ?Sized>(value: &T) -> Result<String, Fault> {
    let text = serde_json::to_string_pretty(value);
    let text =
        text.map_err(|e| Fault::new(Code::BadInput, "no JSON for this").kernel(e.to_string()));
    Ok(text? + "\n")
}
