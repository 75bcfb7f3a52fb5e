//! Why a packet does not arrive: namespaces are read, its way is walked, the cause is named.
//!
//!     scan(visible) ─▶ Scan ─▶ walk ─▶ Verdict        nothing is changed
//!                                         └─ live: the packet is sent, and seen on its way
//!
//! Of most namespaces only an outline is read; of those whose rules, sockets or settings the walk looks
//! at, the rest as well, and it is walked again.
//! Connections are asked for one by one: the walk says which tuples the packet had where, and the
//! kernel whether it remembers such.  Never here: how a packet walks, what causes there are.

use ropewalk_facts::Ns;
use ropewalk_facts::seen::{Flow, Scan, Tuple};
use ropewalk_kernel::Kernel;
use ropewalk_walk::{Question, Verdict, World, diagnose, meant, space, trip};

use crate::code::Code;
use crate::fault::Fault;
use crate::target::source;
use crate::{live, spaces};

/// The code of an answer when nothing is wrong.
pub(crate) const FINE: &str = "OK";

/// Reads all namespaces, or those with these names.
///
/// # Errors
/// [`Code::NotPrivileged`]; [`Code::SandboxUnknown`] for a name that is none.
pub fn snapshot(names: &[String]) -> Result<Scan, Fault> {
    let mut kernel = Kernel::new()?;
    let open = spaces::open_all(&mut kernel, names)?;
    Ok(kernel.scan(&open)?)
}

/// The same without rules, sockets and most settings.
pub(crate) fn outline(names: &[String]) -> Result<Scan, Fault> {
    let mut kernel = Kernel::new()?;
    let open = spaces::open_all(&mut kernel, names)?;
    Ok(kernel.scan_in_part(&open, |_| false)?)
}

/// Answers a question about this machine; `live`: and sends the packet, to see where it goes.
///
/// # Errors
/// As for [`snapshot`]; [`Code::BadInput`] for a protocol that is not known.
pub fn why(question: &Question, live: bool) -> Result<Verdict, Fault> {
    let mut kernel = Kernel::new()?;
    let Predicted { scan, question, mut verdict } = predicted(&mut kernel, question)?;
    if live {
        live::prove(&kernel, &scan, &question, &mut verdict);
    }
    Ok(verdict)
}

/// An answer without a packet, and what it is about.
pub(crate) struct Predicted {
    /// What was found.
    pub(crate) scan: Scan,
    /// The question, with the namespace that it begins in by its full name.
    pub(crate) question: Question,
    /// The answer.
    pub(crate) verdict: Verdict,
}

/// The same, and what was found.
pub(crate) fn predicted(kernel: &mut Kernel, question: &Question) -> Result<Predicted, Fault> {
    check(question)?;
    let open = spaces::open_all(kernel, &question.visible)?;
    let src = meant(open.iter(), &question.src).cloned();
    let src = src.ok_or_else(|| spaces::unknown(&question.src))?;
    let mut scan = kernel.scan_in_part(&open, |ns| *ns == src || ns.is_host())?;
    // It may have gone meanwhile.
    if !scan.seen.contains_key(&src) {
        return Err(spaces::unknown(&question.src));
    }
    let question = Question { src: name_of(&src), ..question.clone() };
    let verdict = answer(kernel, &mut scan, &question)?;
    Ok(Predicted { scan, question, verdict })
}

/// Who knows what is in namespaces.
trait Source {
    /// Reads all of some namespaces.
    fn whole(&mut self, names: &[Ns]) -> Result<Scan, Fault>;
    /// A connection that is remembered.
    fn remembers(&mut self, ns: &Ns, tuple: &Tuple) -> Option<Flow>;
}

impl Source for Kernel {
    fn whole(&mut self, names: &[Ns]) -> Result<Scan, Fault> {
        Ok(self.scan(names)?)
    }

    fn remembers(&mut self, ns: &Ns, tuple: &Tuple) -> Option<Flow> {
        self.flow(ns, tuple).ok().flatten()
    }
}

/// Answers from what was read in part. What the walk looked at and had not been read, is read, and it is
/// walked again, until nothing is missing.
fn answer(source: &mut dyn Source, scan: &mut Scan, question: &Question) -> Result<Verdict, Fault> {
    loop {
        let mut world = World::new(scan);
        let mut found = false;
        for (ns, tuple) in trip(&world, question).looked_up {
            let flow = source.remembers(&ns, &tuple);
            if let (Some(flow), Some(seen)) = (flow, scan.seen.get_mut(&ns)) {
                seen.flows.push(flow);
                found = true;
            }
        }
        if found {
            world = World::new(scan);
        }
        let verdict = diagnose(&world, question);
        let wanted: Vec<Ns> = world.wanted().cloned().collect();
        if wanted.is_empty() {
            return Ok(verdict);
        }
        scan.renew(&wanted, source.whole(&wanted)?);
    }
}

impl Predicted {
    /// With all of every namespace, of which only what the answer hangs on was read.
    pub(crate) fn whole(mut self, kernel: &mut Kernel) -> Result<Self, Fault> {
        let bare = self.scan.seen.iter().filter(|(_, seen)| seen.bare);
        let wanted: Vec<Ns> = bare.map(|(ns, _)| ns.clone()).collect();
        self.scan.renew(&wanted, kernel.scan(&wanted)?);
        Ok(self)
    }
}

