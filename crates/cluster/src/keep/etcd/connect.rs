//! A connection to one member: TLS, keepalive, and who asks.
//!
//! A member whose wire is cut says nothing for minutes: HTTP/2 pings after 5 s of silence, and the
//! connection fails when they are not answered for another 5.  Never here: which member.

use std::error::Error;
use std::time::{Duration, SystemTime};

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::access::Access;
use super::message::{AuthenticateRequest, AuthenticateResponse};
use super::{Fault, ask};

/// How long a member may take to accept.
const CONNECT: Duration = Duration::from_secs(2);
/// After so long a silence it is asked whether it is there, and so long it may take to say so.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// A connection.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) member: String,
    pub(super) channel: Channel,
    /// What the member gave for the password.
    pub(super) token: Option<MetadataValue<Ascii>>,
}

/// Connects to the member with that number.
pub(super) async fn connect(access: &Access, at: usize) -> Result<Link, Fault> {
    let member = access.address.members.get(at).cloned().unwrap_or_default();
    let endpoint = endpoint(access, &member)?;
    let away = |why| Fault::Away { member: member.clone(), why };
    let connected = tokio::time::timeout(CONNECT * 2, endpoint.connect()).await;
    let channel = match connected {
        Ok(Ok(channel)) => channel,
        Ok(Err(error)) => return Err(refused_or_away(&member, whole(&error))),
        Err(_) => return Err(away("no answer to the connection".to_owned())),
    };
    let mut link = Link { member, channel, token: None };
    if let (Some(user), Some(password)) = (&access.address.user, &access.password) {
        let question = AuthenticateRequest { name: user.clone(), password: password.clone() };
        let answer: AuthenticateResponse =
            ask(&link, "/etcdserverpb.Auth/Authenticate", question).await?;
        let token = answer.token.parse().map_err(|_| Fault::Odd { what: "with an odd token" })?;
        link.token = Some(token);
    }
    Ok(link)
}

fn endpoint(access: &Access, member: &str) -> Result<Endpoint, Fault> {
    let unusable = |error: tonic::transport::Error| Fault::Certificates { why: whole(&error) };
    let scheme = if access.address.tls { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{member}")).map_err(unusable)?;
    let endpoint = endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true);
    if !access.address.tls {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new();
    if let Some(ca) = &access.ca {
        tls = tls.ca_certificate(Certificate::from_pem(ca));
    }
    if let Some((certificate, key)) = &access.identity {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    endpoint.tls_config(tls).map_err(unusable)
}

/// A certificate that is not accepted is no matter of time.
fn refused_or_away(member: &str, why: String) -> Fault {
    let member = member.to_owned();
    match of_certificates(&why) {
        true => Fault::Refused { member, why },
        false => Fault::Away { member, why },
    }
}

/// Whether the other side, or this one, does not accept a certificate. With TLS 1.3 a member says so only
/// after the connection was made.
pub(super) fn of_certificates(why: &str) -> bool {
    why.contains("certificate") || why.contains("alert")
}

/// A fault before the first answer, with what is likely to be the matter: a member that does not accept who
/// asks may just hang up.
pub(super) fn explained(access: &Access, fault: Fault) -> Fault {
    let (member, away, why) = match &fault {
        Fault::Away { member, why } if hung_up(why) => (member.clone(), true, why.clone()),
        Fault::Refused { member, why } if of_certificates(why) => {
            (member.clone(), false, why.clone())
        }
        Fault::Away { .. }
        | Fault::Refused { .. }
        | Fault::Compacted { .. }
        | Fault::Behind { .. }
        | Fault::Full { .. }
        | Fault::Certificates { .. }
        | Fault::Odd { .. }
        | Fault::Database { .. } => return fault,
    };
    let own = access.identity.as_ref().map(|(certificate, _)| certificate);
    // Said by this side of the other's.
    let theirs = why.contains("invalid peer certificate");
    let expired = own.and_then(|pem| super::expiry::expired(pem, SystemTime::now()));
    if let Some(when) = expired.filter(|_| !theirs) {
        return Fault::Certificates { why: format!("this host's own has expired, {when}") };
    }
    let ask = match (access.address.tls, theirs, own.is_some()) {
        (false, ..) => "does it speak TLS? then it is etcds://",
        (true, true, _) => "is it by whom --ca says, and for this name?",
        (true, false, false) => "does it want a certificate of this host?",
        (true, false, true) => "does it accept this host's certificate?",
    };
    let why = format!("{why}; {ask}");
    if away { Fault::Away { member, why } } else { Fault::Refused { member, why } }
}

/// Whether the other side ended the connection.
fn hung_up(why: &str) -> bool {
    ["connection closed", "connection reset", "broken pipe"].iter().any(|words| why.contains(words))
}

/// An error and what it stems from, each once.
pub(super) fn whole(error: &(dyn Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
        source = error.source();
    }
    texts.join(": ")
}
