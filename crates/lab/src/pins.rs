//! Labs that stay up without a process, and what keeps them.
//!
//!     /run/ropewalk-lab/          a tmpfs that does not propagate: only there can a mount
//!       bridge/lab.toml           namespace be bound to a file
//!       bridge/space/h1           … which keeps the host h1 and all that is in it
//!       bridge/process/h1+red     a process that was started: pid and start time
//!       bridge/ready              written last
//!
//! One process at a time changes it, by a lock on the folder. Every removal starts from what is
//! there, so that it can be repeated whatever was interrupted.
//! Never here: what a lab consists of.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ropewalk_facts::Ns;
use ropewalk_kernel::failpoint;
use rustix::fs::{FlockOperation, flock};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};

use crate::doors::{Doors, on_thread};
use crate::error::{Doing, Error, system};
use crate::model::Lab;
use crate::name::{Name, Place};
use crate::process::{Life, Started};
use crate::standing::Standing;
use crate::wiring;

/// The file that is written when a lab is complete.
const READY: &str = "ready";

/// The folder that labs are kept in.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

/// A lab that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The lab.
    pub lab: Lab,
    /// Its processes: where, and which.
    pub processes: Vec<(Place, Started)>,
    /// False for one that a crash left half made: `down` removes it.
    pub ready: bool,
}

impl Default for Root {
    fn default() -> Self {
        Self("/run/ropewalk-lab".into())
    }
}

impl Root {
    /// Another folder than the usual one. It must not be below a mount that a host of a lab has
    /// for itself, such as /run/netns.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Builds the lab that the file `file` with this `text` describes, and keeps it. One of this
    /// name that was left half made is removed first.
    ///
    /// # Errors
    /// [`Error::AlreadyUp`], a mistake in the file, the first refusal; nothing is left behind.
    pub fn up(&self, file: &str, text: &str, ropewalk: &Path) -> Result<Lab, Error> {
        let lab = Lab::parse(file, text)?;
        let _turn = self.lock(true)?;
        let folder = self.folder(&lab.name);
        if folder.join(READY).exists() {
            return Err(Error::AlreadyUp(lab.name));
        }
        remove(&folder)?;
        keep(lab, text, ropewalk, &folder).inspect_err(|_| {
            // What stopped it is what the caller has to hear of.
            let _removed = remove(&folder);
        })
    }

    /// Removes the lab `name`, or all. What it started is killed, and nothing else.
    ///
    /// # Errors
    /// [`Error::NotUp`] for a name that is not there; the first refusal.
    pub fn down(&self, name: Option<&Name>) -> Result<Vec<Name>, Error> {
        let turn = self.lock(false)?;
        let there = self.names()?;
        let names = match name {
            None => there,
            Some(name) if there.contains(name) => vec![name.clone()],
            Some(name) => return Err(Error::NotUp(name.clone())),
        };
        names.iter().try_for_each(|name| remove(&self.folder(name)))?;
        if turn.is_some() && self.names()?.is_empty() {
            // The folder itself stays: removing it would pull it from under other mount
            // namespaces, which may have labs of their own there.
            failpoint::hit("lab unmount");
            unmount(&self.0, UnmountFlags::DETACH).map_err(system(Doing::Unmount, &self.0))?;
        }
        Ok(names)
    }

