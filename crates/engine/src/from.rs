//! Faults from the errors of the layers below: each gets its code, its object and its remedy.

use ropewalk_facts::{Body, Fact, Id, Key, LinkKind, Snapshot};
use ropewalk_kernel::{Errno, Error, Failure, Listener};
use ropewalk_plan::{Conflict, Duplicate, Step};
use ropewalk_spec::{FileError, Flaw, Problem, Publish, SpecError};
use ropewalk_store::{AttachmentRecord, StoreError};

use crate::code::Code;
use crate::fault::Fault;

/// True when what a network's attachments share is not there: the bridge, or the rule set.
pub(crate) fn shared_is_gone(fault: &Fault) -> bool {
    fault.code == Code::NetworkBroken
}

/// The items, with commas.
pub(crate) fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// True when the setting `key` was read and is on.
pub(crate) fn is_set(world: &Snapshot, key: &Key) -> bool {
    let found = world.fact(key).map(|fact| &fact.body);
    matches!(found, Some(Body::Sysctl(setting)) if setting.value == "1")
}

impl From<ropewalk_kernel::Error> for Fault {
    fn from(error: ropewalk_kernel::Error) -> Self {
        match &error {
            Error::Refused { doing, key, errno, extack } => {
                let on = key.as_ref().map(|key| format!(" {key}")).unwrap_or_default();
                let words = extack.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
                let fault = Self::new(Code::Kernel, format!("cannot {doing}{on}"));
                let fault = fault.kernel(format!("{errno}{words}"));
                match *errno {
                    Errno::PERM => {
                        fault.or_try("run it as root, outside of a restricted container")
                    }
                    _ => fault,
                }
            }
            Error::NoTable(key) => {
                Self::new(Code::NetworkBroken, format!("the rule set around {key} is gone"))
                    .or_try("ropewalk repair")
            }
            Error::NoLink { ns, name } => {
                Self::new(Code::NetworkBroken, format!("there is no link {name} in {ns}"))
                    .or_try("ropewalk repair")
            }
            Error::NotNetns(_) | Error::UnknownNs(_) | Error::Impossible(_) | Error::Wire(_) => {
                Self::new(Code::Kernel, error.to_string())
            }
        }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        let fault = Self::from(failure.error);
        match failure.stuck.first() {
            None => fault,
            Some(stuck) => fault
                .cause(format!("and what was done could not all be undone: {stuck}"))
                .or_try("ropewalk gc"),
        }
    }
}

/// An attachment that the kernel refused: a name that is taken is said to be so, and a parent that
/// has no room for another link on it.
pub(crate) fn refused(failure: Failure, record: &AttachmentRecord) -> Fault {
    if let Some(fault) = no_room(&failure, record) {
        return fault;
    }
    let exists = failure.error.errno() == Some(Errno::EXIST);
    let about = failure.error.key().map(|key| key.id.clone());
    let taken = exists && matches!(about, Some(Id::Link(_)));
    let fault = Fault::from(failure);
    if exists && matches!(about, Some(Id::Element(_))) {
        return masqueraded(fault, record);
    }
    if !taken {
        return fault;
    }
    let kernel = fault.kernel.clone().unwrap_or_default();
    let what = format!("{} exists in {}", record.ifname, record.sandbox);
    Fault::new(Code::IfnameTaken, what)
        .kernel(kernel)
        .cause("ropewalk did not make it")
        .or_try(format!("ropewalk attach {} {} --name IFNAME", record.sandbox, record.network))
}

/// An element that is there already: the host knows a sandbox by its address, and another has it.
fn masqueraded(fault: Fault, record: &AttachmentRecord) -> Fault {
    let own: Vec<String> = record.addresses.iter().map(|net| net.addr().to_string()).collect();
    let kernel = fault.kernel.clone().unwrap_or_default();
    Fault::new(Code::AddrTaken, format!("the rules of the host know {} already", own.join(", ")))
        .kernel(format!("{}: {kernel}", fault.what))
        .cause("a sandbox on another network has the same address")
        .or_try("give one of the two networks another subnet")
}

/// A link that the kernel does not put on its lower one.
fn no_room(failure: &Failure, record: &AttachmentRecord) -> Option<Fault> {
    let Error::Refused { errno, extack, key: Some(key), .. } = &failure.error else { return None };
    let wish = record.plan.steps().iter().find(|step| step.key() == **key);
    let Some(Step::Create(Fact { body: Body::Link(link), .. })) = wish else { return None };
    let words = extack.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    let kernel = format!("{errno}{words}");
    let kind = link.kind.name();
    if errno.name() == Some("EOPNOTSUPP") {
        let what = format!("the kernel makes no {kind} interfaces");
        return Some(Fault::new(Code::Kernel, what).kernel(kernel).or_try(match kind {
            "vlan" => "modprobe 8021q".into(),
            _ => format!("modprobe {kind}"),
        }));
    }
    let lower = link.kind.lower()?;
    let vlan = matches!(link.kind, LinkKind::Vlan { .. });
    let taken = vlan && extack.as_ref().is_some_and(|text| text.contains("VLAN"));
    let full = !vlan && matches!(errno.name(), Some("EBUSY" | "EINVAL" | "EADDRINUSE"));
    let fault = || {
        let what = format!("{} does not take another {kind} beside what stands on it", lower.name);
        let list = format!("ip -d link    shows what stands on {} here", lower.name);
        Fault::new(Code::ParentTaken, what).kernel(kernel).or_try(list)
    };
    (taken || full).then(fault)
}

