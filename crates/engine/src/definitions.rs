//! Definitions of networks: files that people write, and that `network create` writes for them.
//!
//!     /etc/ropewalk/networks/web.toml     [network.web] …
//!     /etc/ropewalk/networks/web.peers    192.168.1.12=10.5.2.0/24     a line for each other host, where
//!                                                                      they are no part of the definition
//!
//! They outlive a reboot; what was made from them does not.

use std::fs;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use ropewalk_kernel::failpoint;
use ropewalk_spec::{Declaration, Network, NetworkName, Peer};

use crate::code::Code;
use crate::fault::Fault;

/// The first line of a file that ropewalk wrote: only such a file does it remove.
const WRITTEN: &str = "# Written by `ropewalk network create`; removed by `ropewalk network rm`.\n";

/// The folder of definitions.
pub(crate) struct Definitions {
    dir: PathBuf,
}

impl Definitions {
    pub(crate) fn new(config: &Path) -> Self {
        Self { dir: config.join("networks") }
    }

    pub(crate) fn path(&self, name: &NetworkName) -> PathBuf {
        self.dir.join(format!("{name}.toml"))
    }

    /// Where it is written before it gets its name; one process writes at a time.
    fn draft(&self, name: &NetworkName) -> PathBuf {
        self.dir.join(format!(".{name}.new"))
    }

    /// The definition of `name`, if there is one.
    pub(crate) fn read(&self, name: &NetworkName) -> Result<Option<Network>, Fault> {
        let path = self.path(name);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unreadable(&path, &e)),
        };
        let declaration = Declaration::parse(&path.display().to_string(), &text, &[])?;
        let found = declaration.networks.into_iter().find(|network| network.name == *name);
        found.map(Some).ok_or_else(|| {
            Fault::new(Code::BadFile, format!("{} does not define {name}", path.display()))
                .or_try(format!("give it a section [network.{name}]"))
        })
    }

    /// The names of all definitions, in order.
    pub(crate) fn names(&self) -> Result<Vec<NetworkName>, Fault> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(unreadable(&self.dir, &e)),
        };
        let name =
            |file: std::ffi::OsString| NetworkName::new(file.to_str()?.strip_suffix(".toml")?).ok();
        let mut names: Vec<_> = entries.flatten().filter_map(|e| name(e.file_name())).collect();
        names.sort();
        Ok(names)
    }

    fn beside(&self, name: &NetworkName) -> PathBuf {
        self.dir.join(format!("{name}.peers"))
    }

    /// `network` with its other hosts, where they stand beside its definition.
    pub(crate) fn whole(&self, network: &Network) -> Result<Network, Fault> {
        let mut whole = network.bare();
        let Some(ways) = whole.mode.ways_mut().filter(|_| network.led()) else {
            return Ok(network.clone());
        };
        let path = self.beside(&network.name);
        let file = match fs::File::open(&path) {
            Ok(file) => BufReader::new(file),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(whole),
            Err(e) => return Err(unreadable(&path, &e)),
        };
        for line in file.lines() {
            let line = line.map_err(|e| unreadable(&path, &e))?;
            // Who wrote it writes it anew.
            ways.peers.extend(Peer::read(&line).ok());
        }
        Ok(whole)
    }

    /// Writes who the other hosts of `network` are, whole or not at all.
    pub(crate) fn write_peers(&self, network: &Network) -> Result<(), Fault> {
        let path = self.beside(&network.name);
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(&self.dir)?;
            let draft = self.draft(&network.name);
            failpoint::hit("peers written");
            let mut file = BufWriter::new(fs::File::create(&draft)?);
            for (host, peer) in network.mode.ways().into_iter().flat_map(|ways| &ways.peers) {
                writeln!(file, "{}", peer.written(*host))?;
            }
            file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            failpoint::hit("peers named");
            fs::rename(&draft, &path)
        };
        write().map_err(|e| unwritten(&path, &e))
    }

    /// Writes the definition of `network`, whole or not at all, unless it stands there already.
    pub(crate) fn write(&self, network: &Network) -> Result<(), Fault> {
        let path = self.path(&network.name);
        let text = format!("{WRITTEN}{}", ropewalk_spec::to_toml(&network.bare()));
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(&self.dir)?;
            let draft = self.draft(&network.name);
            failpoint::hit("definition written");
            let mut file = fs::File::create(&draft)?;
            file.write_all(text.as_bytes())?;
            failpoint::hit("definition named");
            fs::rename(&draft, &path)
        };
        write().map_err(|e| unwritten(&path, &e))
    }

    /// Removes the definition of `name` if ropewalk wrote it. A person's file stays, and is returned.
    pub(crate) fn remove(&self, name: &NetworkName) -> Result<Option<PathBuf>, Fault> {
        let path = self.path(name);
        // A draft is there only after a crash.
        let _absent = fs::remove_file(self.draft(name));
        let _absent = fs::remove_file(self.beside(name));
        let kept = match fs::read_to_string(&path) {
            Ok(text) if text.starts_with(WRITTEN) => {
                failpoint::hit("definition removed");
                fs::remove_file(&path).map_err(|e| unreadable(&path, &e))?;
                None
            }
            Ok(_) => Some(path),
            Err(_) => None,
        };
        // The folder goes with the last file; where others are left, it stays.
        let _empty = fs::remove_dir(&self.dir);
        Ok(kept)
    }
}

fn unwritten(path: &Path, e: &std::io::Error) -> Fault {
    Fault::new(Code::StateUnusable, format!("cannot write {}", path.display()))
        .kernel(e.to_string())
        .or_try("make the folder writable, or set ROPEWALK_CONFIG to another")
}

fn unreadable(path: &Path, e: &std::io::Error) -> Fault {
    Fault::new(Code::BadFile, format!("cannot use {}", path.display())).kernel(e.to_string())
}
