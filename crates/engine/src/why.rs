//! Why a packet does not arrive: namespaces are read, its way is walked, the cause is named.
//!
//!     scan(visible) ─▶ Scan ─▶ walk ─▶ Verdict        nothing is changed
//!                                         └─ live: the packet is sent, and seen on its way
//!
//! Connections are asked for one by one: the walk says which tuples the packet had where, and the
//! kernel whether it remembers such.  Never here: how a packet walks, what causes there are.

use ropewalk_facts::Ns;
use ropewalk_facts::seen::Scan;
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
    let mut scan = kernel.scan(&open)?;
    let world = World::new(&scan);
    let src = source(&world, &question.src).ok_or_else(|| spaces::unknown(&question.src))?;
    let question = Question { src: name_of(&src), ..question.clone() };
    let mut found = false;
    for (ns, tuple) in trip(&world, &question).looked_up {
        let flow = kernel.flow(&ns, &tuple).ok().flatten();
        if let (Some(flow), Some(seen)) = (flow, scan.seen.get_mut(&ns)) {
            seen.flows.push(flow);
            found = true;
        }
    }
    let world = if found { World::new(&scan) } else { world };
    let verdict = diagnose(&world, &question);
    Ok(Predicted { scan, question, verdict })
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
