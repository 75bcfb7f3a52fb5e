//! `tuning`: settings of the container's network, and of its interface.
//!
//!     {"sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}, "mac": "02:…", "mtu": 1400}
//!
//! What was there before is in the record, and comes back with DEL; a copy of it is in a file of
//! `dataDir`, for others to read ([`backup`]).

mod backup;

use std::path::Path;

use ropewalk_engine::{Manner, Whom};
use ropewalk_facts::{Body, IfName, Mac, Sysctl, SysctlPath};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_topology::{HostFacts, Wiring};

use super::pattern::Pattern;
use super::{Link, amendment};
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::json::{Json, Object};
use crate::net::Task;
use crate::outcome::{Interface, Outcome};

/// Where an administrator lists what may be tuned; all may where it is not there.
const ALLOWED: &str = "/etc/cni/tuning/allowlist.conf";

/// ADD.
pub(crate) fn add(task: &mut Task<'_>) -> Result<Outcome, Fault> {
    task.call.args.only(&["MAC"])?;
    let wishes = wishes(task.conf)?;
    let Link { whom, bare, mut outcome, .. } = Link::of(task)?;
    let settings = settings(&wishes, &whom.ifname)?;
    let manner = manner(task, &wishes)?;
    let draw = |wiring: &Wiring<'_>, _: &HostFacts| -> Result<Plan, Duplicate> {
        let mut plan = Plan::new();
        for (path, value) in &settings {
            let setting = Sysctl { path: path.clone(), value: value.clone() };
            plan.ensure(&wiring.ns, Body::Sysctl(setting))?;
        }
        Ok(plan)
    };
    let mut amendment = amendment("tuning", format!("{settings:?} {manner:?}"));
    (amendment.manner, amendment.draw) = (manner.clone(), &draw);
    let kept = backup::keep(task, &whom, &manner)?;
    if let Err(fault) = task.engine.amend(&whom, &bare, &amendment) {
        kept.map_or(Ok(()), |file| file.remove())?;
        return Err(fault.into());
    }
    let Manner { mac, mtu, .. } = manner;
    let own = |one: &&mut Interface| one.name == task.call.ifname && !one.sandbox.is_empty();
    for one in outcome.interfaces.iter_mut().filter(own) {
        one.mtu = mtu.or(one.mtu);
        if let Some(mac) = mac {
            one.mac = mac.to_string();
        }
    }
    Ok(outcome)
}

/// The objects that wishes are in, what is asked for at this attachment first.
fn wishes(conf: &Conf) -> Result<[Object; 2], Fault> {
    let cni = conf.fields.object("args")?.map(|args| args.object("cni")).transpose()?.flatten();
    Ok([cni.unwrap_or_default(), conf.fields.clone()])
}

/// DEL, whoever made it: the file goes. Where no record has it, what the file says comes back.
pub(crate) fn del(task: &mut Task<'_>, whom: &Whom, recorded: bool) -> Result<(), Fault> {
    backup::restore(task, whom, recorded)
}

/// GC: files of containers that nobody wants.
pub(crate) fn gc(task: &Task<'_>) -> Result<(), Fault> {
    backup::sweep(task)
}

/// What of the interface is to be otherwise.
fn manner(task: &Task<'_>, wishes: &[Object; 2]) -> Result<Manner, Fault> {
    let truth = |name| {
        let [cni, conf] = wishes;
        cni.truth(name).and_then(|own| Ok(own.or(conf.truth(name)?)))
    };
    let txqlen = wishes.iter().find_map(|object| object.number("txQLen").transpose());
    let odd = |_| Fault::new(Code::Config, "tuning: txQLen is out of range");
    Ok(Manner {
        mac: mac(task)?,
        mtu: number(wishes, "mtu")?,
        // One that is false says nothing, as with the reference plugins.
        promisc: truth("promisc")?.filter(|on| *on),
        allmulti: truth("allmulti")?,
        txqlen: txqlen.transpose()?.map(u32::try_from).transpose().map_err(odd)?,
        master: None,
    })
}

/// The settings, `IFNAME` put in place; nothing but those of the network.
fn settings(wishes: &[Object], ifname: &IfName) -> Result<Vec<(SysctlPath, String)>, Fault> {
    let mut all: Vec<(SysctlPath, String)> = Vec::new();
    let config = |what: String| Fault::new(Code::Config, format!("tuning: {what}"));
    let allowed = allowed()?;
    for object in wishes {
        let Some(sysctl) = object.object("sysctl")? else { continue };
        let before = all.len();
        for (key, value) in sysctl.pairs() {
            let Json::Text(value) = value else {
                return Err(config(format!("sysctl {key}: a string is expected")));
            };
            if allowed.as_ref().is_some_and(|list| !list.iter().any(|one| one.is_in(key))) {
                return Err(config(format!("sysctl {key} is not allowed by {ALLOWED}")));
            }
            // Either sign may stand between the parts; the first one is it.
            let dots = key
                .find(['.', '/'])
                .and_then(|at| key.get(at..))
                .is_some_and(|k| k.starts_with('.'));
            let text = if dots { key.replace('.', "/") } else { key.to_owned() };
            let text = text.replace("IFNAME", ifname.as_str());
            if !text.starts_with("net/") {
                return Err(config(format!("invalid net sysctl key: {key:?}")));
            }
            let path =
                SysctlPath::new(text).map_err(|why| config(format!("sysctl {key}: {why}")))?;
            match all.iter().position(|(other, _)| *other == path) {
                Some(at) if at >= before => {
                    return Err(config(format!("sysctl {key} is given twice")));
                }
                // What is asked for at this attachment counts.
                Some(_) => {}
                None => all.push((path, value.clone())),
            }
        }
    }
    Ok(all)
}

fn allowed() -> Result<Option<Vec<Pattern>>, Fault> {
    if !Path::new(ALLOWED).exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(ALLOWED).map_err(|why| {
        Fault::new(Code::Io, format!("tuning: cannot read {ALLOWED}")).details(why.to_string())
    })?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let read = |line: &str| {
        let odd = || Fault::new(Code::Config, format!("{ALLOWED}: {line:?} is not understood"));
        Pattern::read(line).ok_or_else(odd)
    };
    lines.map(read).collect::<Result<_, _>>().map(Some)
}

/// The hardware address: by `args.cni`, else the capability, else `CNI_ARGS`, else the configuration.
fn mac(task: &Task<'_>) -> Result<Option<Mac>, Fault> {
    let [cni, conf] = wishes(task.conf)?;
    let runtime = conf.object("runtimeConfig")?.unwrap_or_default();
    let args = task.call.args.value("MAC").unwrap_or_default().to_owned();
    let texts = [cni.text("mac")?, runtime.text("mac")?, args, conf.text("mac")?];
    let Some(text) = texts.iter().find(|text| !text.is_empty()) else { return Ok(None) };
    let odd = || Fault::new(Code::Config, format!("invalid MAC address {text:?}"));
    text.replace('-', ":").to_lowercase().parse().map(Some).map_err(|_| odd())
}

fn number(wishes: &[Object], name: &str) -> Result<Option<u32>, Fault> {
    for object in wishes {
        if let Some(number) = object.number(name)?.filter(|number| *number != 0) {
            let odd = |_| Fault::new(Code::Config, format!("tuning: {name} is out of range"));
            return u32::try_from(number).map(Some).map_err(odd);
        }
    }
    Ok(None)
}