/// The name that stands for a namespace in a question.
fn name_of(ns: &Ns) -> String {
    if ns.is_host() { "host".to_owned() } else { ns.as_str().to_owned() }
}

/// Answers a question about what a file holds.
///
/// # Errors
/// [`Code::BadInput`] for a form that is not known, and for a sandbox that is not in it.
pub fn why_in(scan: &Scan, question: &Question) -> Result<Verdict, Fault> {
    check(question)?;
    if scan.version != Scan::VERSION {
        let what = format!(
            "the snapshot is of version {}, and this ropewalk reads {}",
            scan.version,
            Scan::VERSION
        );
        return Err(Fault::new(Code::BadInput, what));
    }
    let mut world = World::new(scan);
    // A host among several is called by its name alone.
    let known: Vec<Ns> = world.nodes.keys().cloned().collect();
    if !question.visible.is_empty() {
        let meant = |name: &String| meant(&known, name).cloned().unwrap_or_else(|| space(name));
        let visible: Vec<Ns> = question.visible.iter().map(meant).collect();
        world.nodes.retain(|ns, _| visible.contains(ns));
    }
    let Some(src) = source(&world, &question.src) else {
        let src = &question.src;
        let what = format!("there is no sandbox {src} in the snapshot");
        let tries = spaces::unknown_of(src, world.nodes.keys()).tries.clone();
        let fault = Fault::new(Code::BadInput, what);
        return Err(tries.into_iter().filter(|t| t.contains('?')).fold(fault, Fault::or_try));
    };
    let question = &Question { src: name_of(&src), ..question.clone() };
    Ok(diagnose(&world, question))
}

fn check(question: &Question) -> Result<(), Fault> {
    match question.number() {
        Some(_) => Ok(()),
        None => {
            Err(Fault::new(Code::BadInput, format!("there is no protocol {:?}", question.proto))
                .or_try("icmp, tcp or udp"))
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::fs;

    use ropewalk_facts::Body;
    use ropewalk_facts::seen::Seen;

    use super::*;

    /// All that there is, and how much of it was read.
    struct All {
        scan: Scan,
        read: Vec<Ns>,
    }

    impl Source for All {
        fn whole(&mut self, names: &[Ns]) -> Result<Scan, Fault> {
            self.read.extend_from_slice(names);
            let mut some = self.scan.clone();
            some.facts.retain(|fact| names.contains(&fact.ns));
            some.seen.retain(|ns, _| names.contains(ns));
            Ok(some)
        }

        fn remembers(&mut self, _: &Ns, _: &Tuple) -> Option<Flow> {
            None
        }
    }

    /// What an outline holds of all that there is.
    fn outline(scan: &Scan) -> Scan {
        let kept = |fact: &ropewalk_facts::Fact| {
            if let Body::Sysctl(setting) = &fact.body {
                let path = setting.path.as_str();
                let all = path.contains("/conf/all/") || path.contains("/conf/default/");
                return path.contains("/conf/") && !all || path.ends_with("all/proxy_arp");
            }
            let rules = |b: &Body| {
                matches!(
                    b,
                    Body::Table(_)
                        | Body::Chain(_)
                        | Body::Set(_)
                        | Body::Element(_)
                        | Body::NftRule(_)
                )
            };
            !rules(&fact.body)
        };
        let mut bare = scan.clone();
        bare.facts.retain(kept);
        for seen in bare.seen.values_mut() {
            let mut settings = std::mem::take(&mut seen.settings);
            settings.retain(|path, _| path.ends_with("all/proxy_ndp"));
            *seen = Seen {
                bare: true,
                settings,
                listeners: Vec::new(),
                legacy: Vec::new(),
                tables: Vec::new(),
                flows: Vec::new(),
                ..seen.clone()
            };
        }
        bare
    }

    /// A namespace that has nothing to do with any question.
    const IDLE: &str = "netns:idle";

    #[test]
    fn an_answer_from_what_was_looked_at_is_that_from_everything() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");
        let (mut fine, mut idle) = (0, 0);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|kind| kind != "json") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let case: serde_json::Value = serde_json::from_str(&text).unwrap();
            let mut scan: Scan = serde_json::from_value(case["scan"].clone()).unwrap();
            scan.seen.insert(Ns::new(IDLE), Seen::default());
            let question: Question = serde_json::from_value(case["question"].clone()).unwrap();
            let world = World::new(&scan);
            let src = source(&world, &question.src).unwrap();
            let question = Question { src: name_of(&src), ..question };
            let mut parts = outline(&scan);
            let mut all = All { scan, read: Vec::new() };
            let said = answer(&mut all, &mut parts, &question).unwrap();
            assert_eq!(said, diagnose(&world, &question), "{}", path.display());
            if said.code == FINE {
                fine += 1;
                idle += usize::from(all.read.contains(&Ns::new(IDLE)));
            }
        }
        // A few look around, whoever is there.
        assert!(fine > 10 && idle * 3 < fine, "{idle} of {fine}");
    }
}
