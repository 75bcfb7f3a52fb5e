//! Plugins that give a container an interface: what they have in common.
//!
//!     is it attached already? ─▶ addresses (ipam) ─▶ Told ─▶ engine ─▶ the answer, kept in the record
//!
//! When something fails after the addresses, they are given back.  Never here: the kernel.

pub(crate) mod bridge;
pub(crate) mod loopback;
pub(crate) mod masquerade;
pub(crate) mod own;
pub(crate) mod ptp;
pub(crate) mod single;

use std::path::Path;

use ipnet::IpNet;
use ropewalk_engine::{Engine, Made, Paths, Whom, Wish};
use ropewalk_facts::{IfName, Mac};
use ropewalk_spec::{Mode, Network, RawNetwork, SandboxRef, Shared, Told, Way, names};
use ropewalk_store::Cni;
use ropewalk_topology::chains::Kind;

use crate::blame;
use crate::call::{Call, Command};
use crate::conf::Conf;
use crate::delegate::Ipam;
use crate::fault::{Code, Fault};
use crate::json::{Json, Object};
use crate::outcome::{Dns, Interface, Outcome, Route};
use crate::print;
use crate::version::Version;

/// The answer of an interface that is there, and has no address yet.
const UNFINISHED: &str = "";

/// One call of one plugin.
pub(crate) struct Task<'a> {
    pub(crate) conf: &'a Conf,
    pub(crate) call: &'a Call,
    pub(crate) engine: Engine,
}

/// What a plugin made of its configuration and its addresses.
pub(crate) struct Draft {
    pub(crate) bridge: Option<IfName>,
    pub(crate) shared: Vec<Shared>,
    pub(crate) force_address: bool,
    pub(crate) told: Told,
    /// The answer, but for its interfaces.
    pub(crate) outcome: Outcome,
    /// The host's way into the VLAN.
    pub(crate) entry: Option<IfName>,
}

impl<'a> Task<'a> {
    pub(crate) fn new(conf: &'a Conf, call: &'a Call) -> Result<Self, Fault> {
        // Before anything is opened, which leaves traces.
        let gone = call.netns.as_ref().filter(|path| !path.exists());
        if let Some(path) = gone.filter(|_| call.command == Command::Add) {
            let what = format!("CNI_NETNS {} is not there", path.display());
            return Err(Fault::new(Code::Namespace, what));
        }
        Ok(Self { conf, call, engine: Engine::open(&Paths::from_env())? })
    }

    /// What the attachment is called.
    pub(crate) fn whom(&self, bridge: Option<&IfName>) -> Result<Whom, Fault> {
        whom(self.conf, self.call, bridge)
    }

    /// The container's namespace.
    pub(crate) fn sandbox(&self) -> Result<SandboxRef, Fault> {
        let path = self.call.netns.as_deref().unwrap_or(Path::new(""));
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        format!("path:{}", path.display()).parse().map_err(|_| {
            Fault::new(Code::Namespace, format!("CNI_NETNS {} is no path", path.display()))
        })
    }

    /// ADD: the answer of before, or what `draft` makes of the addresses.
    pub(crate) fn add(
        &mut self,
        bridge: Option<&IfName>,
        draft: impl Fn(Option<Outcome>) -> Result<Draft, Fault>,
    ) -> Result<Outcome, Fault> {
        let whom = self.whom(bridge)?;
        let sandbox = self.sandbox()?;
        match self.engine.answered(&whom, &sandbox)?.as_deref() {
            Some(UNFINISHED) => drop(self.engine.detach_told(&whom)?),
            Some(answer) => return kept(answer),
            None => {}
        }
        let ipam = Ipam::of(self.conf, self.call)?;
        if let Some(ipam) = ipam.as_ref().filter(|ipam| ipam.comes_after()) {
            return self.add_and_ask(ipam, &whom, &sandbox, &draft);
        }
        let outcome = ipam.as_ref().map(Ipam::add).transpose()?;
        let made = draft(outcome).and_then(|draft| self.make(whom, sandbox, draft));
        if let (Err(_), Some(ipam)) = (&made, &ipam) {
            ipam.give_back();
        }
        made
    }

