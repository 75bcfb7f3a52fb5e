//! `ropewalk join`, `leave`, `cluster …`, `host …`: one conversation with the store each.
//!
//! Never here: what is decided (`cluster`), what hosts make of it (`agent`).

mod everywhere;
mod grow;
mod outside;
mod pools;
mod ps;
mod purge;
mod status;
mod take;
mod unmade;

pub(crate) use everywhere::everywhere;
pub(crate) use outside::ask_for;
pub(crate) use purge::purge;
use status::status;
pub(crate) use unmade::unmade;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ropewalk_cluster::keep::etcd::Address;
use ropewalk_cluster::keep::{Either, Fault as StoreFault, Store as _};
use ropewalk_cluster::live::{LIVE, Live};
use ropewalk_cluster::verbs::{self, Refused};
use ropewalk_cluster::{
    Defined, HERE, Host, HostId, Kept, Memory, Net, Site, Unusable, View, Wish,
};
use ropewalk_engine::{Code, Done, Engine, Fault, Paths};
use ropewalk_spec::{NetworkName, RawNetwork};

use crate::answer::Answer;
use crate::show;
use crate::table::{ClusterCreate, ClusterName, ClusterVerb, HostDrain, HostName, HostVerb, Join};

pub(crate) fn cluster(verb: &ClusterVerb, json: bool) -> Result<Answer, Fault> {
    match verb {
        ClusterVerb::Status => Answer::of(json, &status()?, show::cluster::status),
        ClusterVerb::Ps(args) => {
            Answer::of(json, &ps::ps(args)?, |all| show::cluster::endpoints(all))
        }
        ClusterVerb::Create(args) => create(args, json),
        ClusterVerb::Rm(args) => forget(args, json),
    }
}

pub(crate) fn host(verb: &HostVerb, json: bool) -> Result<Answer, Fault> {
    match verb {
        HostVerb::Ls => Answer::of(json, &status()?.hosts, |all| show::cluster::hosts(all)),
        HostVerb::Rm(args) => remove(args, json),
        HostVerb::Drain(args) => drain(args, json),
    }
}

/// Makes this host a member.
pub(crate) fn join(args: &Join, json: bool) -> Result<Answer, Fault> {
    let doing = |fault: Fault| fault.doing(format!("join {}", args.store));
    ropewalk_engine::need_root()?;
    let paths = Paths::from_env();
    let address = match args.store.as_str() {
        HERE => None,
        text => Some(text.parse::<Address>().map_err(|error| {
            let meant = meant(text).map_or_else(
                || "ropewalk help join".to_owned(),
                |meant| format!("ropewalk join {meant}"),
            );
            doing(Fault::new(Code::BadInput, error.to_string()).or_try(meant))
        })?),
    };
    let before = Site::read(&paths.config).map_err(unusable)?;
    let mut site = site(args, address.as_ref()).map_err(doing)?;
    if let Some(before) = before.as_ref().filter(|before| before.alone() && !site.alone()) {
        return grow::grow(&paths, before, site, json).map_err(doing);
    }
    // The folder is made, and is this host's.
    drop(Engine::open(&paths)?);
    let mut store = site.open(&paths.config).map_err(unusable)?;
    if before.is_none()
        && let Some(left) = Memory::left(&paths.state)
    {
        // It was cut short: what it has told the store is this host's.
        site.id = left.journal.host;
        site.token = left.journal.me.token;
    }
    // Its agent, where one is at work, has ended its step, and takes up what is written here.
    let held = before.as_ref().map(|before| before.hold(&paths.config, &paths.state)).transpose();
    let _held = held.map_err(unusable)?;
    let joined = wait(async {
        let mut kept = BTreeMap::new();
        if let Some(before) = &before {
            let view = verbs::view(&mut store).await.map_err(|fault| refused(fault.into()))?;
            kept = again(&paths, before, &view)?;
            site.id = before.id.clone();
        }
        let cluster = verbs::cluster(&mut store, &site.cluster).await.map_err(refused)?;
        site.cluster = cluster;
        let there = verbs::view(&mut store).await.map_err(|fault| refused(fault.into()))?;
        let taken = take::along(&paths, &args.network, &there, &site.id)?;
        verbs::fits(&taken.own, &there, &site.id).map_err(refused)?;
        let journal = verbs::join(&mut store, site.journal(), now()).await.map_err(refused)?;
        site.generation = journal.me.generation;
        let memory = Memory::read(&paths.state, &site).map_err(unusable)?;
        let memory = taken.remembered(Memory { journal, made: kept, ..memory });
        memory.write(&paths.state).map_err(unusable)?;
        verbs::bring(&mut store, &taken.own, &site.id).await.map_err(refused)?;
        let called =
            |(id, host): &(&HostId, &Kept<Host>)| **id != site.id && host.value.name == site.name;
        Ok(there.hosts.iter().find(called).map(|(id, _)| id.clone()))
    });
    let namesake = joined?.map_err(doing)?;
    site.write(&paths.config).map_err(unusable)?;
    let runs = unmade::agent_runs(&paths);
    Answer::of(json, &site, |site| show::cluster::joined(site, namesake.as_ref(), runs))
}

