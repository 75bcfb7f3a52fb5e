//! Network namespaces under the names that people know them by.
//!
//!     netns:red · pid:812:web     the container web, or the command that runs there
//!
//! podman's are told by the process that watches over a container (`conmon … -n web`), docker's by the
//! engine, once for all.  Never here: what is inside.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use ropewalk_facts::Ns;
use ropewalk_kernel::scan::{self, Found};
use ropewalk_kernel::{Kernel, netns};
use ropewalk_sandbox::{Engine, Engines};
use ropewalk_spec::SandboxRef;
use ropewalk_walk::pages::nearest_names;
use ropewalk_walk::{called, meant, space};

use crate::code::Code;
use crate::fault::Fault;

/// All namespaces but the host's.
pub(crate) fn all() -> Vec<Found> {
    let mut all = scan::spaces();
    let mut names = Names::default();
    let mut taken: BTreeSet<String> = all
        .iter()
        .filter(|found| found.ns.as_str().starts_with("netns:"))
        .map(|found| called(&found.ns).to_owned())
        .chain(["host".to_owned()])
        .collect();
    for found in &mut all {
        let Some(pid) = found.pid.filter(|_| !found.ns.as_str().starts_with("netns:")) else {
            continue;
        };
        let Some(mut name) = names.of(pid) else { continue };
        if !taken.insert(name.clone()) {
            name = format!("{name}-{pid}");
        }
        found.ns = Ns::new(format!("pid:{pid}:{name}"));
    }
    all
}

/// Opens the namespaces that are to be read, and says which: all of them where none is named.
pub(crate) fn open_all(kernel: &mut Kernel, names: &[String]) -> Result<Vec<Ns>, Fault> {
    may_look()?;
    let mut opened = Vec::new();
    let found: Vec<(Ns, Option<OwnedFd>)> = match names {
        [] => {
            let others = all().into_iter().map(|found| (found.ns, Some(found.fd)));
            std::iter::once((Ns::HOST, None)).chain(others).collect()
        }
        names => names.iter().map(|name| open(name)).collect::<Result<_, _>>()?,
    };
    for (ns, fd) in found {
        if opened.contains(&ns) {
            continue;
        }
        if let Some(fd) = fd {
            kernel.add(ns.clone(), fd)?;
        }
        opened.push(ns);
    }
    Ok(opened)
}

/// The namespace of a name, open; the host needs not be opened.
pub(crate) fn open(name: &str) -> Result<(Ns, Option<OwnedFd>), Fault> {
    let ns = space(name);
    if ns.is_host() {
        return Ok((ns, None));
    }
    if let Some(name) = ns.as_str().strip_prefix("netns:")
        && let Ok(fd) = netns::open_named(name)
    {
        return Ok((ns, Some(fd)));
    }
    let mut all = all();
    // A container by its engine: the process that the engine says is in one of those.
    let contained = name.starts_with("docker:") || name.starts_with("podman:");
    let container = name.parse::<SandboxRef>().ok().filter(|_| contained);
    let resolved = match &container {
        Some(container) => Some(ropewalk_sandbox::resolve(container, &Engines::from_env())?),
        None => None,
    };
    let wanted = match (&resolved, name.strip_prefix("pid:")) {
        (Some(resolved), _) => inode(&resolved.fd),
        (None, Some(pid)) => {
            let pid = pid.split(':').next().and_then(|pid| pid.parse().ok()).unwrap_or(0);
            netns::open_pid(pid).ok().and_then(|fd| inode(&fd))
        }
        (None, None) => None,
    };
    let at = match wanted {
        Some(wanted) => all.iter().position(|found| inode(&found.fd) == Some(wanted)),
        None => {
            let ns = meant(all.iter().map(|found| &found.ns), name).cloned();
            ns.and_then(|ns| all.iter().position(|found| found.ns == ns))
        }
    };
    match at {
        Some(at) => {
            let Found { ns, fd, .. } = all.swap_remove(at);
            Ok((ns, Some(fd)))
        }
        None => Err(unknown_of(name, all.iter().map(|found| &found.ns))),
    }
}

fn inode(fd: &OwnedFd) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    fs::File::from(fd.try_clone().ok()?).metadata().ok().map(|meta| meta.ino())
}

