//! Whether an attachment that is there is the one that is asked for.
//!
//!     wished, there ─▶ the same · another · the same, but otherwise: refused

use std::net::IpAddr;

use ropewalk_spec::{Endpoint, Publish};
use ropewalk_store::AttachmentRecord;

use crate::code::Code;
use crate::fault::Fault;
use crate::from;

/// The attachment that is wanted, when it is among those that are `there`.
pub(crate) fn attached(
    endpoint: &Endpoint,
    there: Vec<AttachmentRecord>,
) -> Result<Option<AttachmentRecord>, Fault> {
    match there.into_iter().find(|record| is_meant(endpoint, record)) {
        Some(record) => agrees(endpoint, &record).map(|()| Some(record)),
        None => Ok(None),
    }
}

/// True when `record` is what `endpoint` speaks of: the same network, and the same interface if
/// one is named.
fn is_meant(endpoint: &Endpoint, record: &AttachmentRecord) -> bool {
    match &endpoint.ifname {
        Some(name) => record.ifname == *name,
        None => record.network == endpoint.network,
    }
}

/// In which of the rates `record` is otherwise than `endpoint` asks for.
fn other_rate(endpoint: &Endpoint, record: &AttachmentRecord) -> Option<String> {
    let pairs = [
        ("receives", endpoint.rate_in, record.rate_in),
        ("sends", endpoint.rate_out, record.rate_out),
    ];
    let (does, _, has) = pairs.into_iter().find(|(_, wish, has)| wish.is_some() && wish != has)?;
    let rate = has.map_or("as fast as it can".to_owned(), |rate| format!("at {rate}"));
    Some(format!("{} {does} {rate}", record.ifname))
}

/// In which of the allow lists `record` is otherwise than `endpoint` asks for.
fn other_list(endpoint: &Endpoint, record: &AttachmentRecord) -> Option<String> {
    let pairs = [
        ("receives", &endpoint.allow_in, &record.allow_in),
        ("sends", &endpoint.allow_out, &record.allow_out),
    ];
    let (does, _, has) =
        pairs.into_iter().find(|(_, wish, has)| !wish.is_empty() && wish != has)?;
    let what = if has.is_empty() { "anything".to_owned() } else { from::list(has) };
    Some(format!("{} {does} {what}", record.ifname))
}

/// Refuses when `record` is otherwise than `endpoint` asks for.
fn agrees(endpoint: &Endpoint, record: &AttachmentRecord) -> Result<(), Fault> {
    let ips: Vec<IpAddr> = record.addresses.iter().map(|net| net.addr()).collect();
    let differs = if record.network != endpoint.network {
        Some(format!("{} is on network {}", record.ifname, record.network))
    } else if endpoint.ips.iter().any(|ip| !ips.contains(ip)) {
        Some(format!("{} has {}", record.ifname, from::list(&record.addresses)))
    } else if endpoint.mac.is_some() && endpoint.mac != record.mac {
        Some(format!("{} has another MAC", record.ifname))
    } else if endpoint.mtu.is_some_and(|mtu| mtu != record.mtu) {
        Some(format!("{} has MTU {}", record.ifname, record.mtu))
    } else if let Some(why) = other_rate(endpoint, record) {
        Some(why)
    } else if let Some(why) = other_list(endpoint, record) {
        Some(why)
    } else {
        let new = |wish: &&Publish| !record.publish.contains(wish);
        endpoint.publish.iter().find(new).map(|wish| format!("{wish} is not published"))
    };
    match differs {
        None => Ok(()),
        Some(why) => {
            Err(Fault::new(Code::AlreadyAttached, "it is attached already, but otherwise")
                .cause(why)
                .or_try(format!("ropewalk detach {} {}", record.sandbox, record.network)))
        }
    }
}
