//! Runs checks: each on a thread and a host of its own, a few at a time.
//!
//!     plugins × checks ─▶ wished for? ─▶ can it be found out here? ─▶ run ─▶ verdict

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::check::{Check, Miss};
use crate::checks::GROUPS;
use crate::need::Need;
use crate::report::{Line, Report};
use crate::{Host, Level};

/// How a check came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed {
        /// Of what.
        what: String,
        /// What must be.
        expected: String,
        /// What was seen.
        seen: String,
    },
    /// It does not hold, and need not: these plugins are older than what brought it.
    Newer,
    /// It cannot be found out here: the reason.
    CannotRun(String),
}

/// What is to be run.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Where the plugins are.
    pub plugins: PathBuf,
    /// These plugins only; all when empty.
    pub only: Vec<String>,
    /// Checks whose `plugin/name` holds this.
    pub named: Option<String>,
    /// Not these, as `plugin/name`.
    pub without: Vec<String>,
    /// Only checks of what many kernels lack: VLANs, ipvlan, dummy, VRFs.
    pub rare: bool,
    /// Not those of the level `better`.
    pub contract_only: bool,
    /// How many at a time; as many as there are processors, and two, when 0.
    pub at_once: usize,
}

/// One check of one plugin.
struct Task {
    plugin: &'static str,
    group: &'static str,
    check: &'static Check,
}

/// Runs all that is wished for.
#[must_use]
pub fn run(wish: &Wish) -> Report {
    let begun = Instant::now();
    let missing = Need::missing();
    let tasks = tasks(wish);
    let ages: BTreeMap<&str, bool> = tasks.iter().map(|task| (task.plugin, false)).collect();
    let ages: BTreeMap<&str, bool> =
        ages.into_keys().map(|plugin| (plugin, is_old(&wish.plugins.join(plugin)))).collect();
    let (next, lines) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            let old = ages.get(task.plugin).copied().unwrap_or_default();
            let start = Instant::now();
            let verdict = verdict(wish, task, &missing, old);
            let line = Line {
                plugin: task.plugin,
                group: task.group,
                check: *task.check,
                verdict,
                took: start.elapsed(),
            };
            if let Ok(mut lines) = lines.lock() {
                lines.push(line);
            }
        }
    };
    let at_once = match wish.at_once {
        0 => std::thread::available_parallelism().map_or(2, usize::from) + 2,
        some => some,
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(work);
        }
    });
    let lines = lines.into_inner().unwrap_or_default();
    Report::of(&wish.plugins, lines, absent(wish), begun.elapsed())
}

/// Links a program that is many plugins under the names of those it is, in a folder.
///
/// # Errors
/// When the folder cannot be written.
pub fn link(program: &Path, folder: &Path) -> std::io::Result<()> {
    for group in GROUPS.iter().filter(|group| group.plugin != EVERY) {
        let path = folder.join(group.plugin);
        symlink(program, &path)?;
        if !speaks(&path) {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// What stands for every plugin.
const EVERY: &str = "*";

fn wished(wish: &Wish, plugin: &str) -> bool {
    wish.only.is_empty() || wish.only.iter().any(|name| name == plugin)
}

/// The plugins of the checklist that are not in the folder.
fn absent(wish: &Wish) -> Vec<&'static str> {
    let all = GROUPS.iter().map(|group| group.plugin);
    all.filter(|name| *name != EVERY && wished(wish, name) && !wish.plugins.join(name).exists())
        .collect()
}

fn tasks(wish: &Wish) -> Vec<Task> {
    let mut tasks = Vec::new();
    for plugin in GROUPS.iter().map(|group| group.plugin).filter(|name| *name != EVERY) {
        if !wished(wish, plugin) || !wish.plugins.join(plugin).exists() {
            continue;
        }
        for group in GROUPS.iter().filter(|group| [EVERY, plugin].contains(&group.plugin)) {
            let label = if group.plugin == EVERY { "protocol" } else { plugin };
            tasks.extend(group.checks.iter().map(|check| Task { plugin, group: label, check }));
        }
    }
    tasks.retain(|task| {
        let named = |part: &String| format!("{}/{}", task.plugin, task.check.name).contains(part);
        let left_out = |name: &String| *name == format!("{}/{}", task.plugin, task.check.name);
        if wish.without.iter().any(left_out) {
            return false;
        }
        let level = task.check.level == Level::Contract || !wish.contract_only;
        let rare = !wish.rare || task.check.needs.iter().any(|need| need.is_rare());
        level && rare && wish.named.as_ref().is_none_or(named)
    });
    tasks
}

fn verdict(wish: &Wish, task: &Task, missing: &BTreeMap<Need, String>, old: bool) -> Verdict {
    if let Some(why) = task.check.needs.iter().find_map(|need| missing.get(need)) {
        return Verdict::CannotRun(why.clone());
    }
    let there = || {
        let host = Host::enter(&wish.plugins, task.plugin)?;
        (task.check.run)(&host)
    };
    let held = std::thread::scope(|scope| scope.spawn(there).join());
    match held {
        Ok(Ok(())) => Verdict::Passed,
        Ok(Err(Miss::Cannot(why))) => Verdict::CannotRun(why),
        Ok(Err(Miss::Wrong { .. })) | Err(_) if old && task.check.since.is_some() => Verdict::Newer,
        Ok(Err(Miss::Wrong { what, expected, seen })) => Verdict::Failed { what, expected, seen },
        Err(_) => Verdict::Failed {
            what: "the check".to_owned(),
            expected: "it comes to an end".to_owned(),
            seen: "it panicked, see above".to_owned(),
        },
    }
}

/// Whether a plugin is of the time before version 1.1.0 of the protocol. Packages of distributions
/// often do not say which release they are.
fn is_old(plugin: &Path) -> bool {
    !version(plugin).contains("\"1.1.0\"")
}

/// Whether a program answers as a plugin does.
fn speaks(plugin: &Path) -> bool {
    version(plugin).contains("supportedVersions")
}

fn version(plugin: &Path) -> String {
    let ran = Command::new(plugin)
        .env_clear()
        .env("CNI_COMMAND", "VERSION")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    ran.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// How long something took, for people.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
