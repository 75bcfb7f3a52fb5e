//! `host-local`: addresses out of ranges, one of each set, remembered in files.
//!
//! ADD twice for the same container and interface gives the same addresses: what the second one is
//! after is a retry.

use std::net::IpAddr;
use std::path::PathBuf;

use super::leases::{Holder, Leases};
use super::range::{self, RangeSet};
use super::{resolv, wishes};
use crate::call::Call;
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::from;
use crate::json::Object;
use crate::outcome::{Dns, Ip, Outcome};

/// Where the leases are, unless `dataDir` says otherwise.
const DATA_DIR: &str = "/var/lib/cni/networks";

/// Gives an address of each set.
pub(crate) fn add(conf: &Conf, call: &Call) -> Result<Outcome, Fault> {
    call.args.only(&["IP"])?;
    let ipam = wishes::ipam(conf)?;
    let sets = sets(conf, &ipam)?;
    wishes::one_each(conf, sets.iter().map(RangeSet::is_v4))?;
    let asked = asked(conf, call, &sets)?;
    let dns = dns(&ipam)?;
    let routes = from::routes(&ipam)?;
    let leases = Leases::open(&data_dir(&ipam)?, &conf.name)?;
    let who = holder(call);
    let before = leases.indexed(&who)?;
    let choice = Choice { conf, leases: &leases, who: &who, before: &before };
    let mut given = Vec::new();
    for (index, (set, wish)) in sets.iter().zip(asked).enumerate() {
        given.push((index, choice.of(index, set, wish)?));
    }
    let kept: Vec<IpAddr> = given.iter().map(|(_, ip)| *ip).collect();
    let over: Vec<IpAddr> = before.into_iter().filter(|ip| !kept.contains(ip)).collect();
    let taken = leases.take(&who, &given).and_then(|()| leases.drop_leases(&who, &over));
    if let Err(fault) = taken {
        // What stays is in the index, for DEL.
        leases.give_back(&who, &kept).ok();
        return Err(fault);
    }
    let ips = given.iter().filter_map(|(index, ip)| lease(sets.get(*index)?, *ip)).collect();
    Ok(Outcome { ips, routes, dns, ..Outcome::default() })
}

/// Gives back what the container has on the interface; that it has nothing is as well.
pub(crate) fn del(conf: &Conf, call: &Call) -> Result<(), Fault> {
    let ipam = wishes::ipam(conf)?;
    let Some(leases) = Leases::find(&data_dir(&ipam)?, &conf.name)? else { return Ok(()) };
    let who = holder(call);
    let mut ips = leases.indexed(&who)?;
    ips.extend(leases.held(&who)?);
    leases.give_back(&who, &ips)
}

/// The container has an address on the interface, and those of the result are its own.
pub(crate) fn check(conf: &Conf, call: &Call) -> Result<(), Fault> {
    let ipam = wishes::ipam(conf)?;
    let sets = sets(conf, &ipam)?;
    let who = holder(call);
    let nothing = || {
        let (container, ifname) = (&who.container, &who.ifname);
        let what = format!("host-local: container {container} has no address on {ifname}");
        Fault::new(Code::Internal, what)
    };
    let leases = Leases::find(&data_dir(&ipam)?, &conf.name)?.ok_or_else(nothing)?;
    let ips = leases.held(&who)?;
    if ips.is_empty() {
        return Err(nothing());
    }
    for ip in conf.previous.iter().flat_map(|result| &result.ips).map(|ip| ip.address.addr()) {
        if sets.iter().any(|set| set.range_of(ip).is_some()) && !ips.contains(&ip) {
            let what = format!("host-local: {ip} is not leased to container {}", who.container);
            return Err(Fault::new(Code::Internal, what));
        }
    }
    Ok(())
}

/// Gives back the addresses of everybody who is not on the list of those that are still wanted.
pub(crate) fn gc(conf: &Conf) -> Result<(), Fault> {
    let ipam = wishes::ipam(conf)?;
    let Some(leases) = Leases::find(&data_dir(&ipam)?, &conf.name)? else { return Ok(()) };
    for (ip, who) in leases.all()? {
        let wanted = |(container, ifname): &(String, String)| {
            *container == who.container && (who.ifname.is_empty() || *ifname == who.ifname)
        };
        if !conf.valid.iter().any(wanted) {
            leases.give_back(&who, &[ip])?;
        }
    }
    Ok(())
}

