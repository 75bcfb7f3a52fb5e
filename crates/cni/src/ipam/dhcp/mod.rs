//! `dhcp`: the address is lent by the server of the LAN, which a daemon asks and keeps asking.
//!
//!     {"type": "dhcp", "request": [{"option": "121"}], "provide": [{"option": "12", "fromArg": "K8S_POD_NAME"}]}
//!     plugin ── /run/cni/dhcp.sock ──▶ `dhcp daemon` ── in the container, by its interface ──▶ server
//!
//! The interface has to be there before it has an address, so this plugin is called after it was
//! made.  Never here: the LAN.

mod daemon;
mod flags;
mod leases;
mod options;
mod word;

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use ropewalk_store::DhcpLease;

use super::wishes;
use crate::call::Call;
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::json::Object;
use crate::outcome::{Ip, Outcome, Route};

pub(crate) use daemon::main;
use word::{Answer, Ask, Key, Wanted};

/// Where the daemon listens, unless it is told otherwise.
const SOCKET: &str = "/run/cni/dhcp.sock";
/// How long the daemon may take: longer than any server is asked for.
const PATIENCE: Duration = Duration::from_secs(150);

/// ADD.
pub(crate) fn add(conf: &Conf, call: &Call) -> Result<Outcome, Fault> {
    let ipam = wishes::ipam(conf)?;
    let key = key(conf, call);
    let identity = [&[0], key.to_string().as_bytes()].concat();
    let asked = options::read(&ipam, &call.args, identity)?;
    let priority = small(&ipam, "priority")?;
    let netns = call.netns.clone().unwrap_or_default();
    let netns = std::path::absolute(&netns).unwrap_or(netns);
    let wanted = Wanted { key, netns, asked };
    match say(&socket(&ipam)?, &Ask::Lend(wanted))? {
        Answer::Lent(lease) => Ok(outcome(&lease, priority)),
        Answer::Done => Err(Fault::new(Code::Internal, "the dhcp daemon gave no address")),
        Answer::Refused { code, msg, details } => {
            Err(Fault::new(Code::of(code), msg).details(details))
        }
    }
}

/// DEL. Without a daemon nothing is renewed any more, and the lease runs out.
pub(crate) fn del(conf: &Conf, call: &Call) -> Result<(), Fault> {
    let (socket, key) = (socket(&wishes::ipam(conf)?)?, key(conf, call));
    match connect(&socket) {
        Ok(_) => done(say(&socket, &Ask::Return(key))?),
        Err(_) => leases::forget(&socket, &key),
    }
}

/// CHECK: the daemon has the lease.
pub(crate) fn check(conf: &Conf, call: &Call) -> Result<(), Fault> {
    done(say(&socket(&wishes::ipam(conf)?)?, &Ask::Holds(key(conf, call)))?)
}

/// GC: what no valid attachment has is given back.
pub(crate) fn gc(conf: &Conf) -> Result<(), Fault> {
    let socket = socket(&wishes::ipam(conf)?)?;
    let (network, valid) = (conf.name.clone(), conf.valid.clone());
    match connect(&socket) {
        Ok(_) => done(say(&socket, &Ask::Keep { network, valid })?),
        Err(_) => leases::keep(&socket, &network, &valid),
    }
}

/// STATUS: the daemon answers.
pub(crate) fn status(conf: &Conf) -> Result<(), Fault> {
    let away = |fault| Fault { code: Code::NotAvailable, ..fault };
    connect(&socket(&wishes::ipam(conf)?)?).map(|_| ()).map_err(away)
}

fn key(conf: &Conf, call: &Call) -> Key {
    Key {
        container: call.container.clone(),
        network: conf.name.clone(),
        ifname: call.ifname.clone(),
    }
}

fn socket(ipam: &Object) -> Result<PathBuf, Fault> {
    let text = ipam.text("daemonSocketPath")?;
    Ok(PathBuf::from(if text.is_empty() { SOCKET } else { text.as_str() }))
}

fn small(object: &Object, name: &str) -> Result<Option<u32>, Fault> {
    let odd = |_| Fault::new(Code::Config, format!("dhcp: {name} is out of range"));
    object.number(name)?.map(u32::try_from).transpose().map_err(odd)
}

fn connect(socket: &Path) -> Result<UnixStream, Fault> {
    let doing = |why: std::io::Error| {
        let what = format!("no dhcp daemon answers on {}", socket.display());
        let remedy = "start one: dhcp daemon (the binary by this name, or a link to ropewalk)";
        Fault::new(Code::TryLater, what).details(format!("{why}; {remedy}"))
    };
    let stream = UnixStream::connect(socket).map_err(doing)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(doing)?;
    Ok(stream)
}

/// Asks the daemon.
fn say(socket: &Path, ask: &Ask) -> Result<Answer, Fault> {
    let mut stream = connect(socket)?;
    let broken = |why: std::io::Error| {
        let what = format!("the dhcp daemon on {} does not answer", socket.display());
        Fault::new(Code::TryLater, what).details(why.to_string())
    };
    word::write(&mut stream, ask).map_err(broken)?;
    word::read(&stream).map_err(broken)
}

fn done(answer: Answer) -> Result<(), Fault> {
    match answer {
        Answer::Lent(_) | Answer::Done => Ok(()),
        Answer::Refused { code, msg, details } => {
            Err(Fault::new(Code::of(code), msg).details(details))
        }
    }
}

fn outcome(lease: &DhcpLease, priority: Option<u32>) -> Outcome {
    let gateway = lease.router.map(Into::into);
    let route = |to: Ipv4Net, gw: Option<std::net::Ipv4Addr>| Route {
        priority,
        ..Route::new(IpNet::V4(to), gw.map(Into::into))
    };
    let mut routes: Vec<Route> =
        lease.router.iter().map(|gw| route(Ipv4Net::default(), Some(*gw))).collect();
    routes.extend(lease.routes.iter().map(|(to, gw)| route(*to, *gw)));
    let ips = vec![Ip { interface: None, address: lease.net.into(), gateway }];
    Outcome { ips, routes, ..Outcome::default() }
}
