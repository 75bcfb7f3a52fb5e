//! Everything that a host is, a line for each object: two scenes are equal or differ by lines.
//!
//!     the host and every named namespace: what is stated in the kernel
//!     /run/netns · definitions of networks · what `ps` and `network ls` show
//!
//! A line holds no time. A hardware address that the kernel chose for an end of ours is left out.

use std::collections::BTreeMap;
use std::path::Path;

use ropewalk_facts::{Body, Fact, LinkKind, Ns, Snapshot};
use ropewalk_kernel::{Kernel, netns};
use serde_json::Value;

use crate::host::Host;

/// How many differences a test that fails shows.
const SHOWN: usize = 25;

/// Object → how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scene(BTreeMap<String, String>);

impl Host {
    /// Everything, as it is now.
    pub(crate) fn scene(&self) -> Scene {
        let mut lines = kernel();
        for (row, id) in [("ps", "interface"), ("network ls", "name")] {
            let shown = self.json(row);
            for row_of in shown.as_array().expect("a list of rows") {
                let mut shown = row_of.clone();
                let fields = shown.as_object_mut().expect("a row has fields");
                fields.retain(|name, _| !["age_s", "created", "leg"].contains(&name.as_str()));
                lines.insert(
                    format!("{row} {} {}", field(row_of, "sandbox"), field(row_of, id)),
                    shown.to_string(),
                );
            }
        }
        Scene(lines)
    }
}

fn field(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_default().to_owned()
}

impl Scene {
    /// What is in one and not in the other, a line each.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let only = |a: &Self, b: &Self, sign: char| -> Vec<String> {
            let missing = a.0.iter().filter(|(object, how)| b.0.get(*object) != Some(how));
            missing.map(|(object, how)| format!("{sign} {object}  {how}")).collect()
        };
        [only(self, other, '-'), only(other, self, '+')].concat()
    }

    /// Fails unless `now` is the same.
    pub(crate) fn same(&self, now: &Self, when: &str) {
        let differences = self.differences(now);
        let first: Vec<&str> = differences.iter().take(SHOWN).map(String::as_str).collect();
        let all = differences.len();
        assert!(differences.is_empty(), "{when}: {all} differences\n{}", first.join("\n"));
    }
}

/// What the kernel and the files say.
pub(crate) fn kernel() -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for fact in &facts() {
        lines.insert(fact.key().to_string(), format!("{:?}", masked(fact).body));
    }
    for name in netns::names().expect("/run/netns") {
        lines.insert(format!("file {name}"), "in /run/netns".into());
    }
    files(Path::new("/etc/ropewalk"), &mut lines);
    lines
}

/// What is stated in the host and in each named namespace.
pub(crate) fn facts() -> Snapshot {
    let mut kernel = Kernel::new().expect("a kernel");
    let names = netns::names().expect("/run/netns");
    let spaces: Vec<Ns> = names.iter().filter_map(|name| open(&mut kernel, name)).collect();
    let mut all = kernel.read_all(&Ns::HOST).expect("the host is read");
    for ns in &spaces {
        all.merge(kernel.read_all(ns).expect("a sandbox is read"));
    }
    all.stated()
}

/// Opens a named namespace; a file that is none has no facts.
fn open(kernel: &mut Kernel, name: &str) -> Option<Ns> {
    let ns = Ns::new(format!("netns:{name}"));
    kernel.add(ns.clone(), netns::open_named(name).ok()?).ok()?;
    Some(ns)
}

/// Without the hardware address of a leg, which no plan states.
fn masked(fact: &Fact) -> Fact {
    let mut fact = fact.clone();
    if let Body::Link(link) = &mut fact.body
        && matches!(link.kind, LinkKind::Veth { .. })
        && link.altnames.iter().any(|name| name.starts_with("ropewalk."))
    {
        link.mac = None;
    }
    fact
}

/// Every file below `dir` with what is in it.
fn files(dir: &Path, lines: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, lines);
        } else {
            let text = std::fs::read_to_string(&path).expect("a file of text");
            lines.insert(path.display().to_string(), text);
        }
    }
}