/// The address that somebody may have meant who has written another scheme, or none.
fn meant(text: &str) -> Option<String> {
    let schemes = ["https://", "etcds://", "http://", "etcd://"];
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let tls = text.starts_with("https") || text.starts_with("etcds");
    let bare = rest.parse::<std::net::Ipv6Addr>();
    let host = bare.map_or_else(|_| rest.to_owned(), |ip| format!("[{ip}]"));
    let meant = format!("etcd{}://{host}", if tls { "s" } else { "" });
    meant.parse::<Address>().is_ok().then_some(meant)
}

/// A host that was removed may join again. Of its former life only those networks are left that sandboxes
/// are on; nothing answers for these until what they have is the host's own again.
fn again(paths: &Paths, before: &Site, view: &View) -> Result<BTreeMap<NetworkName, Wish>, Fault> {
    if !view.gone.contains_key(&before.id) || view.hosts.contains_key(&before.id) {
        let what = format!("this host is a member already, by {}", before.store);
        return Err(Fault::new(Code::ClusterRefused, what).or_try("ropewalk leave"));
    }
    let mut engine = Engine::open(paths)?;
    let mut kept = Memory::read(&paths.state, before).map_err(unusable)?.made;
    kept.retain(|name, _| {
        view.nets.contains_key(name) && engine.count_on(name).is_ok_and(|count| count > 0)
    });
    for (name, wish) in &mut kept {
        engine.fence(name)?;
        wish.fence();
    }
    drop(engine);
    unmake(paths, before, &kept)?;
    Ok(kept)
}

/// Leaves the cluster.
pub(crate) fn leave(json: bool) -> Result<Answer, Fault> {
    let doing = |fault: Fault| fault.doing("leave the cluster");
    ropewalk_engine::need_root()?;
    let paths = Paths::from_env();
    let (site, mut store) = member()?;
    free(&paths, &site).map_err(doing)?;
    wait(verbs::remove(&mut store, &site.id, now()))?.map_err(|error| doing(refused(error)))?;
    // From here on the agent keeps away.
    let again = |fault: Fault| {
        doing(fault)
            .cause("the cluster has let the host go")
            .or_try("ropewalk leave   once it can be written")
    };
    Site::forget(&paths.config, &paths.state).map_err(|error| again(unusable(error)))?;
    unmake(&paths, &site, &BTreeMap::new()).map_err(doing)?;
    Site::forget_store(&paths.config).map_err(unusable)?;
    Memory::forget(&paths.state).map_err(unusable)?;
    told(json, "left", &site.store)
}