    /// ADD where addresses come from the LAN: the interface is made, asks by itself, and is made once
    /// more, with what it was lent.
    fn add_and_ask(
        &mut self,
        ipam: &Ipam<'_>,
        whom: &Whom,
        sandbox: &SandboxRef,
        draft: &impl Fn(Option<Outcome>) -> Result<Draft, Fault>,
    ) -> Result<Outcome, Fault> {
        let mac = std::cell::Cell::new(None);
        let Draft { shared, force_address, told, .. } = draft(Some(Outcome::default()))?;
        let (whom, sandbox) = (whom.clone(), sandbox.clone());
        let wish =
            Wish { whom: whom.clone(), sandbox: sandbox.clone(), shared, force_address, told };
        let answer = |made: &Made| {
            mac.set(made.mac);
            UNFINISHED.to_owned()
        };
        self.engine.attach_told(&wish, &answer)?;
        let lent = ipam.add();
        let bare = self.engine.detach_told(&whom).map_err(Fault::from);
        let made = lent.and_then(|outcome| bare.map(|_| outcome)).and_then(|outcome| {
            let mut draft = draft(Some(outcome))?;
            // The server knows it by this one.
            draft.told.mac = draft.told.mac.or(mac.get());
            self.make(whom, sandbox, draft)
        });
        if made.is_err() {
            ipam.give_back();
        }
        made
    }

    fn make(&mut self, whom: Whom, sandbox: SandboxRef, draft: Draft) -> Result<Outcome, Fault> {
        let Draft { bridge, shared, force_address, told, outcome, entry } = draft;
        let call = self.call;
        let wish = Wish { whom, sandbox, shared, force_address, told };
        let answer = |made: &Made| {
            let mut outcome = outcome.clone();
            outcome.interfaces = interfaces(call, bridge.as_ref(), made, wish.told.mtu);
            let inside = u32::try_from(outcome.interfaces.len().saturating_sub(1)).ok();
            outcome.ips.iter_mut().for_each(|ip| ip.interface = inside);
            outcome.interfaces.extend(entry.as_ref().map(|name| Interface {
                name: name.to_string(),
                mac: names::shared_bridge_mac(name).to_string(),
                ..Interface::default()
            }));
            print::outcome(&outcome, Version::V1_1_0).unwrap_or_default()
        };
        kept(&self.engine.attach_told(&wish, &answer)?)
    }

    /// DEL: what the record has, then the addresses; all is tried. An interface without a record
    /// goes where it is one that `drops`, and not the host's own.
    pub(crate) fn del(&mut self, drops: bool) -> Result<(), Fault> {
        let whom = self.whom(None)?;
        let ipam = Ipam::of(self.conf, self.call)?;
        // What was lent on the LAN is given back by the interface itself.
        let (first, later) = match ipam {
            Some(ipam) if ipam.comes_after() => (Some(ipam), None),
            other => (None, other),
        };
        let given_back = first.map_or(Ok(()), |ipam| ipam.del());
        let mut gone = self.engine.detach_told(&whom).map_err(Fault::from);
        if matches!(gone, Ok(false)) {
            let strange = self.engine.dislodge_container(&whom.cni, &[Kind::Masquerade]);
            gone = strange.map(|()| false).map_err(Fault::from);
        }
        if drops && matches!(gone, Ok(false)) && self.call.netns.is_some() {
            // Somebody else's plugin may have made it.
            let sandbox = self.sandbox()?;
            gone = self.engine.drop_link(&sandbox, &whom.ifname).map_err(Fault::from);
        }
        let given_back = given_back.and(later.map_or(Ok(()), |ipam| ipam.del()));
        gone.map(|_| ()).and(given_back)
    }

    /// CHECK: addresses, what was made, and what the runtime remembers of it.
    pub(crate) fn check(&mut self) -> Result<(), Fault> {
        let whom = self.whom(None)?;
        let previous = previous(self.conf)?;
        Ipam::of(self.conf, self.call)?.map_or(Ok(()), |ipam| ipam.check())?;
        let Some(findings) = self.engine.check_told(&whom)? else {
            let container = &self.call.container;
            let what = format!("{} of container {container} is not attached", whom.ifname);
            return Err(Fault::new(Code::UnknownContainer, what)
                .details("ropewalk did not make it, or has removed it"));
        };
        blame::otherwise(&findings)?;
        let sandbox = self.sandbox()?;
        let answer = self.engine.answered(&whom, &sandbox)?;
        answer.map_or(Ok(()), |answer| agrees(&kept(&answer)?, previous, whom.ifname.as_str()))
    }

