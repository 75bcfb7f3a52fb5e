//! Reading a whole namespace.
//!
//!     ip -d link · ip addr · ip route show table all · ip rule · ip neigh · bridge fdb · tc qdisc · tc filter
//!     · sysctl of the host's switches · nft list ruleset
//!
//! The links come first, since all the rest speaks of them by index. Where a link appears in the
//! midst of it, all is read again.  Never here: names of namespaces ([`crate::netns::facts`]).

use std::collections::{BTreeMap, BTreeSet};

use ropewalk_facts::seen::InVlan;
use ropewalk_facts::{Body, IfName, MemberVlan, Ns, Snapshot, SysctlPath};
use ropewalk_wire::Error as WireError;
use ropewalk_wire::nl::{Message, Request};
use ropewalk_wire::rt::{self, Links};

use super::RETRIES;
use crate::error::Error;
use crate::reply::Reply;
use crate::space::Kernel;
use crate::sysctl;

/// Settings that are not of one interface, below net/.
const SETTINGS: [&str; 25] = [
    "ipv4/ip_forward",
    "ipv4/conf/all/forwarding",
    "ipv4/conf/all/rp_filter",
    "ipv4/conf/all/proxy_arp",
    "ipv4/conf/all/route_localnet",
    "ipv4/conf/all/arp_ignore",
    "ipv4/conf/all/arp_announce",
    "ipv4/conf/default/forwarding",
    "ipv4/conf/default/rp_filter",
    "ipv4/conf/default/proxy_arp",
    "ipv4/conf/default/route_localnet",
    "ipv4/conf/default/arp_ignore",
    "ipv4/conf/default/arp_announce",
    "ipv6/conf/all/forwarding",
    "ipv6/conf/all/disable_ipv6",
    "ipv6/conf/all/accept_ra",
    "ipv6/conf/all/accept_dad",
    "ipv6/conf/all/keep_addr_on_down",
    "ipv6/conf/default/forwarding",
    "ipv6/conf/default/disable_ipv6",
    "ipv6/conf/default/accept_ra",
    "ipv6/conf/default/accept_dad",
    "bridge/bridge-nf-call-iptables",
    "bridge/bridge-nf-call-ip6tables",
    "bridge/bridge-nf-call-arptables",
];

/// What rtnetlink told of a namespace.
pub(crate) struct Look {
    /// Its messages.
    pub(super) replies: Vec<Reply>,
    /// The namespaces that pairs lead into, by their numbers there.
    pub(super) numbers: BTreeMap<i32, Ns>,
    /// The facts in the messages.
    pub(crate) facts: Vec<Body>,
}

/// What is asked for, and what of the answers is left out.
#[derive(Clone, Copy)]
struct Dumps<'a> {
    all: &'a [Request],
    out: &'a dyn Fn(&Body) -> bool,
}

impl<'a> Dumps<'a> {
    fn new(all: &'a [Request]) -> Self {
        Self { all, out: &|_| false }
    }

    fn keep(&self, message: &Message<'_>, links: &Links) -> bool {
        // What cannot be read is for who reads all.
        !rt::decode(message, links).is_ok_and(|all| all.iter().any(self.out))
    }
}

impl Kernel {
    /// Reads everything of one namespace. The other ends of veths are named where their
    /// namespaces are open.
    ///
    /// # Errors
    /// [`Error::UnknownNs`], or the kernel's refusal.
    pub fn read_all(&mut self, ns: &Ns) -> Result<Snapshot, Error> {
        self.read_all_but(ns, &|_| false)
    }

    /// As [`Kernel::read_all`], without those routes, neighbours and forwarding entries that are to be
    /// left out: where there are many, they are not kept for a moment.
    ///
    /// # Errors
    /// As for [`Kernel::read_all`].
    pub fn read_all_but(
        &mut self,
        ns: &Ns,
        out: &dyn Fn(&Body) -> bool,
    ) -> Result<Snapshot, Error> {
        let mut facts = self.read_rt(ns, Dumps { all: &rt::dumps()?, out }, None)?.facts;
        facts.extend(self.inside(ns, settings)??);
        facts.extend(self.read_nft(ns)?);
        facts.extend(self.read_xt(ns)?);
        Ok(facts.into_iter().map(|body| body.at(ns.clone())).collect())
    }