    /// The labs that are up, and those left half made.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn ls(&self) -> Result<Vec<Kept>, Error> {
        // What cannot be read as a lab is one whose making was interrupted very early.
        let labs = self.names()?.into_iter().filter_map(|name| self.kept(&name).ok());
        Ok(labs.collect())
    }

    /// Replaces this process by `command`, run at `place`: of the lab `of`, or of the only one
    /// that has such a place. Returns only if that is refused.
    #[must_use]
    pub fn exec(&self, of: Option<&Name>, place: &Place, command: &[String]) -> Error {
        let here = std::env::current_dir();
        match self.enter(of, place) {
            Ok(()) => crate::process::become_command(command, here.ok()),
            Err(e) => e,
        }
    }

    /// Runs `work` on a thread at `place`, which is found as for [`Root::exec`].
    ///
    /// # Errors
    /// When there is no such place, or more than one, or it cannot be entered.
    pub fn inside<T: Send>(
        &self,
        of: Option<&Name>,
        place: &Place,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, Error> {
        on_thread(|| self.enter(of, place).map(|()| work()))
    }

    /// Moves the calling thread to `place` for good.
    fn enter(&self, of: Option<&Name>, place: &Place) -> Result<(), Error> {
        let labs = self.ls()?.into_iter();
        let labs = labs.filter(|kept| of.is_none_or(|name| kept.lab.name == *name));
        let mut labs = labs.filter(|kept| kept.lab.places().any(|p| p == *place));
        let kept = labs.next().ok_or_else(|| Error::NoPlace(place.clone()))?;
        let mut several: Vec<Name> = labs.map(|kept| kept.lab.name).collect();
        if !several.is_empty() {
            several.insert(0, kept.lab.name);
            return Err(Error::Several { place: place.clone(), labs: several });
        }
        let pin = pin(&self.folder(&kept.lab.name), wiring::host(&place.host).as_str());
        let doors = Doors::open(&pin)?;
        let net = match &place.container {
            None => None,
            Some(name) => Some(self.container(&kept, place, name, &doors)?),
        };
        doors.enter(net.as_ref()).map_err(system(Doing::Enter, place.to_string()))
    }

    /// The network namespace of a container: by its name on the host, or by its process.
    fn container(
        &self,
        kept: &Kept,
        place: &Place,
        name: &Name,
        doors: &Doors,
    ) -> Result<std::os::fd::OwnedFd, Error> {
        use ropewalk_kernel::netns::{open_named, open_pid};
        let mut containers = crate::standing::containers(&kept.lab);
        let named = containers.any(|(h, c)| h.name == place.host && c.name == *name && c.named);
        if named {
            let opened = doors.inside(None, || open_named(name.as_str()));
            return Ok(opened.map_err(system(Doing::Enter, place.to_string()))??);
        }
        let process = kept.processes.iter().find(|(at, p)| at == place && p.runs());
        let (_, process) = process.ok_or_else(|| Error::NoPlace(place.clone()))?;
        let pid = i32::try_from(process.pid).map_err(|_| Error::NoPlace(place.clone()))?;
        Ok(open_pid(pid)?)
    }

    fn folder(&self, name: &Name) -> PathBuf {
        self.0.join(name.as_str())
    }

    /// The labs that there is something of.
    fn names(&self) -> Result<Vec<Name>, Error> {
        let names = entries(&self.0)?.into_iter().filter_map(|name| name.parse().ok());
        Ok(names.collect())
    }

    fn kept(&self, name: &Name) -> Result<Kept, Error> {
        let folder = self.folder(name);
        let file = folder.join("lab.toml");
        let text = fs::read_to_string(&file).map_err(system(Doing::Read, &file))?;
        let lab = Lab::parse(&file.to_string_lossy(), &text)?;
        let mut processes = Vec::new();
        for entry in entries(&folder.join("process"))? {
            let place = entry.replace('+', "/").parse();
            if let (Ok(place), Some(started)) = (place, record(&folder, &entry)) {
                processes.push((place, started));
            }
        }
        Ok(Kept { lab, processes, ready: folder.join(READY).exists() })
    }

    /// Takes the turn to change the folder. Where it is not mounted it is, to `make` something in
    /// it; else there is nothing to change, and no turn.
    fn lock(&self, make: bool) -> Result<Option<File>, Error> {
        if make {
            fs::create_dir_all(&self.0).map_err(system(Doing::Write, &self.0))?;
        }
        loop {
            let dir = match File::open(&self.0) {
                Ok(dir) => dir,
                Err(e) if e.kind() == io::ErrorKind::NotFound && !make => return Ok(None),
                Err(e) => return Err(system(Doing::Lock, &self.0)(e)),
            };
            flock(&dir, FlockOperation::LockExclusive).map_err(system(Doing::Lock, &self.0))?;
            if !same(&dir, &self.0)? {
                // Another process mounted or unmounted it while this one waited.
                continue;
            }
            if is_mount_point(&self.0)? {
                return Ok(Some(dir));
            }
            if !make {
                return Ok(None);
            }
            let none = MountFlags::empty();
            failpoint::hit("lab mount");
            mount("ropewalk-lab", &self.0, "tmpfs", none, c"mode=755")
                .map_err(system(Doing::Mount, &self.0))?;
            failpoint::hit("lab private");
            mount_change(&self.0, MountPropagationFlags::PRIVATE)
                .map_err(system(Doing::Mount, &self.0))?;
        }
    }
}

