//! Addresses that are borrowed from a DHCP server of the LAN, one for each attachment.
//!
//!     attach   discover ─▶ offer ─▶ request ─▶ ack ─▶ as if it had been asked for with --ip
//!     agent    renew ─▶ ack, else what it lent goes, and another is had        detach   release
//!
//! The host speaks for the sandbox, whose own interface is not there yet; the server knows it by a
//! hardware address that follows from its name and the host's, so that it gets the same address
//! again; on another host too, where `--mac` is given.  Never here: what a message looks like
//! (`wire`), when to renew (`store`, `agent`).

mod ask;
mod renew;
pub(crate) mod revise;
mod tenant;

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use ropewalk_facts::{IfName, Mac, Ns};
use ropewalk_kernel::{Lan, failpoint};
use ropewalk_spec::names::{self, Seed};
use ropewalk_spec::{Direct, Endpoint, Mode, Network, SandboxRef};
use ropewalk_store::{AttachmentRecord, Dhcp, DhcpLease, Due, NetworkHead, State};
use ropewalk_topology::bridge_name;
use ropewalk_wire::lan::Protocol;
use ropewalk_wire::lan::dhcp::{Reply, Say};

use self::ask::{Dialogue, Outcome};
use crate::code::Code;
use crate::fault::Fault;
use crate::view::Finding;
use crate::{Engine, parent};

pub use tenant::{Renewal, Tenant};

/// What can be done where no server lends.
const WITHOUT: &str =
    "a network without --dhcp, with a --subnet and a --range that no server lends from";

/// An address that has been borrowed for an attachment to be.
pub(crate) struct Borrowed {
    pub(crate) dhcp: Dhcp,
    lease: DhcpLease,
    lan: Lan,
}

impl Borrowed {
    /// The network and the endpoint, with what the server said.
    pub(crate) fn lent(
        &self,
        network: &NetworkHead,
        endpoint: &Endpoint,
    ) -> (NetworkHead, Endpoint) {
        let mut endpoint = endpoint.clone();
        endpoint.ips.retain(IpAddr::is_ipv6);
        endpoint.ips.insert(0, self.lease.net.addr().into());
        if !network.network.mode.direct().is_some_and(Direct::parents_mac) {
            endpoint.mac = Some(self.dhcp.client);
        }
        let told = self.lease.mtu.map(u32::from);
        endpoint.mtu = endpoint.mtu.or(told.filter(|mtu| *mtu < network.mtu));
        let network =
            NetworkHead { network: of_lease(&network.network, &self.lease), ..network.clone() };
        (network, endpoint)
    }

    /// Gives the address back; one that is `taken` by somebody else is declined, so that the server
    /// does not lend it to the next.
    pub(crate) fn give_back(&self, taken: bool) {
        hand_in(&self.lan, &self.dhcp, &self.lease, taken);
    }
}

impl Engine {
    /// Borrows an address, where `network` has such. The caller has made sure that the sandbox is
    /// there, and holds no lock: a server may take its time.
    ///
    /// # Errors
    /// [`Code::DhcpRefused`], with the interface.
    pub(crate) fn borrow_address(
        &mut self,
        network: &NetworkHead,
        endpoint: &Endpoint,
    ) -> Result<Option<Borrowed>, Fault> {
        let Some(mouth) = mouth(network).filter(|_| network.network.dhcp) else {
            return Ok(None);
        };
        let lan = self.kernel.lan(&Ns::HOST, &mouth, &[Protocol::Ipv4])?;
        let client = endpoint.mac.unwrap_or_else(|| known_as(&lan, network, endpoint));
        let wish = endpoint.ips.iter().find_map(|ip| match ip {
            IpAddr::V4(ip) => Some(*ip),
            IpAddr::V6(_) => None,
        });
        failpoint::hit("address from a DHCP server");
        let dhcp = Dhcp { client, name: host_name(&endpoint.sandbox), lease: None, tried_ms: 0 };
        let seconds = network.network.dhcp_timeout.unwrap_or(Network::DHCP_TIMEOUT);
        let wait = Duration::from_secs(seconds.into());
        let outcome = Dialogue::new(&lan, ask::client(&lan, &dhcp), wait).borrow(wish)?;
        let Outcome::Lent(reply) = outcome else {
            return Err(refused(&outcome, &lan, seconds).or_try(WITHOUT));
        };
        let lease = lease(reply);
        let dhcp = Dhcp { lease: Some(lease.clone()), ..dhcp };
        let borrowed = Borrowed { dhcp, lease, lan };
        match self.astray(network, &borrowed.lease)? {
            None => Ok(Some(borrowed)),
            Some(fault) => {
                borrowed.give_back(false);
                Err(fault)
            }
        }
    }