    /// Shows each route that bears a mark (`proto`), and each neighbour and forwarding entry of `devs`,
    /// and keeps none of them. What is disturbed is shown again.
    ///
    /// # Errors
    /// As for [`Kernel::read_all`].
    pub fn each_way(
        &mut self,
        ns: &Ns,
        proto: u8,
        devs: &[IfName],
        mut each: impl FnMut(Body),
    ) -> Result<(), Error> {
        self.learn_links(ns)?;
        let space = self.space_mut(ns)?;
        let indices: Vec<u32> = devs.iter().filter_map(|dev| space.links.index(dev)).collect();
        for request in rt::ways_dumps(proto, &indices)? {
            let links = &space.links;
            let show = |message: Message<'_>| -> Option<()> {
                // One on a link that has come just now is not of those that were asked for.
                rt::decode(&message, links).into_iter().flatten().for_each(&mut each);
                None
            };
            space.rt.dump(&request, show)?;
        }
        Ok(())
    }

    /// The messages about the links of a namespace, whose names are known from now on.
    pub(crate) fn learn_links(&mut self, ns: &Ns) -> Result<Vec<Reply>, Error> {
        let space = self.space_mut(ns)?;
        let replies = space.rt.dump(&rt::links_dump()?, |m| Some(Reply::of(&m)))?;
        space.links = Links::new(ns.clone());
        replies.iter().for_each(|reply| space.links.learn(&reply.message()));
        Ok(replies)
    }

    /// All that rtnetlink tells of a namespace, of whose links these are the messages.
    pub(crate) fn look(&mut self, ns: &Ns, links: Vec<Reply>) -> Result<Look, Error> {
        self.read_rt(ns, Dumps::new(&rt::dumps()?), Some(links))
    }

    /// The settings and the rules of a namespace, those of all tables of iptables among them; `false`
    /// where the latter could not be read.
    pub(crate) fn read_rest(&mut self, ns: &Ns) -> Result<(Vec<Body>, bool), Error> {
        let mut facts = self.inside(ns, settings)??;
        facts.extend(self.read_nft(ns)?);
        facts.extend(self.read_xt(ns)?);
        let others = self.read_xt_others(ns);
        let whole = others.is_ok();
        facts.extend(others.unwrap_or_default());
        Ok((facts, whole))
    }

    /// Reads the packet filters of one namespace.
    ///
    /// # Errors
    /// As for [`Kernel::read_all`].
    pub fn read_rules(&mut self, ns: &Ns) -> Result<Snapshot, Error> {
        let mut facts = self.read_nft(ns)?;
        facts.extend(self.read_xt(ns)?);
        Ok(facts.into_iter().map(|body| body.at(ns.clone())).collect())
    }

    /// Reads the rules of one namespace, those of all of iptables' own tables among them.
    ///
    /// # Errors
    /// As for [`Kernel::read_all`].
    pub fn read_all_rules(&mut self, ns: &Ns) -> Result<Snapshot, Error> {
        let mut all = self.read_rules(ns)?;
        all.merge(self.read_xt_others(ns)?.into_iter().map(|body| body.at(ns.clone())).collect());
        Ok(all)
    }

    /// Reads the links of one namespace and their addresses.
    ///
    /// # Errors
    /// As for [`Kernel::read_all`].
    pub fn read_links(&mut self, ns: &Ns) -> Result<Snapshot, Error> {
        let facts = self.read_rt(ns, Dumps::new(&[rt::addresses_dump()]), None)?.facts;
        Ok(facts.into_iter().map(|body| body.at(ns.clone())).collect())
    }

    /// Reads links, unless they just were, and what else `dumps` ask for.
    fn read_rt(
        &mut self,
        ns: &Ns,
        dumps: Dumps<'_>,
        mut links: Option<Vec<Reply>>,
    ) -> Result<Look, Error> {
        for _ in 0..RETRIES {
            match self.try_read_rt(ns, dumps, links.take()) {
                Err(Error::Wire(WireError::NoName(_))) => {}
                other => return other,
            }
        }
        self.try_read_rt(ns, dumps, None)
    }

    fn try_read_rt(
        &mut self,
        ns: &Ns,
        dumps: Dumps<'_>,
        links: Option<Vec<Reply>>,
    ) -> Result<Look, Error> {
        let known = links.is_some();
        let mut replies = links.map_or_else(|| self.learn_links(ns), Ok)?;
        let numbers = self.see_peers(ns, &replies, known)?;
        let space = self.space_mut(ns)?;
        for request in dumps.all {
            let keep = |m: Message<'_>| dumps.keep(&m, &space.links).then(|| Reply::of(&m));
            replies.extend(space.rt.dump(request, keep)?);
        }
        let filters: Result<Vec<_>, _> =
            replies.iter().filter_map(|r| rt::filters_at(&r.message()).transpose()).collect();
        for request in filters? {
            replies.extend(space.rt.dump(&request, |m| Some(Reply::of(&m)))?);
        }
        let mut facts = Vec::with_capacity(replies.len());
        for reply in &replies {
            facts.extend(rt::decode(&reply.message(), &space.links)?);
        }
        let filters = |body: &Body| body.as_link().is_some_and(|l| l.vlan_filtering.is_some());
        if facts.iter().any(filters) {
            self.learn_vlans(ns, &mut facts)?;
        }
        Ok(Look { replies, numbers, facts })
    }

    /// Adds their VLANs to the members of bridges among `facts`.
    pub(super) fn learn_vlans(&mut self, ns: &Ns, facts: &mut [Body]) -> Result<(), Error> {
        let space = self.space_mut(ns)?;
        let all = space.rt.dump(&rt::seen::vlans()?, |m| rt::seen::vlans_of(&m))?;
        for (index, seen) in all {
            let Some(name) = space.links.name(index) else { continue };
            let vlan = |v: &InVlan| MemberVlan { id: v.id, pvid: v.pvid, untagged: v.untagged };
            let vlans: BTreeSet<MemberVlan> = seen.iter().map(vlan).collect();
            for body in facts.iter_mut() {
                if let Body::Member(member) = body
                    && member.dev == *name
                {
                    member.vlans = Some(vlans.clone()).filter(|v| *v != MemberVlan::usual());
                }
            }
        }
        Ok(())
    }
}

/// The settings of the namespace that this thread is in.
fn settings() -> Result<Vec<Body>, Error> {
    let paths = SETTINGS.iter().filter_map(|path| SysctlPath::new(format!("net/{path}")).ok());
    paths.filter_map(|path| sysctl::read(&path).transpose()).map(|s| s.map(Body::Sysctl)).collect()
}
