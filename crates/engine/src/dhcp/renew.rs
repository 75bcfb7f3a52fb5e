//! Renewing: what the agent does for leases, and what becomes of one that is lost.
//!
//!     T1 ─▶ ask the server   T2 ─▶ ask any   refused or over ─▶ the address goes, another is had
//!
//! Asked without a lock, as answers take their time; written down if all is as it was.

use std::time::{Duration, Instant};

use ropewalk_facts::Ns;
use ropewalk_kernel::{Lan, failpoint};
use ropewalk_store::{AttachmentRecord, Dhcp, DhcpLease, Due, State};
use ropewalk_wire::lan::Protocol;
use ropewalk_wire::lan::dhcp::{Answer, Reply, Say};

use super::ask::{Question, ask_all, client};
use super::{is_flat, lease, mouth, told};
use crate::Engine;
use crate::code::Code;
use crate::fault::Fault;
use crate::tend::Tended;

/// How long an answer to a renewal is waited for: it is asked for again anyway.
const RENEWAL: Duration = Duration::from_secs(1);
/// How long an offer of another address is: a server may make sure first that nobody has it.
const ANEW: Duration = Duration::from_secs(4);
/// How many ask at a time, each by a socket of its own.
const AT_A_TIME: usize = 64;
/// The longest time until the next look: a lease may be made meanwhile.
const LOOK_MS: u64 = 15_000;
/// The shortest.
const SOON_MS: u64 = 500;

/// Whom a server answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The address: the host, where that answers for it, else the sandbox's own interface.
    Address,
    /// All on the LAN, the host among them, unless the sandbox's interface stands beside it.
    All,
}

impl Engine {
    /// Renews what is to be renewed: for the agent, which calls it again when it says.
    ///
    /// # Errors
    /// As for [`Engine::renew_at`].
    pub fn renew(&mut self) -> Result<Option<Tended>, Fault> {
        self.renew_at(crate::now())
    }

    /// Renews what is to be renewed at the moment `now_ms` (milliseconds since 1970). A lease that
    /// was lost is a finding, put right where another could be had.
    ///
    /// # Errors
    /// [`Code::StateUnusable`]; what goes wrong with one lease is among the faults.
    pub fn renew_at(&mut self, now_ms: u64) -> Result<Option<Tended>, Fault> {
        let mut tended = Tended::default();
        let (mut renew, mut lost) = (Vec::new(), Vec::new());
        for record in self.store.attachments()? {
            let due = record.dhcp.as_ref().filter(|_| record.state == State::Ready);
            match due.map(|dhcp| dhcp.due(now_ms)) {
                None | Some(Due::In(_)) => {}
                Some(Due::Renew | Due::Rebind) => renew.push(record),
                Some(Due::Over) => lost.push((record, "it has run out")),
            }
        }
        for some in renew.chunks(AT_A_TIME) {
            lost.extend(self.renew_some(some, now_ms, &mut tended));
        }
        for some in lost.chunks(AT_A_TIME) {
            self.lend_anew(some, now_ms, &mut tended);
        }
        tended.again = Some(Duration::from_millis(self.next_due(now_ms)?));
        Ok(Some(tended))
    }

    /// In how many milliseconds there is something to do.
    fn next_due(&self, now_ms: u64) -> Result<u64, Fault> {
        let all = self.store.attachments()?;
        let due = all.iter().filter_map(|record| match record.dhcp.as_ref()?.due(now_ms) {
            Due::In(ms) => Some(ms),
            Due::Renew | Due::Rebind | Due::Over => None,
        });
        Ok(due.min().map_or(LOOK_MS, |ms| ms.clamp(SOON_MS, LOOK_MS)))
    }

    /// Asks for each to be renewed. Returns those that are refused.
    fn renew_some(
        &mut self,
        records: &[AttachmentRecord],
        now_ms: u64,
        tended: &mut Tended,
    ) -> Vec<(AttachmentRecord, &'static str)> {
        let mut lost = Vec::new();
        let asked = self.ask_for(records, Told::Address, RENEWAL, tended, |dhcp| {
            let lease = dhcp.lease.as_ref()?;
            let to = match dhcp.due(now_ms) {
                Due::Rebind => None,
                Due::In(_) | Due::Renew | Due::Over => Some((lease.server, lease.server_mac)),
            };
            Some(Say::Renew { ip: lease.net.addr(), to })
        });
        for (record, reply) in asked {
            let Some(dhcp) = record.dhcp.clone() else { continue };
            match reply {
                Some(reply) if reply.answer == Answer::Nak => {
                    lost.push((record, "the server refuses to renew it"));
                }
                Some(reply) => {
                    let lease = DhcpLease { since_ms: now_ms, ..renewed(&dhcp, reply) };
                    let now = Dhcp { lease: Some(lease), tried_ms: 0, ..dhcp };
                    tended.keep(self.note(&record, now));
                }
                None => tended.keep(self.note(&record, Dhcp { tried_ms: now_ms, ..dhcp })),
            }
        }
        lost
    }

