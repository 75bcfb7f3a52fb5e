//! The store in etcd, 3.4 and later: lists in pages at one revision, transactions, watches.
//!
//!     member 1 ✗   member 2 ✓ ─ HTTP/2, a ping every 5 s of silence ─ list, txn, watch
//!
//! One connection at a time: what fails is given up, and the next call tries the members in turn,
//! from the one after it, a quarter of a second apart.  Every call says that a member without a leader is of no use.
//! Never here: what keys and values mean, retries (who asks decides).

mod access;
mod connect;
mod expiry;
mod lease;
mod message;
mod turns;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

pub use access::{Access, Address, AddressError};
pub use watch::EtcdWatch;

use super::{Compare, Fault, Item, Outcome, Store, Txn, Write};
use connect::Link;
use message as m;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many items are asked for at a time. At 500, etcd 3.4 counts the rest at every page.
const PAGE: i64 = 5000;
/// How long a key that is kept alive stays without a word, in seconds.
const LIVE: i64 = 30;
/// The longest answer that is read: a page of items of 12 KiB.
const LONGEST: usize = 64 << 20;

/// A store in etcd.
#[derive(Debug)]
pub struct Etcd {
    access: Access,
    link: Option<Link>,
    /// Where to look next.
    next: usize,
    /// The highest revision that it was seen at.
    seen: u64,
    /// Whether the member that is connected has answered anything.
    answered: bool,
    /// The lease of the key that is kept alive, and its value.
    lease: Option<(i64, Vec<u8>)>,
}

impl Etcd {
    /// The store that is reached so. Nothing is sent yet.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self { access, link: None, next: 0, seen: 0, answered: false, lease: None }
    }

    /// The member that is connected.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        self.link.as_ref().map(|link| link.member.as_str())
    }

    async fn link(&mut self) -> Result<Link, Fault> {
        if let Some(link) = &self.link {
            return Ok(link.clone());
        }
        let count = self.access.address.members.len();
        let next = self.next;
        let turns = (0..count).map(|turn| (next + turn) % count);
        let access = Arc::new(self.access.clone());
        let (at, link) = turns::first(turns, |at| {
            let access = Arc::clone(&access);
            async move { connect::connect(&access, at).await }
        })
        .await
        .map_err(|fault| connect::explained(&self.access, fault))?;
        (self.next, self.answered) = (at + 1, false);
        self.link = Some(link.clone());
        Ok(link)
    }

    /// Asks the member that is connected, and gives the connection up when that fails.
    async fn ask<Q, A>(&mut self, path: &'static str, question: Q) -> Result<A, Fault>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let link = self.link().await?;
        let answer = ask(&link, path, question).await;
        match &answer {
            Ok(_) => self.answered = true,
            Err(_) => self.link = None,
        }
        match self.answered {
            true => answer,
            false => answer.map_err(|fault| connect::explained(&self.access, fault)),
        }
    }

    /// Takes note of a revision; one that is lower than what was seen is a fault.
    fn at(&mut self, header: Option<&m::Header>) -> Result<u64, Fault> {
        let revision = number(header.ok_or(Fault::Odd { what: "without a revision" })?.revision);
        if revision < self.seen {
            let seen = std::mem::replace(&mut self.seen, revision);
            self.link = None;
            return Err(Fault::Behind { revision, seen });
        }
        self.seen = revision;
        Ok(revision)
    }
}

impl Store for Etcd {
    type Watch = EtcdWatch;

    async fn pages(&mut self, prefix: &str, mut each: impl FnMut(Vec<Item>)) -> Result<u64, Fault> {
        let mut request = m::RangeRequest {
            key: prefix.as_bytes().to_vec(),
            range_end: end(prefix),
            limit: PAGE,
            revision: 0,
        };
        loop {
            let page: m::RangeResponse =
                self.ask("/etcdserverpb.KV/Range", request.clone()).await?;
            let revision = self.at(page.header.as_ref())?;
            if request.revision == 0 {
                request.revision = i64::try_from(revision).unwrap_or(i64::MAX);
            }
            let last = page.kvs.last().map(|kv| kv.key.clone());
            each(page.kvs.into_iter().map(item).collect());
            match last.filter(|_| page.more) {
                // The next key that can be.
                Some(last) => request.key = [last.as_slice(), &[0]].concat(),
                None => return Ok(number(request.revision)),
            }
        }
    }

    async fn watch(&mut self, prefix: &str, from: u64) -> Result<EtcdWatch, Fault> {
        let link = self.link().await?;
        let opened = watch::open(&link, prefix, from, self.seen).await;
        if opened.is_err() {
            self.link = None;
        }
        opened
    }