    /// Why the host cannot stand in for an address that was lent, if it cannot.
    fn astray(&mut self, network: &NetworkHead, lease: &DhcpLease) -> Result<Option<Fault>, Fault> {
        let Some(parent) = network.parent.as_ref().filter(|_| is_flat(network)) else {
            return Ok(None);
        };
        let found = self.read_host()?;
        let one = IpNet::from(IpAddr::from(lease.net.addr()));
        Ok(parent::astray(&found, one, parent))
    }

    /// Gives the address of an attachment that goes back to its server, as far as it hears.
    pub(crate) fn give_back(&self, record: &AttachmentRecord) {
        let Some((dhcp, lease)) = record.dhcp.as_ref().and_then(|d| Some((d, d.lease.as_ref()?)))
        else {
            return;
        };
        let network = self.store.network_head(&record.network);
        let Some(mouth) = network.ok().flatten().and_then(|network| mouth(&network)) else {
            return;
        };
        if let Ok(lan) = self.kernel.lan(&Ns::HOST, &mouth, &[Protocol::Ipv4]) {
            failpoint::hit("address to a DHCP server");
            hand_in(&lan, dhcp, lease, false);
        }
    }
}

/// Attachments that have no address, or one that may be another's by now.
pub(crate) fn lapsed(records: &[AttachmentRecord]) -> impl Iterator<Item = Finding> + '_ {
    let ready = records.iter().filter(|record| record.state == State::Ready);
    ready.filter_map(|record| {
        let dhcp = record.dhcp.as_ref()?;
        let over = dhcp.lease.is_none() || dhcp.due(crate::now()) == Due::Over;
        over.then(|| match &dhcp.lease {
            Some(lease) => told(record, lease, "it has run out; `ropewalk agent` renews leases"),
            None => Finding {
                object: "its IPv4 address".to_owned(),
                wanted: "lent by a DHCP server".to_owned(),
                ..without(record, "none lends one; `ropewalk agent` asks again")
            },
        })
    })
}

/// What is said of a lease.
fn told(record: &AttachmentRecord, lease: &DhcpLease, found: &str) -> Finding {
    Finding {
        object: format!("lease of {}", lease.net.addr()),
        wanted: format!("renewed by {}", lease.server),
        ..without(record, found)
    }
}

fn without(record: &AttachmentRecord, found: &str) -> Finding {
    Finding {
        owner: format!("{}/{}", record.sandbox, record.ifname),
        object: String::new(),
        wanted: String::new(),
        found: found.to_owned(),
        repaired: false,
        change: None,
    }
}

/// By which link the host speaks on the LAN: a NIC that is a port hears nothing itself.
fn mouth(network: &NetworkHead) -> Option<IfName> {
    let bridge = || bridge_name(&network.network, None);
    let over = matches!(network.network.mode, Mode::Uplink { .. });
    network.parent.as_ref().map(|parent| if over { bridge() } else { parent.clone() })
}

fn is_flat(network: &NetworkHead) -> bool {
    matches!(network.network.mode, Mode::Flat { .. })
}

fn of_lease(network: &Network, lease: &DhcpLease) -> Network {
    network.lent(lease.net, lease.router, &lease.routes)
}

/// Says that an address is free again, or that somebody else has it. A lease that is not given back
/// runs out.
fn hand_in(lan: &Lan, dhcp: &Dhcp, lease: &DhcpLease, taken: bool) {
    let (ip, server, to) = (lease.net.addr(), lease.server, lease.server_mac);
    let say = if taken { Say::Decline { ip, server } } else { Say::Release { ip, server, to } };
    ask::tell(lan, &ask::client(lan, dhcp), say);
}

