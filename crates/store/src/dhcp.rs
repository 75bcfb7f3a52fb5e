//! What an attachment has to do with DHCP servers of the LAN (RFC 2131).
//!
//!     0 ── lent ──▶ renew_after: with the server ──▶ rebind_after: with any ──▶ seconds: it is over

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use ropewalk_facts::Mac;
use serde::{Deserialize, Serialize};

/// A client, and what was lent to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dhcp {
    /// By whom servers know it: the hardware address in messages.
    pub client: Mac,
    /// What it is called.
    pub name: Option<String>,
    /// What it has; none after one ran out, until another is had.
    pub lease: Option<DhcpLease>,
    /// When a server was last asked in vain, in milliseconds since 1970.
    pub tried_ms: u64,
}

/// An address and for how long it is lent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpLease {
    /// The address, in its subnet.
    pub net: Ipv4Net,
    /// The server.
    pub server: Ipv4Addr,
    /// Where the server's messages come from on this link: itself, or a relay.
    pub server_mac: Mac,
    /// The LAN's router, as the server has it.
    pub router: Option<Ipv4Addr>,
    /// Ways to elsewhere, by a router or on the link itself.
    pub routes: Vec<(Ipv4Net, Option<Ipv4Addr>)>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// The LAN's MTU.
    pub mtu: Option<u16>,
    /// When it was lent or last renewed, in milliseconds since 1970.
    pub since_ms: u64,
    /// For how long, in seconds; `u32::MAX` is for ever.
    pub seconds: u32,
    /// After how many seconds it is to be renewed with the server.
    pub renew_after: u32,
    /// After how many seconds with any.
    pub rebind_after: u32,
}

/// What is to be done about a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing before this many milliseconds are over.
    In(u64),
    /// The server is to be asked to renew it.
    Renew,
    /// Any server is.
    Rebind,
    /// It is over, and another is to be had.
    Over,
}

/// The longest time between two questions in vain (RFC 2131 §4.4.5 has it as the shortest, for
/// leases of days).
const PATIENCE_MS: u64 = 60_000;

impl Dhcp {
    /// What is to be done at the moment `now_ms`.
    #[must_use]
    pub fn due(&self, now_ms: u64) -> Due {
        let waited = now_ms.saturating_sub(self.tried_ms);
        let Some(lease) = &self.lease else { return rest(PATIENCE_MS / 4, waited, Due::Over) };
        if lease.seconds == u32::MAX {
            return Due::In(u64::from(u32::MAX) * 1000);
        }
        let age = now_ms.saturating_sub(lease.since_ms);
        let ms = |seconds: u32| u64::from(seconds) * 1000;
        if age >= ms(lease.seconds) {
            return Due::Over;
        }
        let (until, due) = match age >= ms(lease.rebind_after) {
            true => (ms(lease.seconds), Due::Rebind),
            false => (ms(lease.rebind_after), Due::Renew),
        };
        match ms(lease.renew_after).saturating_sub(age) {
            0 => rest((until.saturating_sub(age) / 2).min(PATIENCE_MS), waited, due),
            left => Due::In(left),
        }
    }

    /// The address that it has.
    #[must_use]
    pub fn net(&self) -> Option<IpNet> {
        self.lease.as_ref().map(|lease| lease.net.into())
    }
}

/// `due`, when `pause` is over since it was tried.
fn rest(pause: u64, waited: u64, due: Due) -> Due {
    match pause.saturating_sub(waited) {
        0 => due,
        left => Due::In(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dhcp(seconds: u32, tried_ms: u64) -> Dhcp {
        let lease = DhcpLease {
            net: Ipv4Net::from(Ipv4Addr::new(10, 0, 0, 9)),
            server: Ipv4Addr::new(10, 0, 0, 2),
            server_mac: Mac([2; 6]),
            router: None,
            routes: Vec::new(),
            dns: Vec::new(),
            mtu: None,
            since_ms: 1_000_000,
            seconds,
            renew_after: seconds / 2,
            rebind_after: seconds / 8 * 7,
        };
        Dhcp { client: Mac([2; 6]), name: None, lease: Some(lease), tried_ms }
    }

    #[test]
    fn a_lease_is_renewed_then_rebound_then_over() {
        let at = |s: u64| dhcp(800, 0).due(1_000_000 + s * 1000);
        let all = [at(0), at(399), at(400), at(699), at(700), at(799), at(800), at(9000)];
        let want = [Due::In(400_000), Due::In(1000), Due::Renew, Due::Renew, Due::Rebind];
        assert_eq!(all[..5], want);
        assert_eq!(all[5..], [Due::Rebind, Due::Over, Due::Over]);
        assert!(matches!(dhcp(u32::MAX, 0).due(u64::MAX / 2), Due::In(_)), "for ever");
    }

    #[test]
    fn it_is_asked_for_again_after_half_of_the_time_that_is_left() {
        let at = |s: u64, tried: u64| dhcp(80, 1_000_000 + tried * 1000).due(1_000_000 + s * 1000);
        assert_eq!(at(50, 40), Due::Renew);
        assert_eq!((at(52, 50), at(59, 50)), (Due::In(7000), Due::Renew));
        assert_eq!((at(72, 71), at(75, 71)), (Due::In(3000), Due::Rebind));
        let none = Dhcp { lease: None, ..dhcp(80, 2_000_000) };
        assert_eq!((none.due(2_010_000), none.due(2_015_000)), (Due::In(5000), Due::Over));
    }
}