/// Refuses while sandboxes are on networks of the cluster.
fn free(paths: &Paths, site: &Site) -> Result<(), Fault> {
    let engine = Engine::open(paths)?;
    for name in Memory::read(&paths.state, site).map_err(unusable)?.made.keys() {
        if let Ok(view) = engine.network(name)
            && let Some(row) = view.sandboxes.first()
        {
            let what = format!("{} is attached to network {name}", row.sandbox);
            let again = format!("ropewalk detach {} {name}", row.sandbox);
            return Err(Fault::new(Code::NetworkInUse, what).or_try(again));
        }
    }
    Ok(())
}

/// Takes the networks of the cluster away from this host, but for those that are `kept`.
fn unmake(paths: &Paths, site: &Site, kept: &BTreeMap<NetworkName, Wish>) -> Result<(), Fault> {
    let mut engine = Engine::open(paths)?;
    let made = Memory::read(&paths.state, site).map_err(unusable)?.made;
    let Defined { networks: mut names, revision } =
        Site::defined(&paths.config).map_err(unusable)?;
    names.extend(made.into_keys());
    for name in names.iter().filter(|name| !kept.contains_key(*name)) {
        match engine.remove_network(name) {
            Err(fault) if fault.code != Code::NetworkUnknown => return Err(fault),
            Ok(_) | Err(_) => {}
        }
    }
    let networks = kept.keys().cloned().collect();
    Site::define(&paths.config, &Defined { revision, networks }).map_err(unusable)
}

fn create(args: &ClusterCreate, json: bool) -> Result<Answer, Fault> {
    let doing = || format!("cluster create {}", args.name);
    let pools = pools::pools(args).map_err(|fault| fault.doing(doing()))?;
    let lan = args.mode == pools::FLAT;
    let spec = RawNetwork {
        mode: Some(args.mode.clone()),
        vni: args.vni,
        port: args.port,
        mtu: args.mtu,
        subnet: if lan { args.subnet.clone() } else { Vec::new() },
        ..RawNetwork::default()
    };
    // One host's part of it must be a network.
    let own = pools.iter().filter_map(|pool| pool.order(&HostId::new(0)).next());
    let own: Vec<String> = own.map(|net| net.to_string()).collect();
    let part = RawNetwork {
        name: args.name.to_string(),
        subnet: if lan { args.subnet.clone() } else { own.clone() },
        own,
        ..spec.clone()
    };
    part.check().map_err(|error| crate::refusal::senseless("cluster create", doing(), &error))?;
    let (_, mut store) = member()?;
    if !lan {
        let nets: Vec<_> = pools.iter().map(|pool| pool.net).collect();
        let mut engine = Engine::open(&Paths::from_env())?;
        engine.has_room(&nets).map_err(|fault| fault.doing(doing()))?;
    }
    let net = Net { spec, pools };
    wait(verbs::create(&mut store, &args.name, &net))?
        .map_err(|error| refused(error).doing(doing()))?;
    done(json, "created", &format!("network {} of the cluster", args.name), unmade::without_agent())
}

fn forget(args: &ClusterName, json: bool) -> Result<Answer, Fault> {
    let (_, mut store) = member()?;
    wait(verbs::forget(&mut store, &args.name))?
        .map_err(|error| refused(error).doing(format!("cluster rm {}", args.name)))?;
    let object = format!("network {} of the cluster", args.name);
    done(json, "removed", &object, "(where a sandbox is on it, it stays until none is)".to_owned())
}