/// There is no such namespace; those with names that are near are offered.
pub(crate) fn unknown(name: &str) -> Fault {
    let all = all();
    unknown_of(name, all.iter().map(|found| &found.ns))
}

/// The same, of those that are known.
pub(crate) fn unknown_of<'a>(name: &str, known: impl Iterator<Item = &'a Ns>) -> Fault {
    let fault = Fault::new(Code::SandboxUnknown, format!("there is no sandbox {name}"));
    let names = known.map(|ns| called(ns).to_owned()).chain(["host".to_owned()]);
    let near = nearest_names(name.strip_prefix("netns:").unwrap_or(name), names);
    match near.as_slice() {
        [] => fault.or_try("ropewalk ps --all"),
        near => fault.or_try(format!("did you mean {}?", near.join(", "))),
    }
}

/// Refuses who may not look into namespaces, and says what is left to him.
///
/// # Errors
/// [`Code::NotPrivileged`].
pub fn may_look() -> Result<(), Fault> {
    if ropewalk_kernel::privileged() {
        return Ok(());
    }
    let cause = "the namespaces of others (/run/netns, /proc/PID/ns/net) and rules (nft, iptables) are \
                 not to be read, so that no answer could be relied on";
    Err(Fault::new(Code::NotPrivileged, "this needs root")
        .cause(cause)
        .or_try("sudo ropewalk …")
        .or_try("ropewalk why SRC DST --snapshot s.json, of what root wrote with `ropewalk snapshot > s.json`"))
}

/// What is known of containers, each engine asked once.
#[derive(Default)]
struct Names {
    docker: Option<BTreeMap<String, String>>,
}

/// How far up the processes a container's watcher is looked for.
const UP: usize = 6;

impl Names {
    /// The container that a process is in, else its command.
    fn of(&mut self, pid: u32) -> Option<String> {
        let mut at = pid;
        for _ in 0..UP {
            let Some(parent) = parent(at).filter(|parent| *parent > 1) else { break };
            at = parent;
            let words = command_line(at);
            let program = words.first().and_then(|path| Path::new(path).file_name()?.to_str());
            match program {
                Some("conmon") => return after(&words, &["-n", "--name"]).map(|name| tidy(&name)),
                Some(shim) if shim.starts_with("containerd-shim") => {
                    let id = after(&words, &["-id"])?;
                    return Some(self.of_docker(&id));
                }
                _ => {}
            }
        }
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some(tidy(comm.trim())).filter(|name| !name.is_empty())
    }

    fn of_docker(&mut self, id: &str) -> String {
        let names = self.docker.get_or_insert_with(|| {
            ropewalk_sandbox::names(Engine::Docker, &Engines::from_env()).unwrap_or_default()
        });
        let short = || id.chars().take(12).collect();
        names.get(id).map_or_else(short, |name| tidy(name))
    }
}

/// The parent of a process: the second word behind the command in brackets.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn command_line(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    bytes.split(|b| *b == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// The word that follows one of these.
fn after(words: &[String], options: &[&str]) -> Option<String> {
    let pair =
        words.windows(2).find(|pair| pair.first().is_some_and(|w| options.contains(&w.as_str())));
    pair.and_then(|pair| pair.last().cloned())
}

/// A name without what would part it.
fn tidy(name: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.trim_start_matches('/').chars().map(|c| if kept(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_offered() {
        let all = ["", "netns:red", "netns:blue", "pid:812:web"].map(Ns::new);
        let said = |name: &str| unknown_of(name, all.iter()).tries.join(" ");
        assert_eq!(said("rod"), "did you mean red?");
        assert_eq!(said("netns:blu"), "did you mean blue?");
        assert_eq!(said("webb"), "did you mean web?");
        assert_eq!(said("somebody-else"), "ropewalk ps --all");
    }

    #[test]
    fn the_name_of_a_container_follows_its_option() {
        let words = ["conmon", "--api-version", "1", "-c", "1a", "-n", "/web 1"].map(str::to_owned);
        assert_eq!(
            after(&words, &["-n", "--name"]).map(|name| tidy(&name)).as_deref(),
            Some("web_1")
        );
        assert_eq!(after(&words, &["-id"]), None);
    }
}
