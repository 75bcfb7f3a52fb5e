//! Rules in iptables' own words, written by its own program: what they mean is known to it alone.
//!
//!     iptables-restore --noflush < text        one child, and all of the text or nothing of it
//!
//! Called only where somebody asks for chains of iptables. It runs in the namespace of this thread.
//! Never here: which rules.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Where the program is looked for, beside `PATH`, which runtimes keep short.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"];

/// Why rules were not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritten {
    /// There is no such program.
    #[error("there is no {0}")]
    Missing(&'static str),
    /// It refused.
    #[error("{program} refused the rules")]
    Refused {
        /// Which program.
        program: &'static str,
        /// Its own words.
        said: String,
    },
}

/// iptables-restore or ip6tables-restore of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    name: &'static str,
    path: PathBuf,
}

impl Restore {
    /// Finds the program.
    ///
    /// # Errors
    /// [`Unwritten::Missing`].
    pub fn find(v6: bool) -> Result<Self, Unwritten> {
        let name = if v6 { "ip6tables-restore" } else { "iptables-restore" };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = std::env::split_paths(&path).chain(FOLDERS.iter().map(PathBuf::from));
        let path = folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()));
        Ok(Self { name, path: path.ok_or(Unwritten::Missing(name))? })
    }

    /// True when it writes tables of its own, not those of nf_tables: its file is called so.
    #[must_use]
    pub fn is_legacy(&self) -> bool {
        let file = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains("legacy"))
    }

    /// Has `text` written.
    ///
    /// # Errors
    /// [`Unwritten`]; nothing is changed then.
    #[expect(clippy::disallowed_types, reason = "rules in iptables' words are iptables' to read")]
    pub fn write(&self, text: &str) -> Result<(), Unwritten> {
        use std::process::{Command, Stdio};
        let refused = |said: String| Unwritten::Refused { program: self.name, said };
        let io = |why: std::io::Error| refused(why.to_string());
        let mut program = Command::new(&self.path);
        program.args(["--noflush", "-w"]).env("LC_ALL", "C").current_dir(Path::new("/"));
        program.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = program.spawn().map_err(io)?;
        // One that ends early says why.
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(text.as_bytes()).ok();
        }
        let ran = child.wait_with_output().map_err(io)?;
        match ran.status.success() {
            true => Ok(()),
            false => Err(refused(String::from_utf8_lossy(&ran.stderr).trim().to_owned())),
        }
    }
}