    /// Takes the addresses away that are lost, and asks for others.
    fn lend_anew(
        &mut self,
        lost: &[(AttachmentRecord, &'static str)],
        now_ms: u64,
        tended: &mut Tended,
    ) {
        let (mut bare, mut findings) = (Vec::new(), Vec::new());
        for (record, why) in lost {
            let finding = record.dhcp.as_ref().and_then(|dhcp| dhcp.lease.as_ref());
            findings.push(finding.map(|lease| told(record, lease, why)));
            match self.without_lease(record) {
                Ok(Some(record)) => bare.push(record),
                Ok(None) => {}
                Err(fault) => tended.faults.push(about(fault, record)),
            }
        }
        tended.findings.extend(findings.into_iter().flatten());
        let offers =
            self.ask_for(&bare, Told::All, ANEW, tended, |_| Some(Say::Discover { wish: None }));
        let mut offered = Vec::new();
        for (record, reply) in offers {
            match reply {
                Some(reply) => offered.push((record, reply)),
                None => self.in_vain(&record, now_ms, tended),
            }
        }
        for (record, offer) in offered {
            let say = Say::Request { ip: offer.net.addr(), server: offer.server };
            let one = std::slice::from_ref(&record);
            let reply = self
                .ask_for(one, Told::All, RENEWAL, tended, |_| Some(say))
                .into_iter()
                .find_map(|(_, r)| r);
            match reply.filter(|reply| reply.answer == Answer::Ack) {
                Some(reply) => match self.with_lease(&record, lease(reply), now_ms) {
                    Ok(finding) => tended.findings.extend(finding),
                    Err(fault) => {
                        tended.faults.push(about(fault, &record));
                        tended.keep(self.tried(&record, now_ms));
                    }
                },
                None => self.in_vain(&record, now_ms, tended),
            }
        }
    }

    /// Asks for many at a time. Returns each that could be asked for, with the answer.
    fn ask_for(
        &mut self,
        records: &[AttachmentRecord],
        told: Told,
        wait: Duration,
        tended: &mut Tended,
        say: impl Fn(&Dhcp) -> Option<Say>,
    ) -> Vec<(AttachmentRecord, Option<Reply>)> {
        let mut lans = Vec::new();
        for record in records {
            let Some((dhcp, say)) = record.dhcp.as_ref().and_then(|dhcp| Some((dhcp, say(dhcp)?)))
            else {
                continue;
            };
            match self.lan_that_hears(record, told) {
                Ok(lan) => lans.push((record, dhcp, say, lan)),
                Err(fault) => tended.faults.push(about(fault, record)),
            }
        }
        let mut questions: Vec<Question<'_>> = lans
            .iter()
            .map(|(_, dhcp, say, lan)| Question::new(lan, client(lan, dhcp), *say))
            .collect();
        ask_all(&mut questions, Instant::now() + wait);
        let answers = lans.iter().zip(questions.into_iter().map(|question| question.answer));
        let mut all = Vec::new();
        for ((record, ..), answer) in answers {
            let reply = match answer.transpose() {
                Ok(reply) => reply,
                Err(fault) => {
                    tended.faults.push(about(fault, record));
                    None
                }
            };
            all.push(((*record).clone(), reply));
        }
        all
    }

    /// The LAN where the answer is heard.
    pub(super) fn lan_that_hears(
        &mut self,
        record: &AttachmentRecord,
        told: Told,
    ) -> Result<Lan, Fault> {
        let network = self.store.network_head(&record.network)?;
        let network = network.ok_or_else(|| self.unknown(&record.network))?;
        let direct = network.network.mode.direct().is_some();
        let host = is_flat(&network) || (told == Told::All && !direct);
        match mouth(&network).filter(|_| host) {
            Some(mouth) => Ok(self.kernel.lan(&Ns::HOST, &mouth, &[Protocol::Ipv4])?),
            None => {
                self.alive(record);
                Ok(self.kernel.lan(&record.ns, &record.ifname, &[Protocol::Ipv4])?)
            }
        }
    }

    /// Nobody lends an address: a fault, and again later.
    fn in_vain(&mut self, record: &AttachmentRecord, now_ms: u64, tended: &mut Tended) {
        let fault = Fault::new(Code::DhcpRefused, "no DHCP server lends an address");
        tended.faults.push(about(fault.or_try("ropewalk check"), record));
        tended.keep(self.tried(record, now_ms));
    }

    fn tried(&mut self, record: &AttachmentRecord, now_ms: u64) -> Result<(), Fault> {
        match record.dhcp.clone() {
            Some(dhcp) => self.note(record, Dhcp { tried_ms: now_ms, ..dhcp }),
            None => Ok(()),
        }
    }

    /// Writes `dhcp` down for `record`, if nothing about its lease was changed meanwhile.
    fn note(&mut self, record: &AttachmentRecord, dhcp: Dhcp) -> Result<(), Fault> {
        let _shared = self.store.shared()?;
        let _mine = self.store.sandbox_lock(&record.ns)?;
        let Some(mut now) = self.unchanged(record)? else { return Ok(()) };
        now.dhcp = Some(dhcp);
        failpoint::hit("journal renewal");
        Ok(self.store.put_attachment(&now)?)
    }

    /// The record as it is now, if its lease is as it was. The caller holds the locks.
    pub(super) fn unchanged(
        &self,
        record: &AttachmentRecord,
    ) -> Result<Option<AttachmentRecord>, Fault> {
        let all = self.store.attachments_of(&record.ns)?;
        let now = all.into_iter().find(|other| other.ifname == record.ifname);
        Ok(now.filter(|now| {
            now.dhcp == record.dhcp && now.cookie == record.cookie && now.state == State::Ready
        }))
    }
}

/// What an acknowledgement does not say is as it was.
fn renewed(dhcp: &Dhcp, reply: Reply) -> DhcpLease {
    let new = lease(reply);
    match &dhcp.lease {
        Some(old) => DhcpLease {
            net: old.net,
            router: old.router,
            routes: old.routes.clone(),
            mtu: old.mtu,
            ..new
        },
        None => new,
    }
}

fn about(fault: Fault, record: &AttachmentRecord) -> Fault {
    fault.doing(format!("keep the lease of {}/{}", record.sandbox, record.ifname))
}