/// Each set has an address left.
pub(crate) fn status(conf: &Conf) -> Result<(), Fault> {
    let ipam = wishes::ipam(conf)?;
    let sets = sets(conf, &ipam)?;
    let Some(leases) = Leases::find(&data_dir(&ipam)?, &conf.name)? else { return Ok(()) };
    for (index, set) in sets.iter().enumerate() {
        if set.next(leases.last(index)?, |ip| leases.holder(ip).map(|who| who.is_some()))?.is_none()
        {
            return Err(Fault { code: Code::NotAvailable, ..full(conf, set) });
        }
    }
    Ok(())
}

fn sets(conf: &Conf, ipam: &Object) -> Result<Vec<RangeSet>, Fault> {
    let runtime = conf.fields.object("runtimeConfig")?;
    range::sets(ipam, runtime.map_or(Ok(Vec::new()), |object| object.list("ipRanges"))?)
}

fn data_dir(ipam: &Object) -> Result<PathBuf, Fault> {
    let text = ipam.text("dataDir")?;
    Ok(PathBuf::from(if text.is_empty() { DATA_DIR } else { text.as_str() }))
}

fn dns(ipam: &Object) -> Result<Dns, Fault> {
    let path = ipam.text("resolvConf")?;
    if path.is_empty() {
        return Ok(Dns::default());
    }
    let read = std::fs::read_to_string(&path).map_err(|why| {
        Fault::new(Code::Io, format!("resolvConf: cannot read {path}")).details(why.to_string())
    })?;
    Ok(resolv::read(&read))
}

fn holder(call: &Call) -> Holder {
    Holder { container: call.container.clone(), ifname: call.ifname.clone() }
}

/// For each set the address of it that is asked for; each must be of one.
fn asked(conf: &Conf, call: &Call, sets: &[RangeSet]) -> Result<Vec<Option<IpAddr>>, Fault> {
    let mut rest = wishes::addresses(conf, &call.args)?;
    let mut all = Vec::new();
    for set in sets {
        let at = rest.iter().position(|ip| set.range_of(*ip).is_some());
        all.push(at.map(|at| rest.remove(at)));
    }
    if rest.is_empty() {
        return Ok(all);
    }
    let (ips, ranges) = (list(&rest), list(sets));
    let what = format!("host-local: {ips} was asked for and is in no range of {}", conf.name);
    Err(Fault::new(Code::Config, what).details(format!("its ranges are {ranges}")))
}

/// What choosing looks at.
struct Choice<'a> {
    conf: &'a Conf,
    leases: &'a Leases,
    who: &'a Holder,
    /// What the index has of the container.
    before: &'a [IpAddr],
}

impl Choice<'_> {
    /// The address that was asked for, else the one it has, else the next free one.
    fn of(&self, index: usize, set: &RangeSet, wish: Option<IpAddr>) -> Result<IpAddr, Fault> {
        let Some(wish) = wish else {
            for ip in self.before.iter().filter(|ip| set.range_of(**ip).is_some()) {
                if self.leases.holder(*ip)?.as_ref() == Some(self.who) {
                    return Ok(*ip);
                }
            }
            let taken = |ip| self.leases.holder(ip).map(|holder| holder.is_some());
            let next = set.next(self.leases.last(index)?, taken)?;
            return next.ok_or_else(|| full(self.conf, set));
        };
        if set.range_of(wish).is_some_and(|range| range.gateway == wish) {
            return Err(Fault::new(Code::Config, format!("host-local: {wish} is the gateway")));
        }
        match self.leases.holder(wish)?.filter(|holder| holder != self.who) {
            None => Ok(wish),
            Some(holder) => {
                let what = format!("host-local: {wish} is not available");
                let by = format!("container {} has it on {}", holder.container, holder.ifname);
                Err(Fault::new(Code::TryLater, what).details(by))
            }
        }
    }
}

fn full(conf: &Conf, set: &RangeSet) -> Fault {
    Fault::new(Code::TryLater, format!("host-local: no address of {} is free in {set}", conf.name))
        .details("detach what is not needed, widen the range, or let GC clear leases of the dead")
}

fn lease(set: &RangeSet, ip: IpAddr) -> Option<Ip> {
    let range = set.range_of(ip)?;
    Some(Ip { interface: None, address: range.on_link(ip)?, gateway: Some(range.gateway) })
}

fn list<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
