//! A network on trial: the person at the terminal is asked whether the host can still be reached.
//!
//!     y, or `ropewalk confirm NETWORK` elsewhere ─▶ it stays       anything else, or nothing ─▶ back
//!
//! Whether it goes back by itself is the guard's; here it is only asked and watched.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use ropewalk_engine::{Code, Engine, Fault, NetworkView};
use ropewalk_spec::NetworkName;

/// How often it is looked whether somebody else has answered.
const LOOK: Duration = Duration::from_millis(200);

/// Asks about the network `name` when it is on trial and somebody is there to ask.
pub(crate) fn ask(
    engine: &mut Engine,
    name: &NetworkName,
    made: NetworkView,
) -> Result<NetworkView, Fault> {
    let people = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let Some(seconds) = made.confirm_within_s.filter(|_| people) else { return Ok(made) };
    let mut err = std::io::stderr();
    // Who cannot read the question does not answer it either.
    let _shown = write!(err, "{}\nkeep it? [y/N] ", question(name, seconds));
    let _shown = err.flush();
    let answers = line();
    loop {
        match answers.recv_timeout(LOOK) {
            Ok(line) if line.trim().eq_ignore_ascii_case("y") => {
                return engine.confirm_network(name);
            }
            Ok(_) | Err(RecvTimeoutError::Disconnected) => {
                engine.remove_network(name)?;
                return Err(back(name, "it was not wanted"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        match engine.network(name) {
            Ok(view) if view.confirm_within_s.is_none() => return Ok(view),
            Ok(_) => {}
            Err(fault) if fault.code == Code::NetworkUnknown => {
                return Err(back(name, &format!("nobody confirmed it within {seconds} s")));
            }
            Err(fault) => return Err(fault),
        }
    }
}

fn question(name: &NetworkName, seconds: u64) -> String {
    format!(
        "network {name} is made. If this host can still be reached, say so within {seconds} s,\n\
         here or elsewhere with `ropewalk confirm {name}`; else everything goes back."
    )
}

fn back(name: &NetworkName, why: &str) -> Fault {
    Fault::new(Code::NetworkUnconfirmed, "everything was moved back")
        .doing(format!("create network {name}"))
        .cause(why)
}

/// The next line that is typed.
fn line() -> Receiver<String> {
    let (tell, hear) = channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        if std::io::stdin().lock().read_line(&mut text).is_ok_and(|n| n > 0) {
            // Nobody may wait for it any more.
            let _heard = tell.send(text);
        }
    });
    hear
}