/// The hardware address that a server knows an attachment by, unless it is given.
fn known_as(lan: &Lan, network: &NetworkHead, endpoint: &Endpoint) -> Mac {
    let ifname = endpoint.ifname.as_ref().map(ToString::to_string).unwrap_or_default();
    let seed = format!("{}/{}/{ifname}", lan.mac(), endpoint.sandbox.ns());
    names::mac(&network.network.name, Seed::Text(&seed))
}

/// What people call the sandbox, as a host's name: `docker:web_1` is web-1.
fn host_name(sandbox: &SandboxRef) -> Option<String> {
    let text = sandbox.to_string();
    let last = text.rsplit([':', '/']).next()?;
    let fit = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = last.chars().map(fit).take(63).collect();
    let name = name.trim_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

fn lease(reply: Reply) -> DhcpLease {
    let seconds = reply.seconds.unwrap_or(u32::MAX);
    // Unless the server says otherwise, and sense (RFC 2131 §4.4.5).
    let renew_after = reply.renew_after.filter(|n| *n < seconds).unwrap_or(seconds / 2);
    let rebind_after = reply.rebind_after.filter(|n| *n < seconds && *n >= renew_after);
    DhcpLease {
        net: reply.net,
        server: reply.server,
        server_mac: reply.from,
        router: reply.router,
        routes: reply.routes,
        dns: reply.dns,
        mtu: reply.mtu,
        since_ms: crate::now(),
        seconds,
        renew_after,
        rebind_after: rebind_after.unwrap_or((seconds - seconds / 8).max(renew_after)),
    }
}

/// The fault that no address was lent on a LAN.
fn refused(outcome: &Outcome, lan: &Lan, seconds: u32) -> Fault {
    let dev = lan.dev();
    let (what, cause) = match outcome {
        Outcome::Lent(_) | Outcome::NoOffer => (
            format!("no DHCP server offers an address on {dev} within {seconds} s"),
            "none is on that LAN, or it has no address left: then it says nothing either"
                .to_owned(),
        ),
        Outcome::Other(wish, reply) => (
            format!("the DHCP server {} on {dev} does not lend {wish}", reply.server),
            format!("it offers {} instead", reply.net.addr()),
        ),
        Outcome::Silent(server) => (
            format!("the DHCP server {server} on {dev} offers an address and then says nothing"),
            format!("it was asked for {seconds} s in all"),
        ),
        Outcome::Refused(server) => (
            format!("the DHCP server {server} on {dev} offers addresses and then refuses them"),
            "it may be one of two that do not agree".to_owned(),
        ),
    };
    Fault::new(Code::DhcpRefused, what).cause(cause)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn a_sandbox_is_called_as_people_call_it() {
        let name = |text: &str| host_name(&text.parse().unwrap());
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(name("netns:red"), some("red"));
        assert_eq!(name("docker:Web_1"), some("web-1"));
        assert_eq!(name("pid:12"), some("12"));
        assert_eq!(name("/run/netns/blue"), some("blue"));
    }

    #[test]
    fn times_without_sense_are_the_usual_ones() {
        let reply = |seconds, renew_after, rebind_after| {
            let net = "10.0.0.9/24".parse().unwrap();
            let (server, from) = ("10.0.0.2".parse().unwrap(), Mac([2; 6]));
            let answer = ropewalk_wire::lan::dhcp::Answer::Ack;
            let (router, routes, dns, mtu) = (None, Vec::new(), Vec::new(), None);
            let lease = lease(Reply {
                answer,
                net,
                server,
                from,
                router,
                routes,
                dns,
                mtu,
                seconds,
                renew_after,
                rebind_after,
            });
            (lease.seconds, lease.renew_after, lease.rebind_after)
        };
        assert_eq!(reply(Some(800), Some(100), Some(200)), (800, 100, 200));
        assert_eq!(reply(Some(800), None, None), (800, 400, 700));
        assert_eq!(reply(Some(800), Some(900), Some(50)), (800, 400, 700));
        assert_eq!(reply(Some(0), None, None), (0, 0, 0));
        assert_eq!(reply(None, None, None).0, u32::MAX);
    }
}