fn remove(args: &HostName, json: bool) -> Result<Answer, Fault> {
    let doing = |fault: Fault| fault.doing(format!("host rm {}", args.host));
    let (site, mut store) = member()?;
    let removed = wait(async {
        let view = verbs::view(&mut store).await.map_err(|fault| refused(fault.into()))?;
        let id = named(&view, &args.host)?;
        let up = store.list(LIVE).await.map_err(|fault| refused(fault.into()))?;
        let up = Live::all(&up).contains_key(&id);
        if id == site.id {
            let fault = Fault::new(Code::ClusterRefused, "this is the host itself");
            return Err(fault.or_try("ropewalk leave"));
        }
        verbs::remove(&mut store, &id, now()).await.map_err(refused)?;
        Ok(up)
    });
    let up = if removed?.map_err(doing)? { "its agent was up just now; " } else { "" };
    let detail = "what is attached there stays there, unreached, until it is detached or the host joins again";
    done(json, "removed", &format!("host {}", args.host), format!("({up}{detail})"))
}

fn drain(args: &HostDrain, json: bool) -> Result<Answer, Fault> {
    let doing = |fault: Fault| fault.doing(format!("host drain {}", args.host));
    let (_, mut store) = member()?;
    let done = wait(async {
        let view = verbs::view(&mut store).await.map_err(|fault| refused(fault.into()))?;
        let id = named(&view, &args.host)?;
        verbs::drain(&mut store, &id, args.back).await.map_err(refused)
    });
    done?.map_err(doing)?;
    let verb = if args.back { "no longer drained" } else { "draining" };
    told(json, verb, &format!("host {}", args.host))
}

/// The host with this name or id, removed ones too: their removal may have been cut short.
fn named(view: &View, text: &str) -> Result<HostId, Fault> {
    let is = |id: &HostId, name: &str| id.to_string() == text || name == text;
    let hosts = view.hosts.iter().filter(|(id, host)| is(id, &host.value.name));
    let gone = view.gone.iter().filter(|(id, host)| is(id, &host.value.name));
    // One that is there goes before one that was.
    let mut found: Vec<&HostId> = hosts.map(|(id, _)| id).collect();
    if found.is_empty() {
        found = gone.map(|(id, _)| id).collect();
    }
    match found.as_slice() {
        [id] => Ok((*id).clone()),
        [] => {
            let unknown = refused(Refused::Unknown(format!("host {text}")));
            Err(unknown.or_try("ropewalk host ls"))
        }
        [_, _, ..] => {
            let what = format!("several hosts are called {text}: give the id of one");
            Err(Fault::new(Code::BadInput, what).or_try("ropewalk host ls"))
        }
    }
}

/// What this host is in its cluster, and the store.
fn member() -> Result<(Site, Either), Fault> {
    let config = Paths::from_env().config;
    let site = Site::read(&config).map_err(unusable)?;
    let site = site.ok_or_else(|| {
        Fault::new(Code::ClusterNone, "this host is in no cluster")
            .or_try("ropewalk join etcd://HOST   or, for this host alone: ropewalk join here")
    })?;
    let store = site.open(&config).map_err(unusable)?;
    Ok((site, store))
}

fn site(args: &Join, address: Option<&Address>) -> Result<Site, Fault> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => read("/proc/sys/kernel/hostname")?,
    };
    let addresses = match (args.address.as_slice(), address) {
        ([], Some(address)) => both(towards(address)?)?,
        (given, _) => given.to_vec(),
    };
    let whole = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
    let absolute = |path: &Option<PathBuf>| {
        whole(path).map_err(|error| Fault::new(Code::BadInput, "a path").kernel(error.to_string()))
    };
    Ok(Site {
        store: address.map_or_else(|| HERE.to_owned(), ToString::to_string),
        cluster: number()?,
        id: number()?.parse().map_err(|_| Fault::new(Code::StateUnusable, "no random number"))?,
        token: number()?,
        generation: 1,
        name,
        addresses,
        ca: absolute(&args.ca)?,
        cert: absolute(&args.cert)?,
        key: absolute(&args.key)?,
        password_file: absolute(&args.password_file)?,
    })
}

