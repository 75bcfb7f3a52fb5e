//! A lease is kept alive: whatever is bound to it stays for another while.
//!
//!     grant 30 s, put a key bound to it ─▶ keep, keep, keep …     no word for 30 s: the key goes
//!
//! To keep one alive is no write: a thousand hosts that do so cost the store next to nothing.
//! Never here: ownership, which no lease ends.

use tonic_prost::ProstCodec;

use super::connect::Link;
use super::message as m;
use super::{Fault, PATIENCE, addressed, away, fault, grpc};

/// Keeps a lease alive, unless it has ended.
pub(super) async fn keep(link: &Link, id: i64) -> Result<bool, Fault> {
    let work = async {
        let mut grpc = grpc(link).await?;
        let path = http::uri::PathAndQuery::from_static("/etcdserverpb.Lease/LeaseKeepAlive");
        let codec = ProstCodec::<m::LeaseKeepAliveRequest, m::LeaseKeepAliveResponse>::default();
        let question = addressed(link, tokio_stream::once(m::LeaseKeepAliveRequest { id }));
        let answer = grpc.streaming(question, path, codec).await;
        let mut answers = answer.map_err(|status| fault(link, &status))?.into_inner();
        let answer = answers.message().await.map_err(|status| fault(link, &status))?;
        Ok(answer.is_some_and(|answer| answer.ttl > 0))
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(kept) => kept,
        Err(_) => Err(away(link, format!("no answer for {} s", PATIENCE.as_secs()))),
    }
}