    async fn txn(&mut self, txn: &Txn) -> Result<Outcome, Fault> {
        let compare = txn.compares.iter().map(compare).collect();
        let success = txn.writes.iter().map(write).collect();
        let request = m::TxnRequest { compare, success };
        let answer: m::TxnResponse = self.ask("/etcdserverpb.KV/Txn", request).await?;
        let revision = self.at(answer.header.as_ref())?;
        Ok(if answer.succeeded { Outcome::Done(revision) } else { Outcome::Refused(revision) })
    }

    async fn alive(&mut self, key: &str, value: &[u8]) -> Result<(), Fault> {
        if let Some((lease, _)) = self.lease.take().filter(|(_, said)| said == value) {
            let link = self.link().await?;
            match lease::keep(&link, lease).await {
                Ok(true) => {
                    self.lease = Some((lease, value.to_vec()));
                    return Ok(());
                }
                Ok(false) => {}
                Err(fault) => {
                    self.link = None;
                    return Err(fault);
                }
            }
        }
        let request = m::LeaseGrantRequest { ttl: LIVE };
        let granted: m::LeaseGrantResponse =
            self.ask("/etcdserverpb.Lease/LeaseGrant", request).await?;
        let said = value.to_vec();
        let (key, value) = (key.as_bytes().to_vec(), value.to_vec());
        let put = m::Request::Put(m::PutRequest { key, value, lease: granted.id });
        let success = vec![m::RequestOp { request: Some(put) }];
        let request = m::TxnRequest { compare: Vec::new(), success };
        let answer: m::TxnResponse = self.ask("/etcdserverpb.KV/Txn", request).await?;
        self.at(answer.header.as_ref())?;
        self.lease = Some((granted.id, said));
        Ok(())
    }
}

/// Sends a question to a member, and waits for the answer.
async fn ask<Q, A>(link: &Link, path: &'static str, question: Q) -> Result<A, Fault>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let work = async {
        let mut grpc = grpc(link).await?;
        let path = http::uri::PathAndQuery::from_static(path);
        let codec = ProstCodec::<Q, A>::default();
        grpc.unary(addressed(link, question), path, codec).await.map_err(|s| fault(link, &s))
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(away(link, format!("no answer for {} s", PATIENCE.as_secs()))),
    }
}

async fn grpc(link: &Link) -> Result<Grpc<Channel>, Fault> {
    let mut grpc = Grpc::new(link.channel.clone()).max_decoding_message_size(LONGEST);
    grpc.ready().await.map_err(|error| away(link, connect::whole(&error)))?;
    Ok(grpc)
}

/// Says who asks, and that a member without a leader shall say so.
fn addressed<T>(link: &Link, question: T) -> Request<T> {
    let mut request = Request::new(question);
    let metadata = request.metadata_mut();
    metadata.insert("hasleader", MetadataValue::<Ascii>::from_static("true"));
    if let Some(token) = &link.token {
        metadata.insert("token", token.clone());
    }
    request
}

fn away(link: &Link, why: String) -> Fault {
    Fault::Away { member: link.member.clone(), why }
}

fn fault(link: &Link, status: &Status) -> Fault {
    let why = match std::error::Error::source(status) {
        Some(source) => format!("{}: {}", status.message(), connect::whole(source)),
        None => status.message().to_owned(),
    };
    let member = link.member.clone();
    if connect::of_certificates(&why) {
        return Fault::Refused { member, why };
    }
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated | Code::FailedPrecondition => {
            Fault::Refused { member, why }
        }
        Code::InvalidArgument => Fault::Refused { member, why },
        Code::ResourceExhausted => Fault::Full { why },
        Code::OutOfRange => Fault::Compacted { oldest: 0 },
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::Aborted
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Fault::Away { member, why },
    }
}

fn compare(compare: &Compare) -> m::Compare {
    let (key, target, union) = match compare {
        Compare::Absent(key) => (key, 0, m::Target::Version(0)),
        Compare::Modified(key, at) => {
            (key, 2, m::Target::ModRevision(i64::try_from(*at).unwrap_or(i64::MAX)))
        }
    };
    m::Compare { result: 0, target, key: key.as_bytes().to_vec(), union: Some(union) }
}

fn write(write: &Write) -> m::RequestOp {
    let request = match write {
        Write::Put(key, value) => {
            let (key, value) = (key.as_bytes().to_vec(), value.clone());
            m::Request::Put(m::PutRequest { key, value, lease: 0 })
        }
        Write::Delete(key) => m::Request::Delete(m::DeleteRequest { key: key.as_bytes().to_vec() }),
    };
    m::RequestOp { request: Some(request) }
}

fn item(kv: m::KeyValue) -> Item {
    Item {
        key: String::from_utf8_lossy(&kv.key).into_owned(),
        value: kv.value,
        created: number(kv.create_revision),
        modified: number(kv.mod_revision),
    }
}

/// The first key after all that begin with `prefix`, which is ASCII and not empty.
fn end(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

fn number(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}