/// Writes down what is needed to find the lab again, makes it, and starts its processes.
fn keep(lab: Lab, text: &str, ropewalk: &Path, folder: &Path) -> Result<Lab, Error> {
    let write = |path: &Path, text: &str| {
        failpoint::hit("lab write");
        fs::write(path, text).map_err(system(Doing::Write, path))
    };
    for part in ["space", "process"] {
        let part = folder.join(part);
        fs::create_dir_all(&part).map_err(system(Doing::Write, &part))?;
    }
    write(&folder.join("lab.toml"), text)?;
    let make = |ns: &Ns| Doors::keep(ns.as_str(), ropewalk, &pin(folder, ns.as_str()));
    let mut standing = Standing::build(lab, make)?;
    standing.start(Life::Long, |place, started| {
        let file = folder.join("process").join(place.to_string().replace('/', "+"));
        write(&file, &format!("{} {}\n", started.pid, started.at))
    })?;
    write(&folder.join(READY), "")?;
    Ok(standing.lab().clone())
}

/// Removes what there is of a lab: first its processes, then its hosts, then their files.
fn remove(folder: &Path) -> Result<(), Error> {
    let ready = folder.join(READY);
    failpoint::hit("lab not ready");
    match fs::remove_file(&ready) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            return Err(system(Doing::Remove, ready)(e));
        }
        _ => {}
    }
    for entry in entries(&folder.join("process"))? {
        if let Some(started) = record(folder, &entry) {
            failpoint::hit("lab kill");
            started.kill().map_err(system(Doing::Stop, started.pid.to_string()))?;
        }
    }
    for entry in entries(&folder.join("space"))? {
        let pin = pin(folder, &entry);
        failpoint::hit("lab unpin");
        match unmount(&pin, UnmountFlags::DETACH) {
            // EINVAL: the file is there, but nothing was bound to it yet.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(e) => return Err(system(Doing::Unmount, pin)(e)),
        }
    }
    failpoint::hit("lab remove");
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(system(Doing::Remove, folder)(e)),
        _ => Ok(()),
    }
}

fn pin(folder: &Path, ns: &str) -> PathBuf {
    folder.join("space").join(ns)
}

/// The record of a process; none where it was not finished, and the process never went on.
fn record(folder: &Path, entry: &str) -> Option<Started> {
    let text = fs::read_to_string(folder.join("process").join(entry)).ok()?;
    let (pid, at) = text.strip_suffix('\n')?.split_once(' ')?;
    Some(Started { pid: pid.parse().ok()?, at: at.parse().ok()? })
}

/// The names in a folder, in order; none where it is not there.
fn entries(folder: &Path) -> Result<Vec<String>, Error> {
    let found = match fs::read_dir(folder) {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(system(Doing::Read, folder)(e)),
    };
    let mut names: Vec<String> =
        found.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// True when the open folder is what `path` leads to now.
fn same(dir: &File, path: &Path) -> Result<bool, Error> {
    let one = dir.metadata().map_err(system(Doing::Lock, path))?;
    let other = match fs::metadata(path) {
        Ok(other) => other,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(system(Doing::Lock, path)(e)),
    };
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// True when the folder is on another file system than the one above it.
fn is_mount_point(path: &Path) -> Result<bool, Error> {
    let dev = |path: &Path| fs::metadata(path).map(|m| m.dev()).map_err(system(Doing::Read, path));
    Ok(dev(path)? != dev(path.parent().unwrap_or(Path::new("/")))?)
}
