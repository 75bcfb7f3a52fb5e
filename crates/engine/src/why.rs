//! Why a packet does not arrive: namespaces are read, its way is walked, the cause is named.
//!
//!     scan(visible) ─▶ Scan ─▶ walk ─▶ Verdict        nothing is changed
//!                                         └─ live: the packet is sent, and seen on its way
//!
//! Connections are asked for one by one: the walk says which tuples the packet had where, and the
//! kernel whether it remembers such.  Never here: how a packet walks, what causes there are.

use std::net::IpAddr;

use ropewalk_facts::Ns;
use ropewalk_facts::seen::Scan;
use ropewalk_kernel::{Kernel, netns, scan};
use ropewalk_walk::{Question, Verdict, World, called, diagnose, space, trip};

use crate::code::Code;
use crate::fault::Fault;
use crate::{live, need_root};

/// The code of an answer when nothing is wrong.
pub(crate) const FINE: &str = "OK";

/// Reads all namespaces, or those with these names.
///
/// # Errors
/// [`Code::NotPrivileged`]; [`Code::SandboxUnknown`] for a name that is none.
pub fn snapshot(names: &[String]) -> Result<Scan, Fault> {
    let mut kernel = Kernel::new()?;
    let open = spaces(&mut kernel, names)?;
    Ok(kernel.scan(&open)?)
}

/// The address that a sandbox is reached by: its first of IPv4, else of IPv6.
///
/// # Errors
/// As for [`snapshot`]; [`Code::BadInput`] for one that has none.
pub fn address_of(sandbox: &str, scan: Option<&Scan>) -> Result<IpAddr, Fault> {
    let read = match scan {
        Some(_) => None,
        None => Some(snapshot(&[sandbox.to_owned()])?),
    };
    let world = World::new(scan.or(read.as_ref()).unwrap_or(&Scan::default()));
    let near = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    };
    let plain = space(sandbox);
    let ns = world.nodes.keys().find(|ns| **ns == plain || called(ns) == sandbox);
    let all = ns.and_then(|ns| world.node(ns)).map(|n| n.addrs.as_slice()).unwrap_or_default();
    let usable = all.iter().map(|a| a.key.net.addr()).filter(|ip| !near(*ip));
    usable.min_by_key(IpAddr::is_ipv6).ok_or_else(|| {
        Fault::new(Code::BadInput, format!("{sandbox} is no address, and no sandbox that has one"))
    })
}

/// Opens the namespaces that are to be read, and says which.
fn spaces(kernel: &mut Kernel, names: &[String]) -> Result<Vec<Ns>, Fault> {
    need_root()?;
    if names.is_empty() {
        let mut all = vec![Ns::HOST];
        for found in scan::spaces() {
            all.push(found.ns.clone());
            kernel.add(found.ns, found.fd)?;
        }
        return Ok(all);
    }
    let mut all = Vec::new();
    for name in names {
        let ns = space(name);
        if !ns.is_host() {
            kernel.add(ns.clone(), open(&ns)?)?;
        }
        all.push(ns);
    }
    Ok(all)
}

pub(crate) fn open(ns: &Ns) -> Result<std::os::fd::OwnedFd, Fault> {
    let text = ns.as_str();
    let opened = match (text.strip_prefix("netns:"), text.strip_prefix("pid:")) {
        (Some(name), _) => netns::open_named(name),
        (_, Some(pid)) => netns::open_pid(pid.parse().unwrap_or(0)),
        _ => {
            return scan::spaces()
                .into_iter()
                .find(|f| f.ns == *ns)
                .map(|f| f.fd)
                .ok_or_else(|| unknown(ns));
        }
    };
    opened.map_err(|_| unknown(ns))
}

/// Names that are near are offered.
fn unknown(ns: &Ns) -> Fault {
    let fault = Fault::new(Code::SandboxUnknown, format!("there is no sandbox {}", called(ns)));
    let wanted = called(ns);
    let near = scan::spaces().into_iter().map(|f| called(&f.ns).to_owned());
    let close = near.filter(|name| name.contains(wanted) || wanted.contains(name.as_str()));
    close.take(3).fold(fault, |fault, name| fault.or_try(format!("ropewalk why {name} …")))
}

/// Answers a question about this machine; `live`: and sends the packet, to see where it goes.
///
/// # Errors
/// As for [`snapshot`]; [`Code::BadInput`] for a protocol that is not known.
pub fn why(question: &Question, live: bool) -> Result<Verdict, Fault> {
    let mut kernel = Kernel::new()?;
    let (scan, mut verdict) = predicted(&mut kernel, question)?;
    if live {
        live::prove(&kernel, &scan, question, &mut verdict);
    }
    Ok(verdict)
}

/// The same, and what was found.
pub(crate) fn predicted(
    kernel: &mut Kernel,
    question: &Question,
) -> Result<(Scan, Verdict), Fault> {
    check(question)?;
    let open = spaces(kernel, &question.visible)?;
    let mut scan = kernel.scan(&open)?;
    let world = World::new(&scan);
    if world.node(&question.from()).is_none() {
        return Err(unknown(&question.from()));
    }
    let mut found = false;
    for (ns, tuple) in trip(&world, question).looked_up {
        let flow = kernel.flow(&ns, &tuple).ok().flatten();
        if let (Some(flow), Some(seen)) = (flow, scan.seen.get_mut(&ns)) {
            seen.flows.push(flow);
            found = true;
        }
    }
    let world = if found { World::new(&scan) } else { world };
    let verdict = diagnose(&world, question);
    Ok((scan, verdict))
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
    let meant = |name: &str| {
        let plain = space(name);
        let found = || scan.seen.keys().find(|ns| called(ns) == name).cloned();
        if scan.seen.contains_key(&plain) { plain } else { found().unwrap_or(plain) }
    };
    if !question.visible.is_empty() {
        let visible: Vec<Ns> = question.visible.iter().map(|name| meant(name)).collect();
        world.nodes.retain(|ns, _| visible.contains(ns));
    }
    let question = &Question { src: meant(&question.src).as_str().to_owned(), ..question.clone() };
    if world.node(&question.from()).is_none() {
        let what = format!("there is no sandbox {} in the snapshot", called(&question.from()));
        let fault = Fault::new(Code::BadInput, what);
        let names = world.nodes.keys().take(5).map(|ns| called(ns).to_owned());
        return Err(names.fold(fault, |fault, name| fault.or_try(format!("ropewalk why {name} …"))));
    }
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