    /// GC: attachments that nobody wants, and their addresses.
    pub(crate) fn gc(&mut self) -> Result<(), Fault> {
        let swept = self.sweep();
        let given_back = Ipam::of(self.conf, self.call)?.map_or(Ok(()), |ipam| ipam.gc());
        swept.and(given_back)
    }

    /// The engine's part of GC.
    pub(crate) fn sweep(&mut self) -> Result<(), Fault> {
        let Some(name) = names::cni_network(&self.conf.name) else { return Ok(()) };
        Ok(self.engine.gc_told(&name, &self.conf.name, &self.valid())?)
    }

    /// The attachments that are still wanted.
    pub(crate) fn valid(&self) -> Vec<(String, IfName)> {
        let read = |(container, ifname): &(String, String)| {
            Some((container.clone(), IfName::new(ifname.as_str()).ok()?))
        };
        self.conf.valid.iter().filter_map(read).collect()
    }
}

/// What the attachment of a call is called.
pub(crate) fn whom(conf: &Conf, call: &Call, bridge: Option<&IfName>) -> Result<Whom, Fault> {
    let ifname = IfName::new(call.ifname.as_str())
        .map_err(|why| Fault::new(Code::Environment, format!("CNI_IFNAME: {why}")))?;
    let cni = Cni { network: conf.name.clone(), container: call.container.clone(), pod: pod(call) };
    Ok(Whom { cni, network: network(conf, bridge)?, ifname })
}

/// The network in our words.
fn network(conf: &Conf, bridge: Option<&IfName>) -> Result<Network, Fault> {
    let odd = || Fault::new(Code::Config, format!("network name {:?} cannot be", conf.name));
    let raw = RawNetwork {
        name: names::cni_network(&conf.name).ok_or_else(odd)?.to_string(),
        mode: Some(Mode::Cni { bridge: None }.word().into()),
        bridge: bridge.map(ToString::to_string),
        ..RawNetwork::default()
    };
    raw.check().map_err(|_| odd())
}

/// The pod that Kubernetes says the container is of.
fn pod(call: &Call) -> Option<String> {
    let name = call.args.value("K8S_POD_NAME")?;
    let space = call.args.value("K8S_POD_NAMESPACE");
    Some(space.map_or_else(|| name.to_owned(), |space| format!("{space}/{name}")))
}

/// The answer of the record.
fn kept(answer: &str) -> Result<Outcome, Fault> {
    match Json::read(answer.as_bytes())? {
        Json::Object(object) => Outcome::read(&object, Version::V1_1_0),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => {
            Err(Fault::new(Code::Decode, "the record's answer is no object"))
        }
    }
}

/// What the runtime remembers, which CHECK cannot be without.
pub(crate) fn previous(conf: &Conf) -> Result<&Outcome, Fault> {
    conf.previous.as_ref().ok_or_else(|| Fault::new(Code::Config, "Required prevResult missing"))
}

/// Refuses a memory of addresses that the interface was never given.
fn agrees(ours: &Outcome, theirs: &Outcome, ifname: &str) -> Result<(), Fault> {
    let inside = |index: u32| {
        let at = usize::try_from(index).ok().and_then(|index| theirs.interfaces.get(index));
        at.is_some_and(|one| one.name == ifname && !one.sandbox.is_empty())
    };
    let has = |net: &IpNet| ours.ips.iter().any(|ip| ip.address == *net);
    let mut told = theirs.ips.iter().filter(|ip| ip.interface.is_some_and(inside));
    match told.find(|ip| !has(&ip.address)) {
        None => Ok(()),
        Some(ip) => {
            let what = format!("{ifname} does not have {} of prevResult", ip.address);
            Err(Fault::new(Code::Internal, what))
        }
    }
}

