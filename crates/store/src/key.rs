//! Keys of the database: a letter for the kind, then fields with zero bytes between them, so that
//! everything of one namespace or one network stands together.
//!
//!     nNETWORK            → record        aNS·IFNAME                → record
//!     wNETWORK            → its works
//!     lNETWORK·IP         → NS·IFNAME     iNETWORK·NS·IFNAME        → nothing
//!     cNETWORK·SUBNET     → IP            pPROTO PORT HOST-ADDRESS  → NS·IFNAME
//!     fNUMBER             → repair        rCONTAINER·IFNAME·NETWORK of a runtime → NS·IFNAME

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{IfName, Ns};
use ropewalk_spec::names::hash;
use ropewalk_spec::{NetworkName, Proto};

use crate::error::StoreError;
use crate::record::{AttachmentKey, Cni};

/// All networks.
pub(crate) const NETWORKS: &[u8] = b"n";
/// All attachments.
pub(crate) const ATTACHMENTS: &[u8] = b"a";

/// All repairs.
pub(crate) const REPAIRS: &[u8] = b"f";

/// A repair, in the order of their numbers.
pub(crate) fn repair(id: u32) -> Vec<u8> {
    [REPAIRS, &id.to_be_bytes()].concat()
}

/// The longest name of a namespace. LMDB takes keys of 511 bytes; the longest key has a network
/// and an interface beside it.
const NS_MAX: usize = 400;

pub(crate) fn network(name: &NetworkName) -> Vec<u8> {
    join(b'n', &[name.as_str().as_bytes()])
}

/// The plan and the changes of a network.
pub(crate) fn works(name: &NetworkName) -> Vec<u8> {
    join(b'w', &[name.as_str().as_bytes()])
}

/// The namespace and interface of an attachment: the tail of its keys, and the value of leases and
/// claims.
pub(crate) fn tail(key: &AttachmentKey) -> Result<Vec<u8>, StoreError> {
    let ns = key.ns.as_str();
    if ns.len() > NS_MAX || ns.contains('\0') {
        return Err(StoreError::Key { ns: key.ns.clone() });
    }
    Ok([ns.as_bytes(), &[0], key.ifname.as_str().as_bytes()].concat())
}

/// The attachment that a [`tail`] names; `None` if it is damaged.
pub(crate) fn read_tail(tail: &[u8]) -> Option<AttachmentKey> {
    let (ns, ifname) = std::str::from_utf8(tail).ok()?.split_once('\0')?;
    Some(AttachmentKey { ns: Ns::new(ns), ifname: IfName::new(ifname).ok()? })
}

pub(crate) fn attachment(tail: &[u8]) -> Vec<u8> {
    join(b'a', &[tail])
}

/// All attachments of a namespace.
pub(crate) fn attachments_of(ns: &Ns) -> Vec<u8> {
    join(b'a', &[ns.as_str().as_bytes(), b""])
}

pub(crate) fn index(network: &NetworkName, tail: &[u8]) -> Vec<u8> {
    join(b'i', &[network.as_str().as_bytes(), tail])
}

/// All attachments of a network.
pub(crate) fn index_of(network: &NetworkName) -> Vec<u8> {
    index(network, b"")
}

pub(crate) fn lease(network: &NetworkName, ip: IpAddr) -> Vec<u8> {
    join(b'l', &[network.as_str().as_bytes(), &bytes(ip)])
}

/// All leases of a network.
pub(crate) fn leases_of(network: &NetworkName) -> Vec<u8> {
    join(b'l', &[network.as_str().as_bytes(), b""])
}

pub(crate) fn cursor(network: &NetworkName, subnet: IpNet) -> Vec<u8> {
    join(b'c', &[network.as_str().as_bytes(), subnet.to_string().as_bytes()])
}

/// The cursors of all subnets of a network.
pub(crate) fn cursors_of(network: &NetworkName) -> Vec<u8> {
    join(b'c', &[network.as_str().as_bytes(), b""])
}

pub(crate) fn claim(proto: Proto, port: u16, host: Option<IpAddr>) -> Vec<u8> {
    let mut key = claims_of(proto, port);
    key.extend(host.map(bytes).unwrap_or_default());
    key
}

/// What a runtime calls an attachment. A name that is too long for a key is there by two hashes.
pub(crate) fn called(cni: &Cni, ifname: &IfName) -> Vec<u8> {
    let (container, ifname, network) = (&cni.container, ifname.as_str(), &cni.network);
    let parts = [container.as_str(), ifname, network.as_str()];
    if parts.iter().map(|part| part.len()).sum::<usize>() <= NS_MAX {
        return join(b'r', &parts.map(str::as_bytes));
    }
    let [ab, ba] = [hash(&parts), hash(&["", network, ifname, container])];
    join(b'r', &[&ab.to_be_bytes(), &ba.to_be_bytes()])
}

/// The claims of a port, whatever the address of the host.
pub(crate) fn claims_of(proto: Proto, port: u16) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    vec![b'p', proto.number(), high, low]
}

/// The address that [`bytes`] wrote; `Some(None)` where there was none, `None` if it is damaged.
pub(crate) fn read_host(bytes: &[u8]) -> Option<Option<IpAddr>> {
    if bytes.is_empty() {
        return Some(None);
    }
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(Some)
}

fn bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

fn join(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend(parts.join(&0));
    key
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn no_name_is_the_beginning_of_another() {
        let (a, ab) = (NetworkName::new("a").unwrap(), NetworkName::new("ab").unwrap());
        assert!(!index(&ab, b"x\0y").starts_with(&index_of(&a)));
        assert!(!lease(&ab, [1, 2, 3, 4].into()).starts_with(&leases_of(&a)));
        let key = AttachmentKey { ns: Ns::new("pid:12"), ifname: IfName::new("eth0").unwrap() };
        let pid12 = attachment(&tail(&key).unwrap());
        assert!(pid12.starts_with(&attachments_of(&Ns::new("pid:12"))));
        assert!(!pid12.starts_with(&attachments_of(&Ns::new("pid:1"))));
    }

    #[test]
    fn the_longest_key_fits_and_a_longer_name_is_refused() {
        let ifname = IfName::new("a23456789012345").unwrap();
        let key = |n| AttachmentKey { ns: Ns::new("x".repeat(n)), ifname: ifname.clone() };
        let longest = index(&NetworkName::new("n".repeat(32)).unwrap(), &tail(&key(400)).unwrap());
        assert!(longest.len() <= 511);
        assert!(tail(&key(401)).is_err());
        assert_eq!(read_tail(&tail(&key(400)).unwrap()), Some(key(400)));
    }

    #[test]
    fn claims_write_their_address_and_read_it_back() {
        for host in [None, Some("1.2.3.4".parse().unwrap()), Some("fd00::1".parse().unwrap())] {
            let key = claim(Proto::Udp, 53, host);
            let rest = key.strip_prefix(claims_of(Proto::Udp, 53).as_slice()).unwrap();
            assert_eq!(read_host(rest), Some(host));
        }
        assert_eq!(read_host(&[1]), None);
    }
}
