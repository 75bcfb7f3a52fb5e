//! The file that says what an interface was like before it was tuned, as the reference plugin keeps it.
//!
//!     /run/cni/tuning/CONTAINER_IFNAME.json    {"mac": "02:…", "mtu": 1500, "promisc": false}
//!
//! It is written before anything is changed, and only what is changed is in it. ropewalk itself
//! restores by its record; but where another's plugin tuned, the file is all there is.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ropewalk_engine::{Manner, Whom};
use ropewalk_facts::Link;
use serde::{Deserialize, Serialize};

use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::net::Task;

/// Where the files are, unless `dataDir` says otherwise.
const FOLDER: &str = "/run/cni/tuning";

/// What is in a file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Before {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    promisc: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allmulti: Option<bool>,
    #[serde(default, rename = "txQLen", skip_serializing_if = "Option::is_none")]
    txqlen: Option<u32>,
    /// Ours alone: so GC of a network knows its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<String>,
}

/// A file that was written just now.
pub(super) struct Kept(PathBuf);

impl Kept {
    /// Takes it away again.
    pub(super) fn remove(&self) -> Result<(), Fault> {
        remove(&self.0)
    }
}

/// Writes down what `manner` is about to change. One that is there is kept: it was written when
/// nothing was changed yet.
pub(super) fn keep(
    task: &mut Task<'_>,
    whom: &Whom,
    manner: &Manner,
) -> Result<Option<Kept>, Fault> {
    let path = path(task.conf, whom)?;
    if manner.is_empty() || path.exists() {
        return Ok(None);
    }
    let sandbox = task.sandbox()?;
    let Some(link) = task.engine.link_inside(&sandbox, &whom.ifname)? else { return Ok(None) };
    let before = Before::of(&link, manner, whom);
    let text = serde_json::to_string_pretty(&before).unwrap_or_default();
    let new = path.with_extension("new");
    let write = || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&new, text)?;
        fs::rename(&new, &path)
    };
    write().map_err(|why| odd(&path, &why))?;
    Ok(Some(Kept(path)))
}

/// Removes the file; what it says comes back first, where no record did that.
pub(super) fn restore(task: &mut Task<'_>, whom: &Whom, recorded: bool) -> Result<(), Fault> {
    let path = path(task.conf, whom)?;
    if !recorded && task.call.netns.is_some() {
        let before = read(&path)?;
        let sandbox = task.sandbox()?;
        if let Some(before) = before {
            task.engine.alter_inside(&sandbox, &whom.ifname, &before.manner())?;
        }
    }
    remove(&path)
}

/// Removes the files of this network's containers that are not wanted any more.
pub(super) fn sweep(task: &Task<'_>) -> Result<(), Fault> {
    let folder = folder(task.conf)?;
    let valid = task.valid();
    let wanted: Vec<String> =
        valid.iter().map(|(id, ifname)| format!("{id}_{ifname}.json")).collect();
    let Ok(all) = fs::read_dir(&folder) else { return Ok(()) };
    for file in all.filter_map(Result::ok) {
        let path = file.path();
        let named = |name: &String| file.file_name().to_str() == Some(name);
        let before = read(&path).unwrap_or_default();
        let ours = before.is_some_and(|b| b.network.as_ref() == Some(&task.conf.name));
        if ours && !wanted.iter().any(named) {
            remove(&path)?;
        }
    }
    Ok(())
}

impl Before {
    fn of(link: &Link, manner: &Manner, whom: &Whom) -> Self {
        let is_on = |on: Option<bool>| on == Some(true);
        Self {
            mac: manner.mac.and(link.mac).map(|mac| mac.to_string()),
            promisc: manner.promisc.map(|_| is_on(link.promisc)),
            mtu: manner.mtu.and(link.mtu),
            allmulti: manner.allmulti.map(|_| is_on(link.allmulti)),
            txqlen: manner.txqlen.map(|_| link.txqlen.unwrap_or(link.kind.txqlen())),
            network: Some(whom.cni.network.clone()),
        }
    }

    fn manner(&self) -> Manner {
        Manner {
            mac: self.mac.as_ref().and_then(|text| text.parse().ok()),
            mtu: self.mtu,
            promisc: self.promisc,
            allmulti: self.allmulti,
            txqlen: self.txqlen,
            master: None,
        }
    }
}

fn folder(conf: &Conf) -> Result<PathBuf, Fault> {
    let folder = conf.fields.text("dataDir")?;
    Ok(if folder.is_empty() { FOLDER.into() } else { folder.into() })
}

fn path(conf: &Conf, whom: &Whom) -> Result<PathBuf, Fault> {
    Ok(folder(conf)?.join(format!("{}_{}.json", whom.cni.container, whom.ifname)))
}

/// What a file says; nothing where it is not there, or is none of these.
fn read(path: &Path) -> Result<Option<Before>, Fault> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
        Err(why) => Err(odd(path, &why)),
    }
}

fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != ErrorKind::NotFound => Err(odd(path, &why)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn odd(path: &Path, why: &std::io::Error) -> Fault {
    let what = format!("tuning: cannot keep what was before in {}", path.display());
    Fault::new(Code::Io, what).details(why.to_string())
}
