//! The folder, and the stamp that says which boot and which network namespace its state speaks of.
//!
//!     ropewalk 1
//!     boot 0b3c…        after another boot the kernel's state is gone, so ours goes too
//!     netns 4097        a folder shared with another namespace would mix two hosts
//!
//! The stamp is a file of its own: it is looked at before the database, which may be torn after a
//! power failure because nothing is ever synced.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::StoreError;
use crate::lock::{self, Byte};

const VERSION: &str = "ropewalk 1";

/// Which boot, and which network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The kernel's id of this boot.
    pub boot: String,
    /// The kernel's cookie of the namespace that ropewalk runs in.
    pub cookie: u64,
}

impl Stamp {
    /// This boot, and the namespace with this cookie.
    ///
    /// # Errors
    /// /proc cannot be read.
    pub fn of_this_boot(cookie: u64) -> Result<Self, StoreError> {
        let path = Path::new("/proc/sys/kernel/random/boot_id");
        let boot = std::fs::read_to_string(path).map_err(StoreError::io(path))?;
        Ok(Self { boot: boot.trim().to_owned(), cookie })
    }

    fn write(&self) -> String {
        format!("{VERSION}\nboot {}\nnetns {}\n", self.boot, self.cookie)
    }

    /// Reads what [`Stamp::write`] wrote; `None` if it is anything else.
    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        lines.next().filter(|line| *line == VERSION)?;
        let boot = lines.next()?.strip_prefix("boot ")?.to_owned();
        let cookie = lines.next()?.strip_prefix("netns ")?.parse().ok()?;
        Some(Self { boot, cookie })
    }
}

/// Makes the folder ready for a database of `stamp`: makes it if need be, and empties it if what it
/// holds is of another boot.
pub(crate) fn prepare(dir: &Path, stamp: &Stamp) -> Result<(), StoreError> {
    make_folder(dir)?;
    if check(dir, stamp)? {
        return Ok(());
    }
    let _alone = lock::take(dir, Byte::FOLDER, false)?;
    // Another process may have done it meanwhile.
    if check(dir, stamp)? {
        return Ok(());
    }
    for name in ["data.mdb", "lock.mdb"] {
        let path = dir.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io(&path)(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    write(dir, stamp)
}

/// True when the folder is there and holds state of `stamp`.
pub(crate) fn is_ready(dir: &Path, stamp: &Stamp) -> Result<bool, StoreError> {
    Ok(check_folder(dir)? && check(dir, stamp)?)
}

/// True when the folder holds state of `stamp`; false when it holds none, or that of another boot.
fn check(dir: &Path, stamp: &Stamp) -> Result<bool, StoreError> {
    let path = dir.join("stamp");
    let mut text = String::new();
    match File::open(&path).and_then(|file| file.take(4096).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let data = dir.join("data.mdb");
            let foreign = data.symlink_metadata().is_ok();
            return if foreign { Err(StoreError::Foreign { path: data }) } else { Ok(false) };
        }
        Err(error) => return Err(StoreError::io(&path)(error)),
    }
    let found = Stamp::read(&text).ok_or(StoreError::Version { path })?;
    if found.boot != stamp.boot {
        return Ok(false);
    }
    if found.cookie != stamp.cookie {
        let (found, own) = (found.cookie, stamp.cookie);
        return Err(StoreError::OtherNetns { path: dir.to_owned(), found, own });
    }
    Ok(true)
}

/// Makes the folder, for us alone, unless it is there.
fn make_folder(dir: &Path) -> Result<(), StoreError> {
    if check_folder(dir)? {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| folder_error(dir, error))?;
    check_folder(dir).map(drop)
}

/// True when the folder is there. It must be ours, and others must not be able to write in it.
fn check_folder(dir: &Path) -> Result<bool, StoreError> {
    let found = match std::fs::metadata(dir) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(folder_error(dir, error)),
    };
    if !found.is_dir() {
        return Err(StoreError::NotAFolder { path: dir.to_owned() });
    }
    let (uid, mode) = (found.uid(), found.mode() & 0o777);
    if uid != rustix::process::geteuid().as_raw() || mode & 0o022 != 0 {
        return Err(StoreError::Exposed { path: dir.to_owned(), uid, mode });
    }
    Ok(true)
}

fn folder_error(dir: &Path, error: io::Error) -> StoreError {
    match error.kind() == io::ErrorKind::NotADirectory {
        true => StoreError::NotAFolder { path: dir.to_owned() },
        false => StoreError::io(dir)(error),
    }
}

/// Writes the stamp at once: a reader sees the old one or the new one. This one is synced, once per
/// boot, because everything else trusts it.
fn write(dir: &Path, stamp: &Stamp) -> Result<(), StoreError> {
    let (new, path) = (dir.join("stamp.new"), dir.join("stamp"));
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&new).and_then(|mut file| {
        file.write_all(stamp.write().as_bytes())?;
        file.sync_all()
    });
    written.map_err(StoreError::io(&new))?;
    std::fs::rename(&new, &path).map_err(StoreError::io(&path))
}