/// The interfaces of an answer: the bridge, the host's end, the container's.
fn interfaces(
    call: &Call,
    bridge: Option<&IfName>,
    made: &Made,
    mtu: Option<u32>,
) -> Vec<Interface> {
    let text = |mac: Option<Mac>| mac.map(|mac| mac.to_string()).unwrap_or_default();
    let one = |name: &IfName, mac: Option<Mac>| Interface {
        name: name.to_string(),
        mac: text(mac),
        ..Interface::default()
    };
    let mut all: Vec<Interface> =
        bridge.map(|name| one(name, made.bridge_mac)).into_iter().collect();
    all.extend(made.leg.as_ref().map(|leg| one(leg, made.leg_mac())));
    let netns = call.netns.as_ref().map(|path| path.display().to_string());
    all.push(Interface {
        name: call.ifname.clone(),
        mac: text(made.mac),
        mtu,
        sandbox: netns.unwrap_or_default(),
        ..Interface::default()
    });
    all
}

/// The hardware address that is asked for: by the runtime's capability before `args.cni`, before
/// `CNI_ARGS`, before the configuration.
pub(crate) fn mac(conf: &Conf, call: &Call) -> Result<Option<Mac>, Fault> {
    let cni = conf.fields.object("args")?.map(|args| args.object("cni")).transpose()?.flatten();
    let from = |object: Option<Object>| object.map_or(Ok(String::new()), |o| o.text("mac"));
    let texts = [
        from(conf.fields.object("runtimeConfig")?)?,
        from(cni)?,
        call.args.value("MAC").unwrap_or_default().to_owned(),
        conf.fields.text("mac")?,
    ];
    let Some(text) = texts.iter().find(|text| !text.is_empty()) else { return Ok(None) };
    let odd = || Fault::new(Code::Config, format!("invalid MAC address {text:?}"));
    text.replace('-', ":").to_lowercase().parse().map(Some).map_err(|_| odd())
}

/// `mtu`; 0 says nothing.
pub(crate) fn mtu(conf: &Conf) -> Result<Option<u32>, Fault> {
    let number = conf.fields.number("mtu")?.filter(|mtu| *mtu != 0);
    let odd = |_| Fault::new(Code::Config, "mtu: it is larger than an MTU can be");
    number.map(u32::try_from).transpose().map_err(odd)
}

/// The interface `name` of the configuration.
pub(crate) fn link(conf: &Conf, name: &str) -> Result<Option<IfName>, Fault> {
    let text = conf.fields.text(name)?;
    if text.is_empty() {
        return Ok(None);
    }
    let odd = |why| Fault::new(Code::Config, format!("{name}: {text:?}: {why}"));
    IfName::new(text.as_str()).map(Some).map_err(odd)
}

/// The configuration's name servers where it has any, else those that came with the addresses.
pub(crate) fn dns(conf: &Conf, outcome: &Outcome) -> Dns {
    if conf.dns.is_empty() { outcome.dns.clone() } else { conf.dns.clone() }
}

/// Routes as the container gets them: without a gateway, by the first of the family.
pub(crate) fn ways(outcome: &Outcome) -> Vec<Way> {
    let first =
        |v4: bool| outcome.ips.iter().filter_map(|ip| ip.gateway).find(|g| g.is_ipv4() == v4);
    let way = |route: &Route| Way {
        via: route.gw.or_else(|| first(matches!(route.dst, IpNet::V4(_)))),
        mtu: route.mtu,
        advmss: route.advmss,
        metric: route.priority.unwrap_or(0),
        table: route.table,
        scope: route.scope.and_then(|scope| u8::try_from(scope).ok()),
        ..Way::new(route.dst, None)
    };
    outcome.routes.iter().map(way).collect()
}

/// Forwarding of the families that `outcome` has addresses of.
pub(crate) fn forwarding(outcome: &Outcome) -> Vec<Shared> {
    let has = |v6: bool| outcome.ips.iter().any(|ip| ip.address.addr().is_ipv6() == v6);
    [false, true].into_iter().filter(|v6| has(*v6)).map(|v6| Shared::Forwarding { v6 }).collect()
}