/// A port that a process listens on.
pub(crate) fn listening(wish: &Publish, port: u16, listeners: &[Listener]) -> Fault {
    let proto = wish.proto;
    let what = format!("port {port}/{proto} of the host is taken");
    let holder = listeners.iter().find_map(|listener| {
        let holder = listener.holder.as_ref()?;
        let (command, pid, addr) = (&holder.command, holder.pid, listener.addr);
        Some(format!("{command} (pid {pid}) listens on it, at {addr}"))
    });
    Fault::new(Code::PortTaken, what)
        .cause(holder.unwrap_or_else(|| "a process listens on it".into()))
        .or_try("choose another host port, or another host address: 192.0.2.1:8080:80")
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let what = error.to_string();
        match &error {
            StoreError::Exhausted { network, .. } => Self::new(Code::PoolExhausted, what)
                .or_try("ropewalk gc")
                .or_try(format!("detach something: ropewalk network inspect {network}")),
            StoreError::Taken { ip, network, holder } => {
                Self::new(Code::AddrTaken, format!("{ip} of network {network} is taken"))
                    .cause(format!("{} has it on {}", holder.ns, holder.ifname))
                    .or_try("leave --ip out, or choose another")
            }
            StoreError::Unusable { problem, .. } => unusable(what, problem),
            StoreError::PortTaken { publish, port, holder } => {
                let proto = publish.proto;
                Self::new(Code::PortTaken, format!("port {port}/{proto} of the host is taken"))
                    .cause(format!("it is published for {}", holder.ns))
                    .or_try(format!("ropewalk unpublish {} {publish}", holder.ns))
                    .or_try("choose another host port")
            }
            StoreError::InUse { network, .. } => Self::new(Code::NetworkInUse, what)
                .or_try(format!("ropewalk network inspect {network}")),
            StoreError::OtherNetns { .. } => Self::new(Code::StateForeign, what)
                .or_try("ROPEWALK_STATE=/run/ropewalk-NAME ropewalk …, a folder for each host"),
            StoreError::Key { .. } => Self::new(Code::BadInput, what),
            StoreError::Exposed { path, .. } => {
                let own = format!("chown root {0} && chmod 755 {0}", path.display());
                Self::new(Code::StateUnusable, what).or_try(own)
            }
            StoreError::Folder { .. }
            | StoreError::NotAFolder { .. }
            | StoreError::Foreign { .. }
            | StoreError::Version { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Record { .. }
            | StoreError::Full { .. }
            | StoreError::Database { .. } => Self::new(Code::StateUnusable, what)
                .or_try("make the folder usable, or set ROPEWALK_STATE to another"),
        }
    }
}

fn unusable(what: String, problem: &Problem) -> Fault {
    let fault = Fault::new(Code::AddrOutside, what);
    match problem.help() {
        Some(help) => fault.or_try(help),
        None => fault,
    }
}

impl From<SpecError> for Fault {
    fn from(error: SpecError) -> Self {
        let outside = matches!(
            *error.problem,
            Problem::Outside { .. }
                | Problem::IsGateway { .. }
                | Problem::IsNetwork { .. }
                | Problem::IsBroadcast { .. }
        );
        let code = if outside { Code::AddrOutside } else { Code::BadInput };
        let fault = Self::new(code, format!("{}: {}", error.field, error.problem));
        match error.problem.help() {
            Some(help) => fault.or_try(help),
            None => fault,
        }
    }
}

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        let words = match &error.flaw {
            Flaw::Toml { words } => words.clone(),
            Flaw::Spec(spec) => format!("{}: {}", spec.field, spec.problem),
        };
        let fault = Self::new(Code::BadFile, format!("{}: {words}", error.place));
        let fault = fault.excerpt(error.place.excerpt());
        match error.help() {
            Some(help) => fault.or_try(help),
            None => fault,
        }
    }
}

impl From<Duplicate> for Fault {
    fn from(Duplicate(key): Duplicate) -> Self {
        Self::new(Code::BadInput, format!("{key} is asked for twice"))
    }
}

impl From<Conflict> for Fault {
    fn from(conflict: Conflict) -> Self {
        Self::new(Code::Foreign, conflict.to_string())
    }
}

impl From<ropewalk_sandbox::Error> for Fault {
    fn from(error: ropewalk_sandbox::Error) -> Self {
        use ropewalk_sandbox::Error as E;
        let code = match &error {
            E::Away { .. } | E::Slow { .. } | E::Speech { .. } | E::Address { .. } => {
                Code::EngineDown
            }
            E::NotRunning { .. } => Code::SandboxDown,
            E::Host { .. } | E::HostNetwork { .. } => Code::SandboxIsHost,
            E::NoNetns { .. }
            | E::Open { .. }
            | E::NotNetns { .. }
            | E::NoProcess { .. }
            | E::Own(_)
            | E::TooLong { .. }
            | E::Answer { .. }
            | E::Refused { .. }
            | E::NoContainer { .. }
            | E::Several { .. } => Code::SandboxUnknown,
        };
        let fault = Self::new(code, error.to_string());
        match error.remedy() {
            Some(help) => fault.or_try(help),
            None if code == Code::SandboxUnknown => {
                fault.or_try("ropewalk ps --all    lists every network namespace")
            }
            None => fault,
        }
    }
}
