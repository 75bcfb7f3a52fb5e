//! The flags of `dhcp daemon`, as Go's library reads them: `-name value`, `-name=value`, `--name …`.

use std::path::PathBuf;
use std::time::Duration;

/// What the daemon was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flags {
    /// Where its number is written.
    pub(super) pidfile: Option<PathBuf>,
    /// What stands before the paths of namespaces, where the host's files are.
    pub(super) hostprefix: String,
    /// Where it listens.
    pub(super) socket: PathBuf,
    /// How long a server is waited for.
    pub(super) timeout: Duration,
}

impl Flags {
    /// Reads the words behind `daemon`.
    ///
    /// # Errors
    /// A sentence about the first that is not understood.
    pub(super) fn read(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut flags = Self {
            pidfile: None,
            hostprefix: String::new(),
            socket: PathBuf::from(super::SOCKET),
            timeout: Duration::from_secs(10),
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let bare = word.strip_prefix("--").or_else(|| word.strip_prefix('-'));
            let bare = bare.ok_or_else(|| format!("{word:?} is no flag"))?;
            let (name, given) = match bare.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (bare, None),
            };
            // Every question asks for answers to all, which is all that it could mean.
            if name == "broadcast" {
                continue;
            }
            let value = given.or_else(|| words.next());
            let value = value.ok_or_else(|| format!("-{name} needs a value"))?;
            match name {
                "pidfile" => flags.pidfile = Some(PathBuf::from(value)),
                "hostprefix" => flags.hostprefix = value,
                "socketpath" => flags.socket = PathBuf::from(value),
                "timeout" => flags.timeout = duration(&value)?,
                // How often a question is said again is the client's own affair.
                "resendmax" | "resendtimeout" => drop(duration(&value)?),
                _ => return Err(format!("there is no flag -{name}")),
            }
        }
        Ok(flags)
    }
}

/// `5s`, `1m30s`, `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let odd = || format!("{text:?} is no time: 5s, 1m30s, 500ms");
    let mut rest = text;
    let mut all = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(odd)?;
        let (number, tail) = rest.split_at(end);
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let number: f64 = number.parse().map_err(|_| odd())?;
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return Err(odd()),
        };
        all += Duration::try_from_secs_f64(number * seconds).map_err(|_| odd())?;
        rest = tail;
    }
    if text.is_empty() { Err(odd()) } else { Ok(all) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that fails says so")]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Flags, String> {
        Flags::read(line.split_whitespace().map(String::from))
    }

    #[test]
    fn flags_are_written_in_three_ways() {
        let usual = read("").unwrap();
        assert_eq!(usual.socket, PathBuf::from("/run/cni/dhcp.sock"));
        let told =
            read("-socketpath /a --timeout=1m30s -broadcast=true -hostprefix /host -resendmax 62s")
                .unwrap();
        assert_eq!((told.socket, told.timeout), (PathBuf::from("/a"), Duration::from_secs(90)));
        assert_eq!(told.hostprefix, "/host");
        for bad in ["-x 1", "socketpath", "-timeout", "-timeout soon", "-timeout 5"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