/// `ip`, and an address of the other family on the same interface.
fn both(ip: IpAddr) -> Result<Vec<IpAddr>, Fault> {
    let reached = Engine::open(&Paths::from_env())?.reached_at(ip)?;
    let also = reached.and_then(|reached| reached.also);
    Ok(std::iter::once(ip).chain(also).collect())
}

/// The address from which this host reaches the store.
fn towards(address: &Address) -> Result<IpAddr, Fault> {
    let member = address.members.first().cloned().unwrap_or_default();
    let v6 = member.starts_with('[');
    let local = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind(if v6 { "[::]:0" } else { "0.0.0.0:0" })?;
        socket.connect(&member)?;
        Ok(socket.local_addr()?.ip())
    };
    local().map_err(|error| {
        Fault::new(Code::ClusterStore, format!("no way leads to {member}"))
            .kernel(error.to_string())
            .or_try("ropewalk join … --address ADDRESS")
    })
}

/// A number that nobody else has.
fn number() -> Result<String, Fault> {
    Ok(read("/proc/sys/kernel/random/uuid")?.replace('-', ""))
}

fn read(path: &str) -> Result<String, Fault> {
    let text = std::fs::read_to_string(Path::new(path));
    let text =
        text.map_err(|error| Fault::new(Code::StateUnusable, path).kernel(error.to_string()));
    Ok(text?.trim().to_owned())
}

/// Does all of a command's conversation: a connection lives no longer than this.
fn wait<F: Future>(work: F) -> Result<F::Output, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Fault::new(Code::Kernel, "cannot wait for the store").kernel(error.to_string())
    })?;
    Ok(runtime.block_on(work))
}

fn told(json: bool, verb: &'static str, object: &str) -> Result<Answer, Fault> {
    done(json, verb, object, String::new())
}

fn done(json: bool, verb: &'static str, object: &str, detail: String) -> Result<Answer, Fault> {
    let done = vec![Done { verb, object: object.to_owned(), detail }];
    Answer::of(json, &done, |done| show::done(done))
}

fn refused(error: Refused) -> Fault {
    match error {
        Refused::Store(StoreFault::Certificates { why }) => {
            Fault::new(Code::ClusterStore, "the certificates cannot be used").kernel(why)
        }
        Refused::Store(fault) => {
            let what = Fault::new(Code::ClusterStore, fault.to_string());
            match (&fault, fault.to_string().contains("certificate")) {
                (StoreFault::Refused { .. }, true) => what.or_try("look at --ca, --cert and --key"),
                (StoreFault::Refused { .. }, false) => {
                    what.or_try("etcd://USER@HOST with --password-file FILE")
                }
                (StoreFault::Away { member, why }, _) => what.or_try(away(member, why)),
                _ => what,
            }
        }
        Refused::Taken { ref id, .. } => {
            let back =
                format!("ropewalk host rm {id}   if that was this host, before it was made anew");
            let what = Fault::new(Code::ClusterRefused, error.to_string()).or_try(back);
            what.or_try("ropewalk join … --address ADDRESS   with one that no other host has")
        }
        Refused::Alarm(_)
        | Refused::Unreadable(_)
        | Refused::Busy
        | Refused::Exists(_)
        | Refused::Elsewhere { .. }
        | Refused::Rests { .. }
        | Refused::Overlap { .. }
        | Refused::Other(_)
        | Refused::Unknown(_) => Fault::new(Code::ClusterRefused, error.to_string()),
    }
}

/// What to do about a member that does not answer.
fn away(member: &str, why: &str) -> String {
    if why.contains("tls handshake") {
        return "etcd:// instead of etcds://, where it speaks no TLS".to_owned();
    }
    if why.contains("onnection refused") {
        return format!("start etcd there, with --listen-client-urls http://{member}");
    }
    format!("look whether {member} is up, and nothing drops what goes to its port")
}

fn unusable(error: Unusable) -> Fault {
    Fault::new(Code::StateUnusable, format!("cannot use {}", error.path.display()))
        .kernel(error.why)
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}
