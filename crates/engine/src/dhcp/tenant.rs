//! A DHCP client for an interface that somebody else keeps: it speaks where the interface is.
//!
//!     Tenant { netns: /run/netns/red, ifname: eth0 } ─▶ borrow ─▶ renew … ─▶ give back
//!
//! No record is kept and no lock is held here, that is up to who asks.  Never here: when to renew.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ropewalk_facts::{IfName, Ns};
use ropewalk_kernel::{Kernel, Lan, netns};
use ropewalk_store::{DhcpLease, Due};
use ropewalk_wire::lan::Protocol;
use ropewalk_wire::lan::dhcp::{Answer, Client, Say};
use serde::{Deserialize, Serialize};

use super::ask::{Dialogue, Outcome, Question, ask_all, exchange, tell};
use super::{lease, refused};
use crate::fault::Fault;

/// An interface that borrows its address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// The file of its namespace.
    pub netns: PathBuf,
    /// Its name there.
    pub ifname: IfName,
    /// What servers know it by (option 61).
    pub identity: Vec<u8>,
    /// Options that it sends, by their numbers.
    pub provide: Vec<(u8, Vec<u8>)>,
    /// Numbers of the options that it asks for.
    pub ask: Vec<u8>,
}

/// How a renewal went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It is lent for longer.
    Kept(DhcpLease),
    /// The server wants it back.
    Refused,
    /// Nobody answers.
    Silent,
}

impl Tenant {
    /// Borrows an address, within `wait`; one that was had before is asked for.
    ///
    /// # Errors
    /// [`crate::Code::DhcpRefused`]; there is no such interface.
    pub fn borrow(&self, before: Option<&DhcpLease>, wait: Duration) -> Result<DhcpLease, Fault> {
        let lan = self.lan()?;
        let wish = before.map(|lease| lease.net.addr());
        let ask = |wish| Dialogue::new(&lan, self.client(&lan), wait).borrow(wish);
        let mut outcome = ask(wish)?;
        if matches!(outcome, Outcome::Other(..)) {
            outcome = ask(None)?;
        }
        match outcome {
            Outcome::Lent(reply) => Ok(lease(reply)),
            Outcome::NoOffer | Outcome::Other(..) | Outcome::Silent(_) | Outcome::Refused(_) => {
                Err(refused(&outcome, &lan, u32::try_from(wait.as_secs()).unwrap_or(u32::MAX)))
            }
        }
    }

    /// Asks for `held` to be lent for longer: its own server, or any when it is `due` for that.
    ///
    /// # Errors
    /// The interface is gone, or down.
    pub fn renew(&self, held: &DhcpLease, due: Due, wait: Duration) -> Result<Renewal, Fault> {
        let lan = self.lan()?;
        let to = (due != Due::Rebind).then_some((held.server, held.server_mac));
        let say = Say::Renew { ip: held.net.addr(), to };
        let mut question = [Question::new(&lan, self.client(&lan), say)];
        ask_all(&mut question, Instant::now() + wait);
        let [Question { answer, .. }] = question;
        Ok(match answer.transpose()? {
            None => Renewal::Silent,
            Some(reply) if reply.answer == Answer::Nak => Renewal::Refused,
            Some(reply) => {
                let new = lease(reply);
                let (router, routes) = (held.router, held.routes.clone());
                Renewal::Kept(DhcpLease { net: held.net, router, routes, mtu: held.mtu, ..new })
            }
        })
    }

    /// Gives `held` back, as far as its server hears.
    ///
    /// # Errors
    /// The interface is gone, or down.
    pub fn give_back(&self, held: &DhcpLease) -> Result<(), Fault> {
        let lan = self.lan()?;
        let (ip, server, to) = (held.net.addr(), held.server, held.server_mac);
        tell(&lan, &self.client(&lan), Say::Release { ip, server, to });
        Ok(())
    }

    fn lan(&self) -> Result<Lan, Fault> {
        let mut kernel = Kernel::new()?;
        let ns = Ns::new(self.netns.display().to_string());
        kernel.add(ns.clone(), netns::open_path(&self.netns)?)?;
        Ok(kernel.lan(&ns, &self.ifname, &[Protocol::Ipv4])?)
    }

    fn client(&self, lan: &Lan) -> Client {
        let mac = lan.mac();
        Client {
            identity: Some(self.identity.clone()),
            provide: self.provide.clone(),
            ask: Some(self.ask.clone()),
            ..Client::new(mac, mac, exchange(mac))
        }
    }
}
