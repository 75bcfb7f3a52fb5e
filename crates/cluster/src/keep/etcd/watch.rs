//! A watch of etcd's: what changes under a prefix, by whole revisions, and every way to go blind.
//!
//!     the wire is cut                     the connection's pings fail
//!     the member is cut from the others   it says that it has no leader
//!     what was asked for is forgotten     created, then cancelled with a revision and no word
//!     the store was put back              it is at a lower revision than it was
//!
//! Never here: what to do then (list again).

use tonic::Streaming;
use tonic_prost::ProstCodec;

use super::connect::Link;
use super::message as m;
use super::{Fault, PATIENCE, addressed, away, end, fault, grpc, item, number};
use crate::keep::{Event, News, Watch};

/// A watch.
#[derive(Debug)]
pub struct EtcdWatch {
    link: Link,
    stream: Streaming<m::WatchResponse>,
    seen: u64,
    /// Parts of an answer that is not complete.
    parts: Vec<m::WatchEvent>,
}

pub(super) async fn open(
    link: &Link,
    prefix: &str,
    from: u64,
    seen: u64,
) -> Result<EtcdWatch, Fault> {
    let create = m::WatchCreate {
        key: prefix.as_bytes().to_vec(),
        range_end: end(prefix),
        start_revision: i64::try_from(from).unwrap_or(i64::MAX),
        progress_notify: true,
        fragment: true,
    };
    let request = m::WatchRequest { create: Some(create) };
    // The requests have no end: that would end the watch.
    let requests = Open(Some(request));
    let work = async {
        let mut grpc = grpc(link).await?;
        let path = http::uri::PathAndQuery::from_static("/etcdserverpb.Watch/Watch");
        let codec = ProstCodec::<m::WatchRequest, m::WatchResponse>::default();
        let answer = grpc.streaming(addressed(link, requests), path, codec).await;
        let stream = answer.map_err(|status| fault(link, &status))?.into_inner();
        let seen = seen.max(from.saturating_sub(1));
        let mut watch = EtcdWatch { link: link.clone(), stream, seen, parts: Vec::new() };
        watch.created().await?;
        Ok(watch)
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(opened) => opened,
        Err(_) => Err(away(link, "no answer to a watch".to_owned())),
    }
}

impl EtcdWatch {
    async fn created(&mut self) -> Result<(), Fault> {
        let answer = self.answer().await?;
        match answer.created {
            true => Ok(()),
            false => Err(Fault::Odd { what: "a watch with something else" }),
        }
    }

    /// The next answer, of which it is known that the watch goes on.
    async fn answer(&mut self) -> Result<m::WatchResponse, Fault> {
        let answer = self.stream.message().await.map_err(|status| fault(&self.link, &status))?;
        let answer = answer.ok_or_else(|| away(&self.link, "the watch ended".to_owned()))?;
        if answer.compact_revision != 0 {
            return Err(Fault::Compacted { oldest: number(answer.compact_revision) });
        }
        if answer.canceled {
            let (member, why) = (self.link.member.clone(), answer.cancel_reason);
            return Err(match why.contains("permission denied") {
                true => Fault::Refused { member, why },
                false => Fault::Away { member, why },
            });
        }
        let header = answer.header.as_ref().ok_or(Fault::Odd { what: "without a revision" })?;
        let revision = number(header.revision);
        if revision < self.seen {
            return Err(Fault::Behind { revision, seen: self.seen });
        }
        self.seen = revision;
        Ok(answer)
    }
}

impl Watch for EtcdWatch {
    async fn next(&mut self) -> Result<News, Fault> {
        loop {
            let answer = self.answer().await?;
            self.parts.extend(answer.events);
            if answer.fragment {
                continue;
            }
            let events = std::mem::take(&mut self.parts).into_iter().filter_map(event).collect();
            return Ok(News { revision: self.seen, events });
        }
    }
}

fn event(event: m::WatchEvent) -> Option<(u64, Event)> {
    let item = item(event.kv?);
    let revision = item.modified;
    Some(match event.kind {
        0 => (revision, Event::Put(item)),
        _ => (revision, Event::Gone { key: item.key }),
    })
}

/// One request, and then none, without an end.
struct Open(Option<m::WatchRequest>);

impl tokio_stream::Stream for Open {
    type Item = m::WatchRequest;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<m::WatchRequest>> {
        match self.0.take() {
            Some(request) => std::task::Poll::Ready(Some(request)),
            None => std::task::Poll::Pending,
        }
    }
}
