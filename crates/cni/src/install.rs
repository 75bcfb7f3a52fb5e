//! Into a folder of plugins, and out of it again.
//!
//!     DIR/ropewalk            this program, copied
//!     DIR/bridge ─▶ ropewalk  a link for each plugin; what was there is in DIR/.ropewalk-saved
//!
//! Each name is there at every moment: a link takes a file's place in one step.  Never here: the
//! configuration of networks.

use std::fs;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::plugin::Plugin;

/// Where runtimes look for plugins, unless they are told otherwise.
pub const DIR: &str = "/opt/cni/bin";

/// The program's name in the folder, and what the links lead to.
const PROGRAM: &str = "ropewalk";
/// Where what was there is kept.
const SAVED: &str = ".ropewalk-saved";

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// The folder.
    pub dir: PathBuf,
    /// Plugins that lead to this program now, or do no more.
    pub plugins: Vec<String>,
    /// Those whose files were saved, or given back.
    pub kept: Vec<String>,
}

/// What cannot be done with a file.
#[derive(Debug)]
pub struct Unusable {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub why: Error,
}

/// Makes the program all plugins of `dir`. Done so already, the program is copied again.
///
/// # Errors
/// A file that cannot be written.
pub fn install(dir: &Path) -> Result<Installed, Unusable> {
    fs::create_dir_all(dir).map_err(at(dir))?;
    let (new, program) = (dir.join(".ropewalk.new"), dir.join(PROGRAM));
    fs::copy("/proc/self/exe", &new).map_err(at(&new))?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).map_err(at(&new))?;
    fs::rename(&new, &program).map_err(at(&program))?;
    let mut done = Installed { dir: dir.to_owned(), ..Installed::default() };
    for (name, _) in Plugin::ALL {
        let path = dir.join(name);
        if path.symlink_metadata().is_ok() && !is_ours(&path) {
            save(dir, name)?;
            done.kept.push(name.into());
        }
        let link = dir.join(format!(".{name}.new"));
        gone(fs::remove_file(&link)).map_err(at(&link))?;
        symlink(PROGRAM, &link).map_err(at(&link))?;
        fs::rename(&link, &path).map_err(at(&path))?;
        done.plugins.push(name.into());
    }
    Ok(done)
}

/// Gives back what was there before [`install`], and takes the rest away.
///
/// # Errors
/// A file that cannot be written.
pub fn uninstall(dir: &Path) -> Result<Installed, Unusable> {
    let mut done = Installed { dir: dir.to_owned(), ..Installed::default() };
    for (name, _) in Plugin::ALL {
        let (path, saved) = (dir.join(name), dir.join(SAVED).join(name));
        if !is_ours(&path) {
            continue;
        }
        match fs::rename(&saved, &path) {
            Ok(()) => done.kept.push(name.into()),
            Err(why) if why.kind() == ErrorKind::NotFound => {
                fs::remove_file(&path).map_err(at(&path))?;
            }
            Err(why) => return Err(Unusable { path: saved, why }),
        }
        done.plugins.push(name.into());
    }
    let program = dir.join(PROGRAM);
    if !done.plugins.is_empty() {
        gone(fs::remove_file(&program)).map_err(at(&program))?;
    }
    // It stays where something is left in it.
    let _kept = fs::remove_dir(dir.join(SAVED));
    Ok(done)
}

/// True for a link to the program beside it.
fn is_ours(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|to| to == Path::new(PROGRAM))
}

/// Keeps a second name of the file: the first one is taken over in one step.
fn save(dir: &Path, name: &str) -> Result<(), Unusable> {
    let folder = dir.join(SAVED);
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let (path, saved) = (dir.join(name), folder.join(name));
    gone(fs::remove_file(&saved)).map_err(at(&saved))?;
    match fs::read_link(&path) {
        // A link that leads beside itself is to lead there from the folder too.
        Ok(to) => symlink(to, &saved).map_err(at(&saved)),
        Err(_) => fs::hard_link(&path, &saved).map_err(at(&saved)),
    }
}

/// That it is not there is as well.
fn gone(done: Result<(), Error>) -> Result<(), Error> {
    match done {
        Err(why) if why.kind() != ErrorKind::NotFound => Err(why),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn at(path: &Path) -> impl Fn(Error) -> Unusable {
    let path = path.to_owned();
    move |why| Unusable { path: path.clone(), why }
}
