//! The call: what a runtime says by environment variables.
//!
//!     CNI_COMMAND=ADD CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/red CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin
//!
//! Each verb needs some of them; what is given is held to plain characters, for it becomes part of
//! names and paths.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::args::Args;
use crate::fault::{Code, Fault};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    /// Attach a container.
    Add,
    /// Detach it.
    Del,
    /// Look whether what ADD did is still there.
    Check,
    /// Clear away what belongs to no container.
    Gc,
    /// Say whether ADD would work.
    Status,
    /// Say which versions are spoken.
    Version,
}

/// A call, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The verb.
    pub command: Command,
    /// The container; empty where the verb concerns none.
    pub container: String,
    /// The path of its namespace; none when it is gone, which only DEL allows.
    pub netns: Option<PathBuf>,
    /// The interface in it; empty where the verb concerns none.
    pub ifname: String,
    /// Pairs beside the configuration.
    pub args: Args,
    /// Where other plugins are.
    pub path: Vec<PathBuf>,
    /// A namespace that is the plugin's own is allowed (`CNI_NETNS_OVERRIDE`).
    pub own_netns: bool,
}

/// The longest name of an interface in bytes (`IFNAMSIZ` less its end).
const IFNAME_MAX: usize = 15;

impl Command {
    const ALL: [(&str, Self); 6] = [
        ("ADD", Self::Add),
        ("DEL", Self::Del),
        ("CHECK", Self::Check),
        ("GC", Self::Gc),
        ("STATUS", Self::Status),
        ("VERSION", Self::Version),
    ];

    fn read(text: &str) -> Result<Self, Fault> {
        let found = Self::ALL.iter().find(|(word, _)| *word == text);
        found.map(|(_, command)| *command).ok_or_else(|| {
            Fault::new(Code::Environment, format!("unknown CNI_COMMAND: {text}"))
                .details("ADD, DEL, CHECK, GC, STATUS and VERSION are known")
        })
    }

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, command)| *command == self).map_or("", |(word, _)| word)
    }

    /// The variables that it needs.
    fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Add | Self::Check => &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
            Self::Del => &["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
            Self::Gc | Self::Status => &["CNI_PATH"],
            Self::Version => &[],
        }
    }
}

impl Call {
    /// Reads the call; none when there is no `CNI_COMMAND`, as when a person tries the program.
    ///
    /// # Errors
    /// [`Code::Environment`], [`Code::UnknownContainer`].
    pub fn read(env: &BTreeMap<String, String>) -> Result<Option<Self>, Fault> {
        let var = |name: &str| env.get(name).map(String::as_str).unwrap_or_default();
        if var("CNI_COMMAND").is_empty() {
            return Ok(None);
        }
        let command = Command::read(var("CNI_COMMAND"))?;
        let missing: Vec<&str> =
            command.needs().iter().copied().filter(|name| var(name).is_empty()).collect();
        if !missing.is_empty() {
            let what = format!("required env variables [{}] missing", missing.join(","));
            return Err(Fault::new(Code::Environment, what));
        }
        let concerns = |name: &str| command.needs().contains(&name).then(|| var(name));
        concerns("CNI_CONTAINERID").map_or(Ok(()), container)?;
        concerns("CNI_IFNAME").map_or(Ok(()), interface)?;
        let netns = Some(var("CNI_NETNS")).filter(|path| !path.is_empty());
        Ok(Some(Self {
            command,
            container: var("CNI_CONTAINERID").to_owned(),
            netns: netns.map(PathBuf::from),
            ifname: var("CNI_IFNAME").to_owned(),
            args: Args::read(var("CNI_ARGS"))?,
            path: std::env::split_paths(var("CNI_PATH")).collect(),
            own_netns: matches!(var("CNI_NETNS_OVERRIDE").to_lowercase().as_str(), "1" | "true"),
        }))
    }
}

/// True for a letter or digit, then letters, digits, `_`, `.` and `-`: container ids and names of
/// networks.
pub(crate) fn is_plain(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    begins && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

fn container(id: &str) -> Result<(), Fault> {
    if is_plain(id) {
        return Ok(());
    }
    let fault = Fault::new(Code::Environment, "invalid characters in CNI_CONTAINERID");
    Err(fault
        .details(format!("{id:?} is not a letter or digit, then letters, digits, '_', '.', '-'")))
}

fn interface(name: &str) -> Result<(), Fault> {
    let why = if name.len() > IFNAME_MAX {
        format!("it is longer than {IFNAME_MAX} bytes")
    } else if name == "." || name == ".." {
        "it would be a path".to_owned()
    } else if let Some(c) = name.chars().find(|c| "/:".contains(*c) || c.is_whitespace()) {
        format!("it holds {c:?}")
    } else {
        return Ok(());
    };
    let what = format!("CNI_IFNAME {name:?} cannot be the name of an interface");
    Err(Fault::new(Code::Environment, what).details(why))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that fails says so")]
mod tests {
    use super::*;

    fn call(text: &str) -> Result<Option<Call>, Fault> {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        Call::read(&pairs.map(|(k, v)| (format!("CNI_{k}"), v.to_owned())).collect())
    }

    #[test]
    fn each_verb_needs_its_variables() {
        assert_eq!(call(""), Ok(None));
        let add =
            call("COMMAND=ADD CONTAINERID=c1 NETNS=/n IFNAME=eth0 PATH=/a:/b").unwrap().unwrap();
        assert_eq!((add.command, add.path.len()), (Command::Add, 2));
        let said = call("COMMAND=ADD CONTAINERID=c1 PATH=/a").unwrap_err();
        assert_eq!(said.msg, "required env variables [CNI_NETNS,CNI_IFNAME] missing");
        let del = call("COMMAND=DEL CONTAINERID=c1 IFNAME=eth0 PATH=/a").unwrap().unwrap();
        assert_eq!(del.netns, None);
        assert!(call("COMMAND=GC PATH=/a").is_ok() && call("COMMAND=VERSION").is_ok());
        assert_eq!(call("COMMAND=add").unwrap_err().msg, "unknown CNI_COMMAND: add");
    }

    #[test]
    fn names_are_held_to_plain_characters() {
        for bad in ["..", "/etc", "-c", "a/b", "ä"] {
            let said = call(&format!("COMMAND=DEL CONTAINERID={bad} IFNAME=eth0 PATH=/a"));
            assert_eq!(said.unwrap_err().code, Code::Environment, "{bad}");
        }
        for bad in [".", "..", "a/b", "a:b", "sixteen-bytes-ab"] {
            let said = call(&format!("COMMAND=DEL CONTAINERID=c IFNAME={bad} PATH=/a"));
            assert_eq!(said.unwrap_err().code, Code::Environment, "{bad}");
        }
    }
}
